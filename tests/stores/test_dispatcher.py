"""The dispatcher on MongoDB, under a lease."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
import pytest_asyncio

from services.notify.domain.notices import (
    Delivered,
    Notice,
)
from services.notify.handlers import Declined, Unreachable
from services.notify.jobs import BATCH, Dispatcher
from services.notify.store import MongoNoticeRepository
from shared.messaging.core.errors import HistoryChanged, LeaseLost
from shared.messaging.core.wake_up import WakeUp
from shared.messaging.ledger.leases import Lease
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.ledger.rollback import RollbackDetector
from shared.messaging.scheduling.leased_task import LeasedTask
from shared.runtime.clocks import SystemDomainClock, SystemMachineClock
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database
from tests.component.harness import eventually
from tests.stores.notices import CAUSE, OFFICE, delivered, many, moved, prepared
from tests.unit.notify.examples import NOW


@pytest_asyncio.fixture
async def notices(database: Database) -> MongoNoticeRepository:
    return await prepared(database)


class MemoryTransport:
    """A mail transport in memory: it can be unreachable after some mails, or keep one waiting."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.gone_after: int | None = None
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def address_of(self, notice: Notice) -> str:
        return f"{notice.recipient_role}@peygir.example"

    async def open(self) -> None:
        pass

    async def send(self, notice: Notice, _now: datetime) -> None:
        if self.gone_after is not None and len(self.taken) >= self.gone_after:
            raise Unreachable("gone")
        self.entered.set()
        await self.go_on.wait()
        self.taken.append(notice.notice_id)

    async def close(self) -> None:
        pass


LEASE_SECONDS = 1.0


def lease(database: Database, holder: str) -> Lease:
    return Lease(database, "delivery", holder, LEASE_SECONDS)


def dispatcher(store: MongoNoticeRepository, transport: MemoryTransport) -> Dispatcher:
    return Dispatcher(
        store,
        transport,
        OFFICE,
        clock=SystemDomainClock(),
        machine=SystemMachineClock(),
    )


async def test_all_that_waits_goes_out_once_in_batches(
    notices: MongoNoticeRepository, database: Database
) -> None:
    changes = many(2 * BATCH + 5)
    await notices.save(changes, CAUSE)
    transport, mine = MemoryTransport(), lease(database, "a")
    await mine.acquire()
    await dispatcher(notices, transport).deliver(mine)
    assert sorted(transport.taken) == sorted(change.after.notice_id for change in changes)
    assert len(await delivered(notices)) == len(changes)
    assert await database["commits"].count_documents({"by": "courier"}) == 3
    assert await notices.count_waiting() == 0


async def test_what_an_older_copy_holds_is_not_sent(database: Database) -> None:
    """It may have gone out since; a new process reads its own topic first."""
    detector = RollbackDetector(database)
    store = MongoNoticeRepository(Ledger(database, clock=SystemMachineClock(), detector=detector))
    await store.prepare()
    await store.save(many(2), CAUSE)
    await database["positions"].insert_one({"_id": "notify|resolutions|0", "next": 5})
    await detector.check()
    transport, held = MemoryTransport(), lease(database, "me")
    await held.acquire()
    await database["positions"].update_one({}, {"$set": {"next": 4}})
    detector.suspect()  # the server was away
    with pytest.raises(HistoryChanged):
        await dispatcher(store, transport).deliver(held)
    assert transport.taken == []
    assert await store.count_waiting() == 2


async def test_what_was_sent_before_the_server_went_away_is_recorded(
    notices: MongoNoticeRepository, database: Database
) -> None:
    await notices.save(many(10), CAUSE)
    transport, mine = MemoryTransport(), lease(database, "a")
    transport.gone_after = 4
    await mine.acquire()
    with pytest.raises(Unreachable):
        await dispatcher(notices, transport).deliver(mine)
    assert [n.notice_id for n in await delivered(notices)] == sorted(transport.taken)
    transport.gone_after = None
    await dispatcher(notices, transport).deliver(mine)
    assert len(set(transport.taken)) == len(transport.taken) == 10


