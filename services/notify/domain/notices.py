"""A notice and the facts of its life: it waits until the mail server has accepted or refused it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias
from uuid import UUID, uuid5

from services.notify.domain.notifications import Notification, SessionNotification, Template

_NOTICE_IDS = UUID("0d5b3c52-7a0e-5f0b-9b0e-6f2c1a4d8e73")

CHANNEL: Final = "email"


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


def new_notice(notification: Notification, role: str, now: datetime, trace: str | None) -> Notice:
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


def new_notices(notification: Notification, now: datetime, trace: str | None) -> list[Notice]:
    """What is to be told of a matter: a notice a recipient."""
    return [new_notice(notification, role, now, trace) for role in notification.recipients]


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


def limit_tries(notice: Notice, fact: Fact, tries_most: int) -> Fact:
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
