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
    """A notice before and after a step, with the events of that step."""

    before: Notice | None
    after: Notice
    events: Sequence[Event]
    next_try: datetime | None  # machine time, UTC; None: there is none


Saved: TypeAlias = Change | KnownSession
"""What is saved together: changed notices, and what is now known of sessions."""


class NoticeRepository(Protocol):
    """What the handlers need of the store."""

    async def known(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the ids that exist."""
        ...

    async def of(self, ids: Collection[str]) -> Sequence[Notice]:
        """Return those that exist."""
        ...

    async def known_sessions(self, session_ids: Collection[str]) -> Sequence[KnownSession]:
        """Return what is stored about these sessions; nothing for those not stored."""
        ...

    async def about(self, session_ids: Collection[str]) -> Sequence[Notice]:
        """Return the notices that invite to these sessions, move them or cancel them."""
        ...

    async def orphan_outcomes(self, ids: Collection[str]) -> Mapping[str, Fact]:
        """Return by id the outcomes that were kept for notices that did not exist."""
        ...

    async def keep_orphans(self, events: Sequence[Event], cause: CommitContext) -> None:
        """Keep the outcomes of notices that do not exist, from our own events.

        Raises Stale if another process does the same at this moment.
        """
        ...

    async def waiting(self, at: datetime, limit: int) -> Sequence[Notice]:
        """Return those whose next try has come (machine time, UTC), the longest waiting first.

        Raises HistoryChanged if the database was restored from an older copy.
        """
        ...

    async def save(self, changes: Sequence[Saved], cause: CommitContext) -> None:
        """Save all or nothing. Raises Stale, PositionMoved, LeaseLost."""
        ...


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """Settings of the handlers."""

    topic: str  # of their events
    deputies: Mapping[str, str]  # the deputy of each topic, by the topic's name
    retry_seconds: float  # the first wait if the mail server asks to try again
    tries_most: int = 500  # after so many, a notice has failed


class Declined(Exception):
    """The mail server refuses this mail for good (SMTP 5xx); the message is its answer."""


class NotYet(Exception):
    """The mail server asks to try this mail again later (SMTP 4xx); the message is its answer.

    `of_recipient`: it refused the recipient, before it saw the mail.
    """

    def __init__(self, answer: str, *, of_recipient: bool = False) -> None:
        super().__init__(answer)
        self.of_recipient = of_recipient


class Interrupted(Exception):
    """The dialogue about this mail broke off; the message says how.

    The server closed the connection, timed out or broke the protocol. `may_be_taken`: it had the
    whole mail, so it may have accepted it.
    """

    def __init__(self, cause: str, *, may_be_taken: bool) -> None:
        super().__init__(cause)
        self.may_be_taken = may_be_taken


class Unreachable(ConnectionError):
    """No mail server accepts mail at present; all notices wait."""


class MailTransport(Protocol):
    """Hands mails to a mail server."""

    def address_of(self, notice: Notice) -> str:
        """The mail address of a notice's recipient."""
        ...

    async def open(self) -> None:
        """Connect if there is no connection. Raises Unreachable."""
        ...

    async def send(self, notice: Notice, now: datetime) -> None:
        """Send a notice as a mail dated `now`.

        Raises Declined, NotYet, Interrupted, Unreachable.
        """
        ...

    async def close(self) -> None:
        """Close the connection; the next mail opens one again. Raises nothing."""
        ...
