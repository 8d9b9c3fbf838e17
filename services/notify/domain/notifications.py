"""What people are notified of, and who is notified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

from services.notify.domain.refusals import DueBeforeApproval, WrongDeputy
from shared.runtime.calendar import tehran_date
from shared.runtime.principals import COORDINATION, MINISTER_OFFICE

Template: TypeAlias = Literal[
    "session-scheduled",
    "session-rescheduled",
    "session-cancelled",
    "report-overdue",
    "resolution-approved",
    "followup-overdue",
]


@dataclass(frozen=True, slots=True)
class ScheduledSession:
    """A session was put into the calendar; the governors of its provinces are notified."""

    session_id: str
    kind: str
    title: str
    provinces: tuple[str, ...]  # ISO 3166-2:IR
    starts_at: datetime  # UTC
    ends_at: datetime  # UTC
    mode: str
    venue: str | None
    report_due_at: datetime | None  # UTC
    turn: int = 0  # how often it was moved
    template: Literal["session-scheduled"] = "session-scheduled"

    @property
    def subject(self) -> str:
        return self.session_id

    @property
    def dedup_key(self) -> str:
        return str(self.turn) if self.turn else ""

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(_governor(province) for province in dict.fromkeys(self.provinces))


@dataclass(frozen=True, slots=True)
class MovedSession:
    """A session was moved; everybody who was notified of another time is notified."""

    session: ScheduledSession  # with its present times
    previous_starts_at: datetime  # UTC; of which the recipient was notified last
    previous_ends_at: datetime  # UTC
    reason: str | None
    template: Literal["session-rescheduled"] = "session-rescheduled"

    @property
    def subject(self) -> str:
        return self.session.session_id

    @property
    def dedup_key(self) -> str:
        return str(self.session.turn)

    @property
    def recipients(self) -> tuple[str, ...]:
        return self.session.recipients


@dataclass(frozen=True, slots=True)
class CancelledSession:
    """A session was cancelled; everybody who was notified of it is notified."""

    session: ScheduledSession  # as the recipient was notified of it last
    cancelled_at: datetime  # UTC
    reason: str | None
    template: Literal["session-cancelled"] = "session-cancelled"

    @property
    def subject(self) -> str:
        return self.session.session_id

    @property
    def dedup_key(self) -> str:
        return ""

    @property
    def recipients(self) -> tuple[str, ...]:
        return self.session.recipients


@dataclass(frozen=True, slots=True)
class OverdueReport:
    """A province's report did not arrive by its due time; the governor is notified."""

    session_id: str
    province: str  # ISO 3166-2:IR
    due_at: datetime  # UTC
    title: str | None  # of the session
    template: Literal["report-overdue"] = "report-overdue"

    @property
    def subject(self) -> str:
        return self.session_id

    @property
    def dedup_key(self) -> str:
        return self.due_at.isoformat()

    @property
    def recipients(self) -> tuple[str, ...]:
        return (_governor(self.province),)


@dataclass(frozen=True, slots=True)
class ApprovedResolution:
    """A resolution was approved; the deputy who answers for it is notified."""

    resolution_id: str
    deputy: str
    title: str
    approved_at: datetime  # UTC
    due_on: date  # Asia/Tehran
    session_id: str | None
    province: str | None
    axis: str | None
    text: str | None
    supporting: tuple[str, ...]
    executing_body: str | None
    priority: str
    number: str | None
    template: Literal["resolution-approved"] = "resolution-approved"

    @property
    def subject(self) -> str:
        return self.resolution_id

    @property
    def dedup_key(self) -> str:
        return ""

    @property
    def recipients(self) -> tuple[str, ...]:
        return (_deputy(self.deputy),)


@dataclass(frozen=True, slots=True)
class OverdueFollowup:
    """A follow-up reached a level of being overdue; the recipient of that level is notified."""

    followup_id: str
    resolution_id: str
    deputy: str
    title: str
    due_on: date  # Asia/Tehran
    original_due_on: date
    days_overdue: int  # calendar days
    level: int  # 1 deputy, 2 coordination, 3 minister
    progress: int  # 0…100
    session_id: str | None
    province: str | None
    axis: str | None
    template: Literal["followup-overdue"] = "followup-overdue"

    @property
    def subject(self) -> str:
        return self.followup_id

    @property
    def dedup_key(self) -> str:
        return f"{self.due_on}|{self.level}"

    @property
    def recipients(self) -> tuple[str, ...]:
        return ((_deputy(self.deputy), COORDINATION, MINISTER_OFFICE)[self.level - 1],)


SessionNotification: TypeAlias = ScheduledSession | MovedSession | CancelledSession
Notification: TypeAlias = SessionNotification | OverdueReport | ApprovedResolution | OverdueFollowup


def check(notification: Notification, deputy: str | None) -> None:
    """Check a notification against the topic of its event.

    `deputy` is the deputy whose topic it is, or None if the topic belongs to no deputy. A
    resolution that fails the check is not followed either. Raises WrongDeputy, DueBeforeApproval.
    """
    if (
        isinstance(notification, ApprovedResolution | OverdueFollowup)
        and notification.deputy != deputy
    ):
        raise WrongDeputy(f"data.deputy is {notification.deputy!r}, the topic is of {deputy!r}")
    if isinstance(notification, ApprovedResolution):
        approved_on = tehran_date(notification.approved_at)
        if notification.due_on < approved_on:
            raise DueBeforeApproval(
                f"due_on {notification.due_on} is before the approval on {approved_on}"
            )


def _governor(province: str) -> str:
    return f"province:{province}"


def _deputy(deputy: str) -> str:
    return f"deputy:{deputy}"
