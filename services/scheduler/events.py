"""Maps facts to the events that others read."""

from __future__ import annotations

from dataclasses import asdict

from services.scheduler.domain.records import (
    Amended,
    Approved,
    Cancelled,
    Closed,
    Opened,
    Rescheduled,
    Resolution,
    ResolutionFact,
    Scheduled,
    Session,
    SessionFact,
    Withdrawn,
    named,
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
from shared.messaging.records import Event, event_id


def announce(session: Session, fact: SessionFact, topics: Topics, trace: str | None) -> Event:
    """The event of a session's fact, with the session as the fact left it."""
    data = _of_session(session, fact)
    return Event(
        id=event_id(data.TYPE, session.session_id, session.version),
        type=data.TYPE,
        topic=topics.sessions,
        key=session.session_id,
        aggregate_id=session.session_id,
        version=session.version,
        time=fact.at,
        dataschema=data.DATASCHEMA,
        data=data.to_json(),
        trace=trace,
    )


def announce_resolution(
    resolution: Resolution, fact: ResolutionFact, topics: Topics, trace: str | None
) -> Event:
    """The event of a resolution's fact, with the resolution as the fact left it."""
    data = _of_resolution(resolution, fact)
    return Event(
        id=event_id(data.TYPE, resolution.resolution_id, resolution.version),
        type=data.TYPE,
        topic=topics.resolutions(resolution.terms.deputy),
        key=resolution.resolution_id,
        aggregate_id=resolution.resolution_id,
        version=resolution.version,
        time=fact.at,
        dataschema=data.DATASCHEMA,
        data=data.to_json(),
        trace=trace,
    )


def _of_session(session: Session, fact: SessionFact) -> EventData:
    id_ = session.session_id
    match fact:
        case Scheduled():
            return SessionScheduled.model_validate(asdict(fact.gathering))
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
            return ResolutionApproved.model_validate(
                {
                    "resolution_id": id_,
                    "approved_at": fact.at,
                    "session_id": fact.session_id,
                    "session_kind": fact.session_kind,
                    **asdict(fact.terms),
                }
            )
        case Amended():
            return ResolutionAmended.model_validate(
                {
                    "resolution_id": id_,
                    "deputy": deputy,
                    "amended_at": fact.at,
                    "reason": fact.reason,
                    **named(fact.amendment),
                }
            )
        case Withdrawn():
            return ResolutionWithdrawn(
                resolution_id=id_, deputy=deputy, withdrawn_at=fact.at, reason=fact.reason
            )
