"""What a notice is about, whom it goes to, and what becomes of it. Pure: `now` is passed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal, TypeAlias
from uuid import UUID, uuid5

from shared.runtime.calendar import tehran_date
from shared.runtime.principals import COORDINATION, MINISTER_OFFICE
from shared.runtime.refusals import Refused

_NOTICE_IDS = UUID("0d5b3c52-7a0e-5f0b-9b0e-6f2c1a4d8e73")

CHANNEL: Final = "email"
LONGEST_WAIT_SECONDS: Final = 900.0

Template: TypeAlias = Literal[
    "session-scheduled",
    "session-rescheduled",
    "session-cancelled",
    "report-overdue",
    "resolution-approved",
    "followup-overdue",
]


class WrongDeputy(Refused):
    """The event names another deputy than the topic that it came by."""

    reason = "wrong-deputy"


class DueBeforeApproval(Refused):
    """The due date lies before the day of approval, so nobody will follow that resolution."""

    reason = "due-before-approval"


# -- what a notice is about ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScheduledSession:
    """A session stands in the calendar; the governors of its provinces are told."""

    session_id: str
    kind: str
    title: str
    provinces: tuple[str, ...]  # ISO 3166-2:IR
    starts_at: datetime  # UTC
    ends_at: datetime  # UTC
    mode: str
    venue: str | None
    report_due_at: datetime | None  # UTC
    turn: int = 0  # how often it had been moved
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
    """A session was moved; whoever was told another time is told."""

    session: ScheduledSession  # as it stands now
    previous_starts_at: datetime  # UTC; what the recipient was told last
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
    """A session was called off; whoever was told of it is told."""

    session: ScheduledSession  # as the recipient was told of it last
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
    """A province's report was not there when it was due; its governor is told."""

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
    """A resolution was approved; the deputy who answers for it is told."""

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
    """A follow-up reached a level of being overdue; whom the level names is told."""

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
    """Check a matter that came by a topic; `deputy` is whose topic it is, where it is one's.

    Raises WrongDeputy, DueBeforeApproval: the rules by which such a resolution is not followed.
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


# -- the notice and its life --------------------------------------------------------------------


class State(StrEnum):
    """Where a notice stands."""

    PENDING = "pending"
    DELIVERED = "delivered"  # the mail server has taken it
    FAILED = "failed"  # the mail server will never take it
    WITHDRAWN = "withdrawn"  # overtaken by what came after it, before the mail server had it


class HandoverState(StrEnum):
    """Whether a pending notice may be with the mail server already."""

    WAITS = "waits"  # it is not
    UNDER_WAY = "under-way"  # it was handed over, and no answer is noted
    OVERTAKEN = "overtaken"  # the same, and what it says is true no more


class Trouble(StrEnum):
    """Whose trouble a notice waits for, where it is not the mail server's."""

    MESSAGE = "message"
    RECIPIENT = "recipient"
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True)
class Notice:
    """What one recipient is told of one matter, as it stands after its latest fact."""

    notice_id: str
    version: int  # the number of its events; 0 until its fate is known
    state: State
    notification: Notification
    recipient_role: str
    created_at: datetime
    changed_at: datetime
    tries: int = 0
    reason: str | None = None  # the mail server's last refusal
    trouble: Trouble | None = None  # for what it waits longer than others
    standing: HandoverState = HandoverState.WAITS
    trace: str | None = None  # W3C traceparent of what caused it

    @property
    def template(self) -> Template:
        return self.notification.template

    @property
    def subject(self) -> str:
        """The id of what it is about: a session's, a resolution's or a follow-up's."""
        return self.notification.subject

    @property
    def can_be_overtaken(self) -> bool:
        """Whether what it says may become untrue while it waits."""
        return isinstance(self.notification, SessionNotification)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The mail server has taken it."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """The mail server will never take it."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PutOff:
    """The mail server did not take it this time."""

    at: datetime
    reason: str
    trouble: Trouble = Trouble.MESSAGE
    is_answer: bool = True  # False: it hung up, fell silent or talked nonsense
    is_sure: bool = True  # False: it may have taken it all the same


