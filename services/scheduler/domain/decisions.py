"""What may happen to sessions and resolutions, and who may bring it about.

A refusal is a named error.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.scheduler.domain.records import (
    AMENDABLE,
    Amended,
    Amendment,
    Approved,
    Cancelled,
    Closed,
    Gathering,
    Opened,
    Rescheduled,
    Resolution,
    ResolutionState,
    Scheduled,
    Session,
    State,
    Terms,
    Withdrawn,
    amended,
)
from shared.contracts.reference import AXES
from shared.runtime.calendar import tehran_date
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed, Refused
from shared.runtime.sentences import OneOf, sentence

_AXES = frozenset(axis.id for axis in AXES)


class NotNow(Refused):
    """It cannot be done as things stand."""

    reason = "not-now"


class SeasonExists(Refused):
    """There is a season of that name; a season never changes."""

    reason = "season-exists"


class SessionExists(Refused):
    """There is a session of that id."""

    reason = "session-exists"


class TurnTaken(Refused):
    """The province has its session in that season already."""

    reason = "turn-taken"


class Conflict(Refused):
    """The resolution is known with other data."""

    reason = "conflict"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of what was asked for."""

    field: str  # dotted
    detail: str


class Invalid(Refused):
    """Fields of what was asked for cannot be so."""

    reason = "invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.detail}" for fault in faults))
        self.faults = tuple(faults)


# -- sessions -----------------------------------------------------------------------------------


def require_coordination(by: Principal) -> None:
    """The calendar is coordination's. Raises NotAllowed."""
    if not by.is_coordination:
        raise NotAllowed(
            sentence("{by} is not of coordination, which keeps the calendar", by=by.id)
        )


def schedule(
    gathering: Gathering, by: Principal, report_lead: timedelta, now: datetime
) -> Scheduled:
    """Put a gathering into the calendar. Raises NotAllowed, Invalid."""
    require_coordination(by)
    faults = []
    if gathering.ends_at <= gathering.starts_at:
        faults.append(Fault("ends_at", "not after starts_at"))
    if len(set(gathering.provinces)) < len(gathering.provinces):
        faults.append(Fault("provinces", "names one twice"))
    if gathering.kind == "provincial" and len(gathering.provinces) != 1:
        faults.append(Fault("provinces", "a provincial session is of exactly one"))
    if faults:
        raise Invalid(faults)
    due_at = _report_due_at(gathering, gathering.starts_at, report_lead)
    return Scheduled(now, replace(gathering, report_due_at=due_at))


def reschedule(
    session: Session,
    by: Principal,
    starts_at: datetime,
    ends_at: datetime,
    reason: str | None,
    report_lead: timedelta,
    now: datetime,
) -> Rescheduled | None:
    """Move it; None where it stands there already. Raises NotAllowed, NotNow, Invalid."""
    require_coordination(by)
    _require_state(session, State.SCHEDULED)
    if ends_at <= starts_at:
        raise Invalid([Fault("ends_at", "not after starts_at")])
    gathering = session.gathering
    if (starts_at, ends_at) == (gathering.starts_at, gathering.ends_at):
        return None
    due_at = _report_due_at(gathering, starts_at, report_lead)
    return Rescheduled(now, starts_at, ends_at, gathering.starts_at, due_at, reason)


def cancel(session: Session, by: Principal, reason: str | None, now: datetime) -> Cancelled:
    """Call it off before it begins. Raises NotAllowed, NotNow."""
    require_coordination(by)
    _require_state(session, State.SCHEDULED)
    return Cancelled(now, reason)


def open_(session: Session, by: Principal, now: datetime) -> Opened:
    """Begin it. Raises NotAllowed, NotNow."""
    require_coordination(by)
    _require_state(session, State.SCHEDULED)
    return Opened(now)


def close(session: Session, by: Principal, summary: str | None, now: datetime) -> Closed:
    """End it with the Minister's summary. Raises NotAllowed, NotNow."""
    require_coordination(by)
    _require_state(session, State.OPENED)
    return Closed(now, summary)


def _report_due_at(
    gathering: Gathering, starts_at: datetime, report_lead: timedelta
) -> datetime | None:
    return starts_at - report_lead if gathering.kind == "provincial" else None


def _require_state(session: Session, *states: State) -> None:
    if session.state not in states:
        raise NotNow(
            sentence(
                "the session is {state}; this needs {wanted}",
                state=session.state,
                wanted=OneOf(states),
            )
        )


# -- resolutions --------------------------------------------------------------------------------


def require_a_recorder(by: Principal) -> None:
    """Coordination and the Minister's office record resolutions. Raises NotAllowed."""
    if not (by.is_coordination or by.is_minister_office):
        raise NotAllowed(
            sentence("{by} is neither of coordination nor of the Minister's office", by=by.id)
        )


def require_sitting(session: Session) -> None:
    """Resolutions come of a session that has begun. Raises NotNow."""
    _require_state(session, State.OPENED, State.CLOSED)


def terms_in(session: Session, terms: Terms) -> Terms:
    """The terms as meant in that session: a provincial one's concern its province."""
    if terms.province is None and session.gathering.kind == "provincial":
        return replace(terms, province=session.gathering.provinces[0])
    return terms


def approve(
    session: Session, resolution_id: str, terms: Terms, deputies: Collection[str], now: datetime
) -> Approved:
    """Approve a resolution that is not known yet. Raises Invalid; its fields are those of Terms."""
    faults = []
    if terms.deputy not in deputies:
        template = "{deputy} is no deputy; known: {known}"
        told = sentence(template, deputy=repr(terms.deputy), known=list(deputies))
        faults.append(Fault("deputy", told))
    if terms.axis is not None and terms.axis not in _AXES:
        template = "{axis} is no axis; known: {known}"
        told = sentence(template, axis=repr(terms.axis), known=sorted(_AXES))
        faults.append(Fault("axis", told))
    if terms.due_on < tehran_date(now):
        told = sentence("before the approval on {day}", day=tehran_date(now))
        faults.append(Fault("due_on", told))
    if faults:
        raise Invalid(faults)
    return Approved(now, resolution_id, session.session_id, session.gathering.kind, terms)


def approve_again(resolution: Resolution, session: Session, terms: Terms) -> None:
    """Take an approval that is known already. Raises Conflict where it comes with other data."""
    if (resolution.session_id, resolution.original) != (session.session_id, terms):
        raise Conflict(sentence("{id} is known with other data", id=resolution.resolution_id))


def amend(
    resolution: Resolution, by: Principal, amendment: Amendment, reason: str | None, now: datetime
) -> Amended | None:
    """Change it; None where that changes nothing. Raises NotAllowed, NotNow, Invalid."""
    require_a_recorder(by)
    terms = resolution.terms
    new = amended(terms, amendment)
    if new == terms:
        return None
    if resolution.state is not ResolutionState.APPROVED:
        raise NotNow(sentence("the resolution is {state}", state=resolution.state))
    if new.due_on < tehran_date(resolution.approved_at):
        raise Invalid([Fault("due_on", "before the approval")])
    other = {n: getattr(new, n) for n in AMENDABLE if getattr(new, n) != getattr(terms, n)}
    return Amended(now, Amendment(**other), reason)


def withdraw(
    resolution: Resolution, by: Principal, reason: str | None, now: datetime
) -> Withdrawn | None:
    """Withdraw it; None where it was. Raises NotAllowed."""
    require_a_recorder(by)
    if resolution.state is ResolutionState.WITHDRAWN:
        return None
    return Withdrawn(now, reason)
