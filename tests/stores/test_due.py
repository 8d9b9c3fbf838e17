"""Due documents are found at a cost that depends only on them, and any can be put off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pytest

from services.followups.store import MongoFollowupRepository
from services.notify.store import MongoNoticeRepository
from services.reports.store import MongoExpectationRepository
from shared.messaging.core.errors import LeaseLost
from shared.messaging.ledger.leases import Lease
from shared.messaging.ledger.ledger import Ledger
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.mongo import Database

NOW = datetime(2024, 3, 11, tzinfo=UTC)
STORED = 300

Ask: TypeAlias = Callable[[], Awaitable[object]]


def _ledger(database: Database) -> Ledger:
    return Ledger(database, clock=SystemMachineClock())


async def _followups(database: Database) -> Ask:
    store = MongoFollowupRepository(_ledger(database), "civil")
    await store.prepare()
    return lambda: store.due(NOW, 10)


async def _expectations(database: Database) -> Ask:
    store = MongoExpectationRepository(_ledger(database))
    await store.prepare()
    return lambda: store.due(NOW, 10)


async def _notices(database: Database) -> Ask:
    store = MongoNoticeRepository(_ledger(database))
    await store.prepare()
    return lambda: store.waiting(NOW, 10)


STORES: dict[str, tuple[Callable[[Database], Awaitable[Ask]], str]] = {
    "followups": (_followups, "next_alert"),
    "expectations": (_expectations, "next_due"),
    "notices": (_notices, "next_try"),
}


@pytest.mark.parametrize("name", STORES)
async def test_documents_not_yet_due_are_not_examined(name: str, database: Database) -> None:
    build, field = STORES[name]
    ask = await build(database)
    later = [
        {"_id": f"{n}", "resolution_id": n, "report_id": n, field: NOW + timedelta(seconds=n + 1)}
        for n in range(STORED)
    ]
    await database[name].insert_many(later)
    await database.command("profile", 2)
    assert await ask() == []
    await database.command("profile", 0)
    asked = await database["system.profile"].find({"command.find": name}).to_list(None)
    assert asked
    assert sum(one["keysExamined"] for one in asked) <= len(asked)
    assert sum(one["docsExamined"] for one in asked) == 0


AGENDAS: dict[str, Callable[[Database], MongoFollowupRepository | MongoExpectationRepository]] = {
    "followups": lambda database: MongoFollowupRepository(_ledger(database), "civil"),
    "expectations": lambda database: MongoExpectationRepository(_ledger(database)),
}


@pytest.fixture
async def lease(database: Database) -> Lease:
    lease = Lease(database, "sweeper", "me", 60)
    assert await lease.acquire()
    return lease


@pytest.mark.parametrize("name", AGENDAS)
async def test_the_longest_due_document_is_put_off_whatever_its_kind(
    name: str, database: Database, lease: Lease
) -> None:
    store, field = AGENDAS[name](database), STORES[name][1]
    await store.prepare()
    broken = [
        {"_id": f"{n}", "resolution_id": n, "report_id": n, field: NOW - timedelta(hours=n)}
        for n in (1, 3, 2)
    ]
    await database[name].insert_many(broken)
    due_queue, later = store.due_queue, NOW + timedelta(hours=1)
    snooze = []
    while (first := await due_queue.first(NOW)) is not None:
        assert await due_queue.snooze(first, NOW, later, lease.fence)
        snooze.append(first)
        assert await due_queue.snoozed(NOW) == len(snooze)
    assert snooze == ["3", "2", "1"]
    found = await database[name].find().to_list(None)
    assert found == [{**document, field: later} for document in broken]
    assert not await due_queue.snooze("3", NOW, later, lease.fence), "it is not due any more"
    assert await due_queue.snoozed(NOW) == len(snooze)


async def test_documents_put_off_are_counted_until_then(database: Database, lease: Lease) -> None:
    store = MongoFollowupRepository(_ledger(database), "civil")
    await store.prepare()
    await database["followups"].insert_many(
        {"_id": f"{n}", "resolution_id": n, "next_alert": NOW + n * timedelta(minutes=1)}
        for n in (1, 2)
    )
    due_queue, hour = store.due_queue, timedelta(hours=1)
    for n in (1, 2):
        now = NOW + n * timedelta(minutes=1)
        assert await due_queue.snooze(f"{n}", now, now + hour, lease.fence)
    assert await due_queue.snoozed(NOW + hour) == 2
    assert await due_queue.snoozed(NOW + hour + timedelta(minutes=1)) == 1
    again = NOW + hour + timedelta(minutes=1)
    assert await due_queue.snooze("1", again, again + hour, lease.fence)
    assert await database["put_off"].count_documents({}) == 2
    assert not await due_queue.snooze("1", again, again + hour, lease.fence)
    await due_queue.snooze("none", again + 2 * hour, again + 3 * hour, lease.fence)
    assert await database["put_off"].count_documents({}) == 0, "what is over is forgotten"


async def test_only_the_holder_of_the_lease_puts_off(database: Database, lease: Lease) -> None:
    store = MongoFollowupRepository(_ledger(database), "civil")
    await store.prepare()
    document = {"_id": "1", "next_alert": NOW}
    await database["followups"].insert_one(document)
    late = replace(lease.fence, number=0)
    with pytest.raises(LeaseLost):
        await store.due_queue.snooze("1", NOW, NOW + timedelta(hours=1), late)
    assert await database["followups"].find_one() == document
    assert await store.due_queue.snoozed(NOW) == 0
