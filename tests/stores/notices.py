"""Notices, and changes of them, for the tests of their store and of the dispatcher."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from services.notify import events
from services.notify.domain.notices import (
    Fact,
    Notice,
    evolve,
    new_notices,
)
from services.notify.domain.notifications import Notification
from services.notify.handlers import Change, HandlerContext
from services.notify.store import MongoNoticeRepository
from shared.messaging.core.model import CommitContext
from shared.messaging.ledger.ledger import Ledger
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.list_queries import ListQuery
from shared.runtime.mongo import Database
from tests.unit.notify.examples import NOW, resolution

AT = datetime(2026, 1, 1, tzinfo=UTC)
CAUSE = CommitContext("event", "test")
OFFICE = HandlerContext("peygir.notices.v1", {}, retry_seconds=10)


def new(notification: Notification, at: datetime = AT) -> Change:
    (notice, *_) = new_notices(notification, NOW, "trace")
    return Change(None, notice, (), at)


def moved(before: Notice, fact: Fact, next_try: datetime | None = None) -> Change:
    after = evolve(before, fact)
    event = events.to_event(after, fact, OFFICE.topic)
    return Change(before, after, () if event is None else (event,), next_try)


def many(count: int) -> list[Change]:
    return [new(resolution(resolution_id=f"r{n:03}")) for n in range(count)]


async def prepared(database: Database) -> MongoNoticeRepository:
    """A store on MongoDB, prepared twice, which must be safe."""
    store = MongoNoticeRepository(Ledger(database, clock=SystemMachineClock()))
    await store.prepare()
    await store.prepare()
    return store


async def delivered(store: MongoNoticeRepository) -> Sequence[Notice]:
    return await store.page(ListQuery({"state": ["delivered"]}, None, 1_000))
