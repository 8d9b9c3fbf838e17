"""What may happen to sessions and resolutions, and who may do it.

A refusal is an error with a name.
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
    """It cannot be done in the present state."""

    reason = "not-now"


class SeasonExists(Refused):
    """A season with this name exists already; a season never changes."""

    reason = "season-exists"


class SessionExists(Refused):
    """A session with this id exists already."""

    reason = "session-exists"


class TurnTaken(Refused):
    """The province already has a session in this season."""

    reason = "turn-taken"


class Conflict(Refused):
    """The resolution exists already with other data."""

    reason = "conflict"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of a request."""

    field: str  # dotted
    detail: str


class Invalid(Refused):
    """Some fields of a request are wrong."""

    reason = "invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.detail}" for fault in faults))
        self.faults = tuple(faults)


# -- sessions -----------------------------------------------------------------------------------


def require_coordination(by: Principal) -> None:
    """Only coordination may change the calendar. Raises NotAllowed."""
    if not by.is_coordination:
        raise NotAllowed(
            sentence("{by} is not of coordination, which keeps the calendar", by=by.id)
        )


def schedule(
    gathering: Gathering, by: Principal, report_lead: timedelta, now: datetime
) -> Scheduled:
    """Put a session or another gathering into the calendar. Raises NotAllowed, Invalid."""
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
    """Move it; None if it has these times already. Raises NotAllowed, NotNow, Invalid."""
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
    """Cancel it before it begins. Raises NotAllowed, NotNow."""
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


def require_recorder(by: Principal) -> None:
    """Only coordination and the Minister's office may record resolutions. Raises NotAllowed."""
    if not (by.is_coordination or by.is_minister_office):
        raise NotAllowed(
            sentence("{by} is neither of coordination nor of the Minister's office", by=by.id)
        )


def require_begun(session: Session) -> None:
    """Resolutions can be recorded only after their session has begun. Raises NotNow."""
    _require_state(session, State.OPENED, State.CLOSED)


def terms_in(session: Session, terms: Terms) -> Terms:
    """The terms of a resolution of this session: by default its province is the session's."""
    if terms.province is None and session.gathering.kind == "provincial":
        return replace(terms, province=session.gathering.provinces[0])
    return terms


def approve(
    session: Session, resolution_id: str, terms: Terms, deputies: Collection[str], now: datetime
) -> Approved:
    """Approve a new resolution. Raises Invalid, whose fields are those of Terms."""
    faults = []
    if terms.deputy not in deputies:
        template = "{deputy} is no deputy; known: {known}"
        detail = sentence(template, deputy=repr(terms.deputy), known=list(deputies))
        faults.append(Fault("deputy", detail))
    if terms.axis is not None and terms.axis not in _AXES:
        template = "{axis} is no axis; known: {known}"
        detail = sentence(template, axis=repr(terms.axis), known=sorted(_AXES))
        faults.append(Fault("axis", detail))
    if terms.due_on < tehran_date(now):
        detail = sentence("before the approval on {day}", day=tehran_date(now))
        faults.append(Fault("due_on", detail))
    if faults:
        raise Invalid(faults)
    return Approved(now, resolution_id, session.session_id, session.gathering.kind, terms)


def approve_again(resolution: Resolution, session: Session, terms: Terms) -> None:
    """Accept a repeated approval. Raises Conflict if it has other data than the first."""
    if (resolution.session_id, resolution.original) != (session.session_id, terms):
        raise Conflict(sentence("{id} is known with other data", id=resolution.resolution_id))


def amend(
    resolution: Resolution, by: Principal, amendment: Amendment, reason: str | None, now: datetime
) -> Amended | None:
    """Amend it; None if nothing differs. Raises NotAllowed, NotNow, Invalid."""
    require_recorder(by)
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
    """Withdraw it; None if it is withdrawn already. Raises NotAllowed."""
    require_recorder(by)
    if resolution.state is ResolutionState.WITHDRAWN:
        return None
    return Withdrawn(now, reason)
