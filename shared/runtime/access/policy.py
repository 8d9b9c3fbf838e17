"""The policy: for each action, who may take it on everything, and who on what is theirs.

Whoever is not named may not. No role stands for another: the Minister's office has no right of the
deputies, and an operator none of coordination.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.runtime.principals import (
    AUDITOR,
    COORDINATION,
    MINISTER_OFFICE,
    OPERATOR,
    SYSTEM,
    Principal,
)


class Who(StrEnum):
    """A kind of principal. All but `OFFICER` and `SUBSTITUTE` come from roles."""

    COORDINATION = COORDINATION
    MINISTER_OFFICE = MINISTER_OFFICE
    DEPUTY = "deputy"
    PROVINCE = "province"
    ADVISER = "adviser"
    OFFICER = "officer"
    """A person to whom a follow-up is assigned or delegated, without any role."""

    SUBSTITUTE = "substitute"
    """A person who acts for an absent deputy on these days, without any role."""

    AUDITOR = AUDITOR
    OPERATOR = OPERATOR
    SYSTEM = SYSTEM
    INTEGRATOR = "integrator"


class Action(StrEnum):
    """What a route does. Several routes may share an action."""

    READ_SEASONS = "seasons.read"
    CREATE_SEASON = "seasons.create"
    READ_SESSIONS = "sessions.read"
    SCHEDULE_SESSION = "sessions.schedule"
    HOLD_SESSION = "sessions.hold"
    READ_RESOLUTIONS = "resolutions.read"
    APPROVE_RESOLUTION = "resolutions.approve"
    CHANGE_RESOLUTION = "resolutions.change"

    READ_CIRCULARS = "circulars.read"
    ISSUE_CIRCULAR = "circulars.issue"
    READ_EXPECTATIONS = "expectations.read"
    READ_REPORTS = "reports.read"
    READ_RESTRICTED = "reports.read-restricted"
    SUBMIT_REPORT = "reports.submit"
    DISTRIBUTE_REPORT = "reports.distribute"

    READ_FOLLOWUPS = "followups.read"
    WORK_ON_FOLLOWUP = "followups.work"
    DELEGATE_FOLLOWUP = "followups.delegate"
    DECIDE_ON_FOLLOWUP = "followups.decide"
    VERIFY_FOLLOWUP = "followups.verify"
    REPORT_PART = "followups.report-part"
    COMMENT_ON_FOLLOWUP = "followups.comment"
    MOVE_FOLLOWUPS = "followups.move"
    DECLARE_ABSENCE = "absences.declare"
    READ_ABSENCES = "absences.read"
    READ_SCORECARDS = "scorecards.read"
    INSPECT_FOLLOWUPS = "followups.inspect"

    READ_NOTICES = "notices.read"
    READ_OPERATIONS = "operations.read"
    RESUME_SUBSCRIPTION = "operations.resume"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may take an action, and on what."""

    on_all: frozenset[Who] = frozenset()
    on_own: frozenset[Who] = frozenset()


def _rule(*on_all: Who, own: tuple[Who, ...] = ()) -> Rule:
    return Rule(frozenset(on_all), frozenset(own))


_CENTRE: Final = (Who.COORDINATION, Who.MINISTER_OFFICE)
_READERS: Final = (*_CENTRE, Who.AUDITOR, Who.SYSTEM)
_MINISTRY: Final = (*_READERS, Who.DEPUTY, Who.ADVISER)
_ALL_ROLES: Final = tuple(set(Who) - {Who.OFFICER, Who.SUBSTITUTE})
_FOR_DEPUTY: Final = (Who.DEPUTY, Who.SUBSTITUTE)