async def test_an_orderly_stop_waits_for_the_answer_to_the_mail_being_sent(
    notices: MongoNoticeRepository, database: Database
) -> None:
    await notices.save(many(3), CAUSE)
    transport, mine = MemoryTransport(), lease(database, "a")
    transport.go_on.clear()
    await mine.acquire()
    delivering = asyncio.create_task(dispatcher(notices, transport).deliver(mine))
    await transport.entered.wait()
    delivering.cancel()
    await asyncio.sleep(0)
    transport.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    assert [n.notice_id for n in await delivered(notices)] == transport.taken
    assert len(transport.taken) == 1


class OddTransport(MemoryTransport):
    """A mail transport with an answer that cannot be recorded."""

    odd: str

    async def send(self, notice: Notice, now: datetime) -> None:
        await super().send(notice, now)
        if notice.notice_id == self.odd:
            raise Declined("550 refus\udce9")


async def test_an_answer_that_cannot_be_recorded_delays_no_other(
    notices: MongoNoticeRepository, database: Database
) -> None:
    changes = many(2 * BATCH + 5)
    await notices.save(changes, CAUSE)
    transport, mine = OddTransport(), lease(database, "a")
    transport.odd = changes[3].after.notice_id
    await mine.acquire()
    with_one = dispatcher(notices, transport)
    for _ in range(2):
        await with_one.deliver(mine)
    ids = {change.after.notice_id for change in changes}
    assert {n.notice_id for n in await delivered(notices)} == ids - {transport.odd}
    assert sorted(transport.taken) == sorted(ids), "nothing goes out twice"
    assert await notices.count_waiting() == 1


async def test_a_slow_server_does_not_cost_the_lease(
    notices: MongoNoticeRepository, database: Database
) -> None:
    await notices.save(many(1), CAUSE)
    transport, mine, other = MemoryTransport(), lease(database, "a"), lease(database, "b")
    transport.go_on.clear()
    wake_up = WakeUp()
    task = LeasedTask(
        mine,
        work=partial(dispatcher(notices, transport).deliver, mine),
        rest=partial(wake_up.wait, LEASE_SECONDS),
        clock=SystemMachineClock(),
        metrics=Metrics(),
        lease_seconds=LEASE_SECONDS,
    )
    delivering = asyncio.create_task(task.run())
    try:
        await transport.entered.wait()
        until = asyncio.get_running_loop().time() + 2 * LEASE_SECONDS
        while asyncio.get_running_loop().time() < until:
            assert not await other.acquire()
        transport.go_on.set()

        async def noted() -> bool:
            return len(await delivered(notices)) == 1

        await eventually(noted, 10, "the answer")
    finally:
        delivering.cancel()
        await asyncio.wait({delivering})


async def test_a_process_without_the_lease_sends_and_records_nothing(
    notices: MongoNoticeRepository, database: Database
) -> None:
    await notices.save(many(3), CAUSE)
    transport, mine = MemoryTransport(), lease(database, "a")
    await mine.acquire()
    await database["leases"].update_one(
        {"_id": "delivery"},
        {"$set": {"holder": "b", "number": 2, "until": datetime(2100, 1, 1, tzinfo=UTC)}},
    )
    with pytest.raises(LeaseLost):
        await dispatcher(notices, transport).deliver(mine)
    assert transport.taken == []
    assert await delivered(notices) == []


async def test_an_answer_that_another_process_recorded_is_not_recorded_again(
    notices: MongoNoticeRepository, database: Database
) -> None:
    (change,) = many(1)
    await notices.save([change], CAUSE)
    transport, mine = MemoryTransport(), lease(database, "a")
    transport.go_on.clear()
    await mine.acquire()
    delivering = asyncio.create_task(dispatcher(notices, transport).deliver(mine))
    await transport.entered.wait()
    other = replace(CAUSE, by="other")
    await notices.save([moved(change.after, Delivered(NOW))], other)
    transport.go_on.set()
    await delivering
    found = await notices.get(change.after.notice_id)
    assert found is not None
    assert (found.version, found.tries) == (1, 1)
