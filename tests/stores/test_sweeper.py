"""The sweeper over a real database: batches, fences, and how far all is done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.messaging.failures import LeaseLost
from shared.messaging.leases import Lease
from shared.messaging.records import Fence
from shared.messaging.sweeper import Sweeper
from shared.runtime.mongo import Database

START = datetime(2024, 3, 11, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class StandingClock:
    """A domain clock that shows what it was told."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    async def now(self) -> datetime:
        return self.instant


class Work:
    """Things that are due, and how they were taken."""

    def __init__(self, due: int) -> None:
        self.due = due
        self.taken: list[int] = []
        self.swept = 0

    async def sweep(self, now: datetime, fence: Fence, limit: int) -> int:
        taken = min(self.due, limit)
        self.due -= taken
        self.taken.append(taken)
        return taken

    def note(self) -> None:
        self.swept += 1


async def held(database: Database) -> Lease:
    lease = Lease(database, "sweeper", "me", 60)
    assert await lease.acquire()
    return lease


async def noted(database: Database) -> datetime:
    """Until when all is done, where tools look for it."""
    entry = await database["sweeps"].find_one({"_id": "overdue"})
    assert entry is not None
    to: datetime = entry["to"]
    return to


@pytest.mark.parametrize(
    ("due", "taken"),
    [(0, [0]), (499, [499]), (500, [500, 0]), (501, [500, 1])],
    ids=["nothing", "one-short-of-a-batch", "a-batch", "one-more-than-a-batch"],
)
async def test_all_that_is_due_is_done_in_batches(
    database: Database, due: int, taken: list[int]
) -> None:
    work = Work(due)
    sweeper = Sweeper(
        database, work.sweep, clock=StandingClock(START), noted_every=MINUTE, swept=work.note
    )
    await sweeper.run(await held(database))
    assert work.taken == taken
    assert work.swept == 1
    assert await noted(database) == START


async def test_how_far_all_is_done_is_noted_seldom_and_never_goes_back(database: Database) -> None:
    clock = StandingClock(START)
    lease = await held(database)
    sweeper = Sweeper(database, Work(0).sweep, clock=clock, noted_every=MINUTE)
    await sweeper.run(lease)
    clock.instant = START + MINUTE - timedelta(milliseconds=1)
    await sweeper.run(lease)
    assert await noted(database) == START
    clock.instant = START + MINUTE
    await sweeper.run(lease)
    assert await noted(database) == START + MINUTE
    clock.instant = START
    await Sweeper(database, Work(0).sweep, clock=clock, noted_every=MINUTE).run(lease)
    assert await noted(database) == START + MINUTE


async def test_where_the_lease_is_lost_nothing_is_noted(database: Database) -> None:
    work = Work(0)
    lease = await held(database)

    async def refused(now: datetime, fence: Fence, limit: int) -> int:
        raise LeaseLost("number 1 of me is over")

    sweeper = Sweeper(
        database, refused, clock=StandingClock(START), noted_every=MINUTE, swept=work.note
    )
    with pytest.raises(LeaseLost):
        await sweeper.run(lease)
    assert work.swept == 0
    assert not lease.held
    assert await database["sweeps"].find_one({"_id": "overdue"}) is None
