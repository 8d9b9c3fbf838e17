"""The two clocks. Code that needs the time takes one of them as an argument.

The *domain* clock decides due dates and other dates of the domain, and may be simulated. The
*machine* clock serves leases, waiting, time limits and measurements, and is never simulated.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from shared.runtime.errors import Transient


class DomainClock(Protocol):
    """The clock that decides whether something is due."""

    async def now(self) -> datetime:
        """The present instant: aware, UTC."""
        ...


class MachineClock(Protocol):
    """The time of this machine."""

    def now(self) -> datetime:
        """The present instant: aware, UTC. May jump when the host's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary instant; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds; do not wait if they are 0 or fewer."""
        ...


def milliseconds(instant: datetime) -> datetime:
    """The instant without what is finer: neither MongoDB nor an event keeps it."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


class SystemDomainClock:
    """A domain clock that shows the host's time, to the millisecond."""

    async def now(self) -> datetime:
        return milliseconds(datetime.now(UTC))


class SystemMachineClock:
    """The machine clock of every process outside tests."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class NoTime(Transient):
    """The owner of the simulated time has not set it yet; waiting helps."""

    def __str__(self) -> str:
        return "PEYGIR_CLOCK=simulated, but nobody has set the time yet"
