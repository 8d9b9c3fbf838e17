"""The clocks of a simulated process."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.simulation.loop import SimulatedLoop

EPOCH: Final = datetime(2024, 3, 11, 5, 30, tzinfo=UTC)


class SimulatedMachineClock:
    """A machine's clock: wrong by some seconds, and it may be set while the process runs."""

    def __init__(self, loop: SimulatedLoop, skew_seconds: float, booted: float) -> None:
        self._loop = loop
        self._booted = booted
        self.skew = timedelta(seconds=skew_seconds)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time()) + self.skew

    def monotonic(self) -> float:
        return self._loop.time() + self._booted

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SharedDomainClock:
    """The time by which dates are judged: one for all, and simulated time itself."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    async def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.time())
