"""Maps events of other services to notifications, and facts to this service's own events."""

from __future__ import annotations

from typing import TypeAlias

from services.notify.domain.notices import CHANNEL, Delivered, Fact, Failed, Notice
from services.notify.domain.notifications import (
    ApprovedResolution,
    Notification,
    OverdueFollowup,
    OverdueReport,
    ScheduledSession,
)
from services.notify.domain.session_notices import Times
from shared.contracts.events import (
    EventData,
    FollowupOverdue,
    NoticeDelivered,
    NoticeFailed,
    ReportOverdue,
    ResolutionApproved,
    SessionCancelled,
    SessionRescheduled,
    SessionScheduled,
)
from shared.messaging.core.model import Event, event_of

NoticeEvent: TypeAlias = NoticeDelivered | NoticeFailed
SessionEvent: TypeAlias = SessionScheduled | SessionRescheduled | SessionCancelled

_SESSION = (
    *("session_id", "kind", "title", "provinces", "starts_at", "ends_at", "mode", "venue"),
    "report_due_at",
)
_REPORT = ("session_id", "province", "due_at", "title")
_RESOLUTION = (
    *("resolution_id", "deputy", "title", "approved_at", "due_on", "session_id", "province"),
    *("axis", "text", "supporting", "executing_body", "priority", "number"),
)
_FOLLOWUP = (
    *("followup_id", "resolution_id", "deputy", "title", "due_on", "original_due_on"),
    *("days_overdue", "level", "progress", "session_id", "province", "axis"),
)


def notification_of(data: EventData) -> Notification | None:
    """The notification that an event calls for; None if it calls for none.

    Notices of sessions depend on earlier ones, see `domain.session_notices`.
    """
    match data:
        case ReportOverdue():
            return OverdueReport(**{name: getattr(data, name) for name in _REPORT})
        case ResolutionApproved():
            return ApprovedResolution(**{name: getattr(data, name) for name in _RESOLUTION})
        case FollowupOverdue():
            return OverdueFollowup(**{name: getattr(data, name) for name in _FOLLOWUP})
        case _:
            return None


def session_of(data: SessionScheduled) -> ScheduledSession:
    """The session that an event schedules."""
    return ScheduledSession(**{name: getattr(data, name) for name in _SESSION})


def times_of(data: SessionRescheduled) -> Times:
    """The new times of a session that was moved."""
    return Times(data.starts_at, data.ends_at, data.report_due_at)


def to_event(notice: Notice, fact: Fact, topic: str) -> Event | None:
    """The event of a fact, with the notice after it; None if the fact is not published."""
    data = _data(notice, fact)
    if data is None:
        return None
    return event_of(
        data,
        topic=topic,
        aggregate_id=notice.notice_id,
        version=notice.version,
        time=fact.at,
        trace=notice.trace,
    )


def from_event(data: NoticeEvent) -> Fact:
    """The fact of one of our own events."""
    match data:
        case NoticeDelivered():
            return Delivered(data.at)
        case NoticeFailed():
            return Failed(data.at, data.reason)


def _data(notice: Notice, fact: Fact) -> EventData | None:
    match fact:
        case Delivered():
            return NoticeDelivered(
                notice_id=notice.notice_id,
                channel=CHANNEL,
                template=notice.template,
                subject=notice.subject,
                recipient_role=notice.recipient_role,
                at=fact.at,
            )
        case Failed():
            return NoticeFailed(
                notice_id=notice.notice_id,
                channel=CHANNEL,
                template=notice.template,
                subject=notice.subject,
                recipient_role=notice.recipient_role,
                at=fact.at,
                reason=fact.reason,
            )
        case _:
            return None
