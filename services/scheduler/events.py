"""Maps facts to this service's events, and those events back to facts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TypeAlias

from services.scheduler.domain.records import (
    AMENDABLE,
    Amended,
    Amendment,
    Approved,
    Attendee,
    Cancelled,
    Closed,
    Gathering,
    Opened,
    Rescheduled,
    Resolution,
    ResolutionFact,
    Scheduled,
    Session,
    SessionFact,
    Terms,
    Withdrawn,
    changed_fields,
)
from shared.contracts.events import (
    EventData,
    ResolutionAmended,
    ResolutionApproved,
    ResolutionWithdrawn,
    SessionCancelled,
    SessionClosed,
    SessionOpened,
    SessionRescheduled,
    SessionScheduled,
)
from shared.contracts.topics import Topics
from shared.messaging.core.model import Event, event_of

SessionEvent: TypeAlias = (
    SessionScheduled | SessionRescheduled | SessionCancelled | SessionOpened | SessionClosed
)
ResolutionEvent: TypeAlias = ResolutionApproved | ResolutionAmended | ResolutionWithdrawn

_GATHERING = (
    *("session_id", "kind", "provinces", "title", "starts_at", "ends_at", "mode", "season"),
    *("venue", "report_due_at"),
)
_TERMS = (
    *("deputy", "title", "due_on", "axis", "province", "text", "supporting", "executing_body"),
    *("priority", "number", "baseline_on"),
)


def to_event(session: Session, fact: SessionFact, topics: Topics, trace: str | None) -> Event:
    """The event of a session's fact, with the session after it."""
    return event_of(
        _of_session(session, fact),
        topic=topics.sessions,
        aggregate_id=session.session_id,
        version=session.version,
        time=fact.at,
        trace=trace,
    )


def resolution_to_event(
    resolution: Resolution, fact: ResolutionFact, topics: Topics, trace: str | None
) -> Event:
    """The event of a resolution's fact, with the resolution after it."""
    return event_of(
        _of_resolution(resolution, fact),
        topic=topics.resolutions(resolution.terms.deputy),
        aggregate_id=resolution.resolution_id,
        version=resolution.version,
        time=fact.at,
        trace=trace,
    )


def _of_session(session: Session, fact: SessionFact) -> EventData:
    id_ = session.session_id
    match fact:
        case Scheduled():
            return SessionScheduled(**asdict(fact.gathering))
        case Rescheduled():
            return SessionRescheduled(
                session_id=id_,
                starts_at=fact.starts_at,
                ends_at=fact.ends_at,
                previous_starts_at=fact.previous_starts_at,
                report_due_at=fact.report_due_at,
                reason=fact.reason,
            )
        case Cancelled():
            return SessionCancelled(session_id=id_, cancelled_at=fact.at, reason=fact.reason)
        case Opened():
            return SessionOpened(session_id=id_, opened_at=fact.at)
        case Closed():
            return SessionClosed(
                session_id=id_,
                closed_at=fact.at,
                resolutions=session.resolutions,
                summary=fact.summary,
            )


def _of_resolution(resolution: Resolution, fact: ResolutionFact) -> EventData:
    id_, deputy = resolution.resolution_id, resolution.terms.deputy
    match fact:
        case Approved():
            return ResolutionApproved(
                resolution_id=id_,
                approved_at=fact.at,
                session_id=fact.session_id,
                session_kind=fact.session_kind,
                **asdict(fact.terms),
            )
        case Amended():
            return ResolutionAmended(
                resolution_id=id_,
                deputy=deputy,
                amended_at=fact.at,
                reason=fact.reason,
                **changed_fields(fact.amendment),
            )
        case Withdrawn():
            return ResolutionWithdrawn(
                resolution_id=id_, deputy=deputy, withdrawn_at=fact.at, reason=fact.reason
            )


def from_event(data: SessionEvent, at: datetime) -> SessionFact:
    """The fact of one of our own session events; `at` (UTC) is the event's time.

    The number of resolutions in SessionClosed is not part of the fact.
    """
    match data:
        case SessionScheduled():
            known = {name: getattr(data, name) for name in _GATHERING}
            attendees = tuple(Attendee(p.role, p.id, p.name) for p in data.attendees)
            return Scheduled(at, Gathering(**known, attendees=attendees))
        case SessionRescheduled():
            return Rescheduled(
                at,
                data.starts_at,
                data.ends_at,
                data.previous_starts_at,
                data.report_due_at,
                data.reason,
            )
        case SessionCancelled():
            return Cancelled(at, data.reason)
        case SessionOpened():
            return Opened(at)
        case SessionClosed():
            return Closed(at, data.summary)


def resolution_from_event(data: ResolutionEvent, at: datetime) -> ResolutionFact | None:
    """The fact of one of our own resolution events; `at` (UTC) is the event's time.

    None if the event is not ours, which is so if its resolution has no session.
    """
    match data:
        case ResolutionApproved():
            if data.session_id is None or data.session_kind is None:
                return None
            terms = Terms(**{name: getattr(data, name) for name in _TERMS})
            return Approved(at, data.resolution_id, data.session_id, data.session_kind, terms)
        case ResolutionAmended():
            changed = {name: getattr(data, name) for name in AMENDABLE}
            return Amended(at, Amendment(**changed), data.reason)
        case ResolutionWithdrawn():
            return Withdrawn(at, data.reason)
