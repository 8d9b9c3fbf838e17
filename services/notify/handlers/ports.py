"""What is saved, and what the handlers need of the store and of the mail server."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from services.notify.domain.notices import Fact, Notice
from services.notify.domain.session_notices import KnownSession
from shared.messaging.core.model import CommitContext, Event


@dataclass(frozen=True, slots=True)
class Change:
    """A notice's step from one version to a later one, or to a later try."""

    before: Notice | None
    after: Notice
    events: Sequence[Event]
    next_try: datetime | None  # machine time, UTC; None: none comes


Saved: TypeAlias = Change | KnownSession
"""What is saved together: steps of notices, and what is known of sessions from now on."""


class NoticeRepository(Protocol):
    """What the handlers need of the store."""

    async def known(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the ids that exist."""
        ...

    async def of(self, ids: Collection[str]) -> Sequence[Notice]:
        """Return those that exist."""
        ...

    async def known_sessions(self, session_ids: Collection[str]) -> Sequence[KnownSession]:
        """Return what is known of those of the sessions that anything is stored of."""
        ...

    async def about(self, session_ids: Collection[str]) -> Sequence[Notice]:
        """Return the notices that tell when these sessions take place, or that they do not."""
        ...

    async def orphan_outcomes(self, ids: Collection[str]) -> Mapping[str, Fact]:
        """Return the fates that were kept of those of the ids that have one, by id."""
        ...

    async def keep_orphans(self, events: Sequence[Event], cause: CommitContext) -> None:
        """Keep the fates of notices that do not exist, by our own events that tell them.

        Raises Stale where another process does the same at this moment.
        """
        ...

    async def waiting(self, at: datetime, limit: int) -> Sequence[Notice]:
        """Return those whose next try has come (machine time, UTC), the longest waiting first.

        Raises HistoryChanged where what is stored is not what it was.
        """
        ...

    async def save(self, changes: Sequence[Saved], cause: CommitContext) -> None:
        """Save all or nothing. Raises Stale, PositionMoved, LeaseLost."""
        ...


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """How notices are taken in and announced."""

    topic: str  # of their events
    deputies: Mapping[str, str]  # whose topic is whose, by the topic's name
    retry_seconds: float  # the first wait where the mail server asks to try again
    tries_most: int = 500  # after so many, what the mail server did not take has failed


class Declined(Exception):
    """The mail server will never take this one (SMTP 5xx); the message is what it said."""


class NotYet(Exception):
    """The mail server asks to try this one again later (SMTP 4xx); the message is what it said.

    `of_recipient`: it said so of the recipient, before it saw the mail.
    """

    def __init__(self, told: str, *, of_recipient: bool = False) -> None:
        super().__init__(told)
        self.of_recipient = of_recipient


class Interrupted(Exception):
    """The mail server hung up, fell silent or talked nonsense over this one; the message says how.

    `may_be_taken`: it had the whole mail, so it may have taken it.
    """

    def __init__(self, told: str, *, may_be_taken: bool) -> None:
        super().__init__(told)
        self.may_be_taken = may_be_taken


class Unreachable(ConnectionError):
    """There is no mail server that would take anything now; all of it waits."""


class MailTransport(Protocol):
    """Whoever takes mails."""

    def address_of(self, notice: Notice) -> str:
        """Where a notice goes."""
        ...

    async def open(self) -> None:
        """Connect, where it is not. Raises Unreachable."""
        ...

    async def send(self, notice: Notice, now: datetime) -> None:
        """Hand one over; `now` is its date. Raises Declined, NotYet, Interrupted, Unreachable."""
        ...

    async def close(self) -> None:
        """Hang up until the next one. Raises nothing."""
        ...
