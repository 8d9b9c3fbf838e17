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
    """The state of a notice."""

    PENDING = "pending"
    DELIVERED = "delivered"  # the mail server has accepted it
    FAILED = "failed"  # the mail server will never accept it
    WITHDRAWN = "withdrawn"  # outdated by a later event before the mail server had it


class HandoverState(StrEnum):
    """Whether the mail server may already have a pending notice."""

    WAITS = "waits"  # it has not
    UNDER_WAY = "under-way"  # it was handed over, and no answer is recorded
    OVERTAKEN = "overtaken"  # the same, and what it says is no longer true


class Trouble(StrEnum):
    """What a notice waits for, if it is not the mail server as a whole."""

    MESSAGE = "message"
    RECIPIENT = "recipient"
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification to one recipient, in the state after its latest fact."""

    notice_id: str
    version: int  # the number of its events; 0 until it is delivered or has failed
    state: State
    notification: Notification
    recipient_role: str
    created_at: datetime  # UTC, as changed_at
    changed_at: datetime
    tries: int = 0
    reason: str | None = None  # the mail server's last refusal
    trouble: Trouble | None = None  # why it waits longer than others
    handover: HandoverState = HandoverState.WAITS
    trace: str | None = None  # W3C traceparent of what caused it

    @property
    def template(self) -> Template:
        return self.notification.template

    @property
    def subject(self) -> str:
        """The id of the session, resolution or follow-up that it is about."""
        return self.notification.subject

    @property
    def can_be_overtaken(self) -> bool:
        """Whether a later event may make it untrue while it waits."""
        return isinstance(self.notification, SessionNotification)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The mail server has accepted it."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """The mail server will never accept it."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PutOff:
    """The mail server did not accept it this time."""

    at: datetime
    reason: str
    trouble: Trouble = Trouble.MESSAGE
    is_answer: bool = True  # False: it closed the connection, timed out or broke the protocol
    is_sure: bool = True  # False: it may have accepted it all the same


@dataclass(frozen=True, slots=True)
class HeldBack:
    """It was not tried: the circuit breaker of its recipient or domain is open.

    A refusal of the recipient counts as a try of every notice to that recipient.
    """

    at: datetime
    until: datetime  # machine time, UTC
    trouble: Trouble
    reason: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """From now on, the mail server may have it."""

    at: datetime


@dataclass(frozen=True, slots=True)
class TakenBack:
    """It was about to be handed over, but no mail server accepted mail."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Overtaken:
    """What it says is no longer true."""

    at: datetime


@dataclass(frozen=True, slots=True)
class TrueAgain:
    """What it says is true again, and no answer to it has arrived meanwhile."""

    at: datetime


Fact: TypeAlias = (
    Delivered | Failed | PutOff | HeldBack | HandedOver | TakenBack | Overtaken | TrueAgain
)


def notice_id(notification: Notification, role: str) -> str:
    """Derive a notice's id from its notification and recipient (UUID, RFC 4122 version 5).

    The same notification always has the same id, so an event that comes twice makes one notice.
    """
    about = f"{notification.template}|{notification.subject}|{notification.dedup_key}|{role}"
    return str(uuid5(_NOTICE_IDS, about))


def new_notice(notification: Notification, role: str, now: datetime, trace: str | None) -> Notice:
    """The notice of a notification to one recipient."""
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
    """The notices of a notification: one per recipient."""
    return [new_notice(notification, role, now, trace) for role in notification.recipients]


def evolve(notice: Notice, fact: Fact) -> Notice:
    """The notice after one more fact.

    Only delivery and failure are published as events, so only they raise the version.
    """
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
                handover=HandoverState.WAITS,
            )
        case PutOff():
            tried = replace(next_, tries=notice.tries + 1, reason=fact.reason, trouble=fact.trouble)
            if notice.handover is HandoverState.OVERTAKEN:
                return _withdrawn(tried)
            return replace(tried, handover=HandoverState.WAITS) if fact.is_sure else tried
        case HeldBack():
            tries = notice.tries + (fact.trouble is Trouble.RECIPIENT)
            return replace(next_, tries=tries, reason=fact.reason, trouble=fact.trouble)
        case HandedOver() | TrueAgain():
            return replace(next_, handover=HandoverState.UNDER_WAY)
        case TakenBack():
            if notice.handover is HandoverState.OVERTAKEN:
                return _withdrawn(next_)
            return replace(next_, handover=HandoverState.WAITS)
        case Overtaken():
            if notice.handover is HandoverState.UNDER_WAY:
                return replace(next_, handover=HandoverState.OVERTAKEN)
            return _withdrawn(next_)


def _withdrawn(notice: Notice) -> Notice:
    return replace(notice, state=State.WITHDRAWN, trouble=None, handover=HandoverState.WAITS)


def limit_tries(notice: Notice, fact: Fact, tries_most: int) -> Fact:
    """Turn the mail server's answer into a failure if the notice has had `tries_most` tries.

    No notice fails because its domain is in trouble, which is not the notice's fault.
    """
    if (
        isinstance(fact, PutOff | HeldBack)
        and fact.trouble is not Trouble.DOMAIN
        and notice.handover is not HandoverState.OVERTAKEN
        and notice.tries + 1 >= tries_most
    ):
        return Failed(fact.at, fact.reason)
    return fact
