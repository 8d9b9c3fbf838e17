"""The sweeper on a real database: batches, fences, and until when all is swept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect

from shared.messaging.core.errors import HistoryChanged, LeaseLost
from shared.messaging.core.model import Fence
from shared.messaging.ledger.leases import Lease
from shared.messaging.scheduling.sweeper import BATCH, MOST_SNOOZED, SNOOZED_FOR, Sweeper
from shared.runtime.clocks import DomainClock
from shared.runtime.mongo import Database

START = datetime(2024, 3, 11, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class StandingClock:
    """A domain clock that shows a given time."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    async def now(self) -> datetime:
        return self.instant


class Work:
    """Numbered due items, and the batches in which they were processed."""

    def __init__(self, due: int, faulty: Collection[int] = ()) -> None:
        self.due = list(range(due))
        self.faulty = frozenset(faulty)
        self.taken: list[int] = []
        self.done: list[int] = []
        self.put_off_until: dict[int, datetime] = {}
        self.swept = 0

    async def sweep(self, now: datetime, fence: Fence, limit: int) -> int:
        taken = self.due[:limit]
        if self.faulty.intersection(taken):
            raise ValueError("no such month")
        self.done += taken
        del self.due[:limit]
        self.taken.append(len(taken))
        return len(taken)

    async def first(self, now: datetime) -> str | None:
        return str(self.due[0]) if self.due else None

    async def snooze(self, id_: str, now: datetime, until: datetime, fence: Fence) -> bool:
        if int(id_) not in self.due:
            return False
        self.due.remove(int(id_))
        self.put_off_until[int(id_)] = until
        return True

    async def snoozed(self, now: datetime) -> int:
        return sum(until > now for until in self.put_off_until.values())

    def note(self) -> None:
        self.swept += 1

    def sweeper(self, database: Database, clock: DomainClock) -> Sweeper:
        return Sweeper(
            database,
            self.sweep,
            self,
            clock=clock,
            noted_every=MINUTE,
            swept=self.note,
        )


async def held(database: Database) -> Lease:
    lease = Lease(database, "sweeper", "me", 60)
    assert await lease.acquire()
    return lease


async def noted(database: Database) -> datetime:
    """Until when all is swept, as stored for tools."""
    entry = await database["sweeps"].find_one({"_id": "overdue"})
    assert entry is not None
    to: datetime = entry["to"]
    return to


@pytest.mark.parametrize(
    ("due", "taken"),
    [(0, [0]), (499, [499]), (500, [500, 0]), (501, [500, 1])],
    ids=["nothing", "one-short-of-a-batch", "a-batch", "one-more-than-a-batch"],
)
async def test_due_items_are_processed_in_batches(
    database: Database, due: int, taken: list[int]
) -> None:
    work = Work(due)
    await work.sweeper(database, StandingClock(START)).run(await held(database))
    assert work.taken == taken
    assert work.swept == 1
    assert await noted(database) == START


async def test_the_swept_time_is_stored_seldom_and_never_goes_back(database: Database) -> None:
    clock = StandingClock(START)
    lease = await held(database)
    sweeper = Work(0).sweeper(database, clock)
    await sweeper.run(lease)
    clock.instant = START + MINUTE - timedelta(milliseconds=1)
    await sweeper.run(lease)
    assert await noted(database) == START
    clock.instant = START + MINUTE
    await sweeper.run(lease)
    assert await noted(database) == START + MINUTE
    clock.instant = START
    await Work(0).sweeper(database, clock).run(lease)
    assert await noted(database) == START + MINUTE


async def test_nothing_is_stored_if_the_lease_is_lost(database: Database) -> None:
    """Nor is any item put off, since none was at fault."""
    lease = await held(database)
    lost, changed = LeaseLost("number 1 of me is over"), HistoryChanged("it went back")
    for error in (changed, AutoReconnect("away"), lost):
        work = Raises(error)
        with pytest.raises(type(error)):
            await work.sweeper(database, StandingClock(START)).run(lease)
        assert (work.swept, work.put_off_until, work.taken) == (0, {}, [])
        assert lease.held is (error is not lost)
    assert await database["sweeps"].find_one({"_id": "overdue"}) is None


class Raises(Work):
    """Fails at every item."""

    def __init__(self, error: Exception) -> None:
        super().__init__(3)
        self._error = error

    async def sweep(self, now: datetime, fence: Fence, limit: int) -> int:
        raise self._error


@pytest.fixture
async def swept_often(database: Database) -> Callable[[Work], Awaitable[None]]:
    """Sweeps under its own lease."""
    lease = await held(database)

    async def run(work: Work) -> None:
        await work.sweeper(database, StandingClock(START)).run(lease)

    return run


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    st.integers(0, 2 * BATCH + 1).flatmap(
        lambda due: st.tuples(
            st.just(due), st.sets(st.integers(0, max(0, due - 1)), max_size=MOST_SNOOZED)
        )
    )
)
async def test_an_item_that_fails_is_put_off_and_delays_no_other(
    swept_often: Callable[[Work], Awaitable[None]], due_and_faulty: tuple[int, set[int]]
) -> None:
    due, faulty = due_and_faulty
    work = Work(due, faulty)
    await swept_often(work)
    assert work.due == []
    assert work.put_off_until == dict.fromkeys(
        sorted(faulty & set(range(due))), START + SNOOZED_FOR
    )
    assert work.done == [n for n in range(due) if n not in faulty]
    assert work.swept == 1


async def test_if_every_item_fails_the_error_is_raised_each_time(
    database: Database,
) -> None:
    """Then the cause is the code or the machine: the process ends."""
    work, clock = Work(100, range(100)), StandingClock(START)
    lease = await held(database)
    for _ in range(3):  # started again
        with pytest.raises(ValueError, match="no such month"):
            await work.sweeper(database, clock).run(lease)
        assert len(work.put_off_until) == MOST_SNOOZED
    assert work.swept == 0
    work.faulty = frozenset()  # mended
    await work.sweeper(database, clock).run(lease)
    assert (work.swept, len(work.done)) == (1, 100 - MOST_SNOOZED)


async def test_an_item_that_was_processed_meanwhile_is_not_put_off(database: Database) -> None:
    """Nor is the item after it."""
    work = Work(3, {0})
    snooze = work.snooze

    async def too_late(id_: str, now: datetime, until: datetime, fence: Fence) -> bool:
        work.due.remove(0)
        return await snooze(id_, now, until, fence)

    work.snooze = too_late  # type: ignore[method-assign]
    await work.sweeper(database, StandingClock(START)).run(await held(database))
    assert (work.done, work.put_off_until, work.swept) == ([1, 2], {}, 1)


@pytest.mark.parametrize(
    "error", [LeaseLost("it is over"), AutoReconnect("away")], ids=lambda e: type(e).__name__
)
async def test_nothing_is_stored_if_nothing_can_be_put_off(
    database: Database, error: Exception
) -> None:
    work = Work(1, {0})

    async def refused(id_: str, now: datetime, until: datetime, fence: Fence) -> bool:
        raise error

    work.snooze = refused  # type: ignore[method-assign]
    lease = await held(database)
    with pytest.raises(type(error)):
        await work.sweeper(database, StandingClock(START)).run(lease)
    assert work.swept == 0
    assert lease.held is not isinstance(error, LeaseLost)