@dataclass(frozen=True, slots=True)
class HeldBack:
    """It was not tried: its recipient or his domain is in trouble.

    What the mail server said of the recipient counts for all that is for him.
    """

    at: datetime
    until: datetime  # machine time, UTC
    trouble: Trouble
    reason: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The mail server may have it from now on."""

    at: datetime


@dataclass(frozen=True, slots=True)
class TakenBack:
    """It was to be handed over, and there was no mail server to take it."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Overtaken:
    """What it says is true no more."""

    at: datetime


@dataclass(frozen=True, slots=True)
class TrueAgain:
    """What it says is so again, and no answer to it came meanwhile."""

    at: datetime


Fact: TypeAlias = (
    Delivered | Failed | PutOff | HeldBack | HandedOver | TakenBack | Overtaken | TrueAgain
)


def notice_id(notification: Notification, role: str) -> str:
    """Derive the id of what a role is told of a matter (UUID, RFC 4122 version 5).

    It hangs on what the notice is about, so the same fact told twice is one notice.
    """
    about = f"{notification.template}|{notification.subject}|{notification.dedup_key}|{role}"
    return str(uuid5(_NOTICE_IDS, about))


def notice(notification: Notification, role: str, now: datetime, trace: str | None) -> Notice:
    """What a role is to be told of a matter."""
    return Notice(
        notice_id=notice_id(notification, role),
        version=0,
        state=State.PENDING,
        notification=notification,
        recipient_role=role,
        created_at=now,
        changed_at=now,
        trace=trace,
    )


def notices(notification: Notification, now: datetime, trace: str | None) -> list[Notice]:
    """What is to be told of a matter: a notice a recipient."""
    return [notice(notification, role, now, trace) for role in notification.recipients]


def evolve(notice: Notice, fact: Fact) -> Notice:
    """The notice after one more fact. What tells nobody its fate is no event: the version stays."""
    next_ = replace(notice, changed_at=fact.at)
    match fact:
        case Delivered() | Failed():
            return replace(
                next_,
                version=notice.version + 1,
                tries=notice.tries + 1,
                state=State.DELIVERED if isinstance(fact, Delivered) else State.FAILED,
                reason=None if isinstance(fact, Delivered) else fact.reason,
                trouble=None,
                standing=HandoverState.WAITS,
            )
        case PutOff():
            tried = replace(next_, tries=notice.tries + 1, reason=fact.reason, trouble=fact.trouble)
            if notice.standing is HandoverState.OVERTAKEN:
                return _withdrawn(tried)
            return replace(tried, standing=HandoverState.WAITS) if fact.is_sure else tried
        case HeldBack():
            tries = notice.tries + (fact.trouble is Trouble.RECIPIENT)
            return replace(next_, tries=tries, reason=fact.reason, trouble=fact.trouble)
        case HandedOver() | TrueAgain():
            return replace(next_, standing=HandoverState.UNDER_WAY)
        case TakenBack():
            if notice.standing is HandoverState.OVERTAKEN:
                return _withdrawn(next_)
            return replace(next_, standing=HandoverState.WAITS)
        case Overtaken():
            if notice.standing is HandoverState.UNDER_WAY:
                return replace(next_, standing=HandoverState.OVERTAKEN)
            return _withdrawn(next_)


def _withdrawn(notice: Notice) -> Notice:
    return replace(notice, state=State.WITHDRAWN, trouble=None, standing=HandoverState.WAITS)


def judged(notice: Notice, fact: Fact, tries_most: int) -> Fact:
    """What the mail server's answer is to a notice: after so many tries, no longer one for now.

    A domain's trouble is no notice's fault, so nothing is given up for it.
    """
    if (
        isinstance(fact, PutOff | HeldBack)
        and fact.trouble is not Trouble.DOMAIN
        and notice.standing is not HandoverState.OVERTAKEN
        and notice.tries + 1 >= tries_most
    ):
        return Failed(fact.at, fact.reason)
    return fact


def wait_seconds(tries: int, first: float) -> float:
    """How long to wait after so many tries, from 1: twice as long each time, at most 15 minutes."""
    return float(min(first * 2 ** min(tries - 1, 30), LONGEST_WAIT_SECONDS))
