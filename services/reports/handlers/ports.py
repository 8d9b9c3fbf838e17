"""What is saved, what the handlers need of the stores, and their settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.reports.domain.catalogue import Catalogue
from services.reports.domain.circulars import Circular
from services.reports.domain.records import Expectation, Recipient
from services.reports.events import Addresses
from shared.messaging.core.model import CommitContext, Event


@dataclass(frozen=True, slots=True)
class Change:
    """An expectation before and after a step, with the events of that step."""

    before: Expectation | None
    after: Expectation
    events: Sequence[Event]
    inbox: Sequence[str] = ()  # ids of events without another mark against duplicates


class ExpectationRepository(Protocol):
    """What the handlers need of the store."""

    async def of_sessions(self, ids: Collection[str]) -> Mapping[str, Expectation]:
        """Return the expectations that exist, by session id."""
        ...

    async def get(self, session_id: str) -> Expectation | None:
        """Return the expectation of a session, or None."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Expectation]:
        """Return those that are overdue at `now` and not announced, the longest due first."""
        ...

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the inbox ids whose events were applied."""
        ...

    async def keep_orphans(self, events: Sequence[Event], cause: CommitContext) -> None:
        """Keep events of sessions that do not exist yet, until they do.

        Raises AlreadyExists if one of them is kept already.
        """
        ...

    async def orphan_outcomes(self, ids: Collection[str]) -> Mapping[str, Sequence[Event]]:
        """Return the events kept for these sessions, by session id; those of a topic by version."""
        ...

    async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
        """Save all with their cause in one transaction, or nothing.

        Raises Stale if somebody else has changed an expectation, and what the conditions of the
        cause raise.
        """
        ...


class CircularRepository(Protocol):
    """What the handlers need of the store of circulars."""

    async def get(self, circular_id: str) -> Circular | None:
        """Return a circular, or None."""
        ...

    async def add(self, circular: Circular, event: Event, cause: CommitContext) -> None:
        """Add a circular with its event. Raises Stale if it exists already."""
        ...


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """Settings of the handlers: the rules for reports, and the topics of their events."""

    catalogues: Mapping[int, Catalogue]
    restricted: frozenset[str]  # axis ids
    recipients: tuple[Recipient, ...]
    addresses: Addresses
    scheduler: str  # ce_source of the scheduler, which owns the sessions
