"""What time does to one database: everything that has come due, batch by batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from shared.messaging.leases import Lease
from shared.messaging.records import Fence
from shared.runtime.clocks import DomainClock
from shared.runtime.mongo import Database

_BATCH: Final = 500
_TICK: Final = timedelta(milliseconds=1)  # MongoDB keeps no less

Sweep: TypeAlias = Callable[[datetime, Fence, int], Awaitable[int]]
"""Does at most so many of what was due by an instant (UTC), under a fence, the longest due first;
returns how many it looked at."""


class Sweeper:
    """Sweeps one database; a sweep costs what is due, not what exists."""

    def __init__(
        self,
        database: Database,
        sweep: Sweep,
        *,
        clock: DomainClock,
        noted_every: timedelta,
        swept: Callable[[], None] = lambda: None,
    ) -> None:
        """`noted_every`: how seldom it may note until when all is swept; `swept` is told each."""
        self._sweeps = database["sweeps"]
        self._sweep = sweep
        self._clock = clock
        self._noted_every = max(noted_every, _TICK)
        self._swept = swept
        self._noted: datetime | None = None

    async def run(self, lease: Lease) -> None:
        """Do everything that is due by now, and note until when all of it is done.

        Raises LeaseLost, Stale and the driver's errors; what was done until then stays.
        """
        now = await self._clock.now()
        looked_at = _BATCH
        while looked_at == _BATCH:
            async with lease.fenced() as fence:
                looked_at = await self._sweep(now, fence, _BATCH)
        if self._noted is None or now >= self._noted + self._noted_every:
            await self._sweeps.update_one({"_id": "overdue"}, {"$max": {"to": now}}, upsert=True)
            self._noted = now
        self._swept()
