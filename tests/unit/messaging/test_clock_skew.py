"""When the machine's clock is compared with MongoDB's, and when it is trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.messaging.scheduling.clock_skew import ClockSkewGuard

BEGUN = datetime(2024, 3, 11, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clocks:
    """A machine whose clock may be set, and a MongoDB whose clock is right."""

    def __init__(self) -> None:
        self.gone = 0.0
        self.set_by = timedelta()
        self.asked = 0

    def now(self) -> datetime:
        return BEGUN + timedelta(seconds=self.gone) + self.set_by

    def monotonic(self) -> float:
        return self.gone

    async def sleep(self, seconds: float) -> None:
        self.gone += seconds

    async def server_time(self) -> datetime:
        self.asked += 1
        return BEGUN + timedelta(seconds=self.gone)


async def test_mongodb_is_asked_twice_per_minute() -> None:
    clocks = Clocks()
    guard = ClockSkewGuard(clocks, clocks.server_time)
    for _ in range(300):
        assert await guard.agrees()
        clocks.gone += 0.2
    assert clocks.asked == 2


async def test_a_clock_that_is_set_is_noticed_at_once() -> None:
    for by in (timedelta(days=1), timedelta(days=-1), timedelta(minutes=2)):
        clocks = Clocks()
        guard = ClockSkewGuard(clocks, clocks.server_time)
        assert await guard.agrees()
        clocks.set_by = by
        assert not await guard.agrees()
        assert not await guard.agrees(), "for as long as they differ"
        clocks.set_by = timedelta()
        assert await guard.agrees()


async def test_a_clock_that_is_corrected_a_little_is_trusted() -> None:
    clocks = Clocks()
    guard = ClockSkewGuard(clocks, clocks.server_time)
    clocks.set_by = MINUTE
    assert await guard.agrees()
    clocks.set_by = timedelta()
    assert await guard.agrees()
    clocks.set_by = MINUTE + timedelta(seconds=1)
    assert not await guard.agrees()