POLICY: Final[Mapping[Action, Rule]] = {
    Action.READ_SEASONS: _rule(*_ALL_ROLES),
    Action.CREATE_SEASON: _rule(Who.COORDINATION),
    Action.READ_SESSIONS: _rule(*_MINISTRY, Who.INTEGRATOR, own=(Who.PROVINCE,)),
    Action.SCHEDULE_SESSION: _rule(Who.COORDINATION),
    Action.HOLD_SESSION: _rule(Who.COORDINATION),
    Action.READ_RESOLUTIONS: _rule(
        *_READERS, own=(Who.DEPUTY, Who.PROVINCE, Who.ADVISER, Who.INTEGRATOR)
    ),
    Action.APPROVE_RESOLUTION: _rule(*_CENTRE),
    Action.CHANGE_RESOLUTION: _rule(*_CENTRE),
    Action.READ_CIRCULARS: _rule(*_ALL_ROLES),
    Action.ISSUE_CIRCULAR: _rule(Who.COORDINATION),
    Action.READ_EXPECTATIONS: _rule(*_MINISTRY, own=(Who.PROVINCE,)),
    Action.READ_REPORTS: _rule(*_MINISTRY, own=(Who.PROVINCE,)),
    Action.READ_RESTRICTED: _rule(*_CENTRE, own=(Who.DEPUTY, Who.PROVINCE, Who.ADVISER)),
    Action.SUBMIT_REPORT: _rule(Who.COORDINATION, own=(Who.PROVINCE,)),
    Action.DISTRIBUTE_REPORT: _rule(Who.COORDINATION),
    Action.READ_FOLLOWUPS: _rule(
        *_READERS,
        own=(*_FOR_DEPUTY, Who.PROVINCE, Who.ADVISER, Who.OFFICER, Who.INTEGRATOR),
    ),
    Action.WORK_ON_FOLLOWUP: _rule(own=(*_FOR_DEPUTY, Who.OFFICER)),
    Action.DELEGATE_FOLLOWUP: _rule(own=_FOR_DEPUTY),
    Action.DECIDE_ON_FOLLOWUP: _rule(*_CENTRE),
    Action.VERIFY_FOLLOWUP: _rule(*_CENTRE, own=(Who.PROVINCE,)),
    Action.REPORT_PART: _rule(own=(*_FOR_DEPUTY, Who.PROVINCE, Who.OFFICER)),
    Action.COMMENT_ON_FOLLOWUP: _rule(*_CENTRE, own=(*_FOR_DEPUTY, Who.PROVINCE, Who.OFFICER)),
    Action.MOVE_FOLLOWUPS: _rule(Who.MINISTER_OFFICE, Who.OPERATOR),
    Action.DECLARE_ABSENCE: _rule(Who.MINISTER_OFFICE, own=(Who.DEPUTY,)),
    Action.READ_ABSENCES: _rule(*_READERS, own=(*_FOR_DEPUTY, Who.INTEGRATOR)),
    Action.READ_SCORECARDS: _rule(*_READERS, own=(*_FOR_DEPUTY, Who.PROVINCE, Who.ADVISER)),
    Action.INSPECT_FOLLOWUPS: _rule(
        *_CENTRE, Who.AUDITOR, own=(*_FOR_DEPUTY, Who.PROVINCE, Who.ADVISER)
    ),
    Action.READ_NOTICES: _rule(
        *_CENTRE, Who.AUDITOR, Who.OPERATOR, own=(Who.DEPUTY, Who.PROVINCE, Who.ADVISER)
    ),
    Action.READ_OPERATIONS: _rule(Who.OPERATOR, Who.AUDITOR),
    Action.RESUME_SUBSCRIPTION: _rule(Who.OPERATOR),
}


@dataclass(frozen=True, slots=True)
class Reach:
    """On which items one principal may take an action: on all, or on those of these owners."""

    everything: bool = False
    deputies: frozenset[str] = frozenset()
    provinces: frozenset[str] = frozenset()
    axes: frozenset[str] = frozenset()
    person: str | None = None  # who may be the officer or the delegate

    def __bool__(self) -> bool:
        """Whether there can be any such item."""
        return bool(self.everything or self.deputies or self.provinces or self.axes or self.person)

    @property
    def bodies(self) -> frozenset[str]:
        """Those for whom the principal speaks if a resolution names them as taking part."""
        return self.deputies | self.provinces


def reach(by: Principal, action: Action) -> Reach:
    """On which items a principal may take an action."""
    rule, kinds = POLICY[action], kinds_of(by)
    if kinds & rule.on_all:
        return Reach(everything=True)
    own = kinds & rule.on_own
    return Reach(
        deputies=(by.deputies if Who.DEPUTY in own else frozenset())
        | (frozenset(by.substitutions) if Who.SUBSTITUTE in own else frozenset())
        | (by.integrates if Who.INTEGRATOR in own else frozenset()),
        provinces=by.provinces if Who.PROVINCE in own else frozenset(),
        axes=by.axes if Who.ADVISER in own else frozenset(),
        person=by.id if Who.OFFICER in own else None,
    )


def kinds_of(by: Principal) -> frozenset[Who]:
    """The kinds of principal that somebody is. A machine is nobody's officer or substitute."""
    kinds = {Who(role.partition(":")[0]) for role in by.roles}
    if not by.is_machine:
        kinds |= {Who.OFFICER, Who.SUBSTITUTE} if by.substitutions else {Who.OFFICER}
    return frozenset(kinds)
