"""What is kept where, and by which rules reports are received."""

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
    """An expectation's step from one edition to a later one."""

    before: Expectation | None
    after: Expectation
    events: Sequence[Event]
    inbox: Sequence[str] = ()  # ids of events that are told from others by nothing else


class ExpectationRepository(Protocol):
    """What the handlers need of the store."""

    async def of_sessions(self, ids: Collection[str]) -> Mapping[str, Expectation]:
        """Return those that exist, by session id."""
        ...

    async def get(self, session_id: str) -> Expectation | None:
        """Return one."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Expectation]:
        """Return those that have become overdue and were not announced, the longest due first."""
        ...

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the inbox ids that were applied."""
        ...

    async def keep_orphans(self, events: Sequence[Event], cause: CommitContext) -> None:
        """Keep events of sessions that are not known yet, for when they are.

        Raises AlreadyThere where one of them is kept.
        """
        ...

    async def orphan_outcomes(self, ids: Collection[str]) -> Mapping[str, Sequence[Event]]:
        """Return what is kept for these sessions, by session id; each topic's by version."""
        ...

    async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
        """Save all with their cause in one transaction, or nothing.

        Raises Stale where an expectation has moved on, and whatever the cause's conditions raise.
        """
        ...


class CircularRepository(Protocol):
    """What the handlers need of the store of circulars."""

    async def get(self, circular_id: str) -> Circular | None:
        """Return one."""
        ...

    async def add(self, circular: Circular, event: Event, cause: CommitContext) -> None:
        """Add one with its event. Raises Stale where it is there already."""
        ...


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """By which rules reports are received, and how what becomes of them is addressed."""

    catalogues: Mapping[int, Catalogue]
    restricted: frozenset[str]  # axis ids
    recipients: tuple[Recipient, ...]
    addresses: Addresses
    scheduler: str  # ce_source of the scheduler, whose sessions they are
