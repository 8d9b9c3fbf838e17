"""What time does: the sweeper announces the reports that were not there when they were due."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.reports import handlers
from services.reports.handlers import Expectations, Reception
from shared.messaging.leases import Lease
from shared.runtime.clocks import DomainClock

_BATCH = 500
_TICK = timedelta(milliseconds=1)  # MongoDB keeps no less


class Sweeper:
    """Sweeps the expectations; a sweep costs what is due, not what exists."""

    def __init__(
        self,
        store: Expectations,
        reception: Reception,
        *,
        clock: DomainClock,
        noted_every: timedelta,
    ) -> None:
        """`noted_every`: how seldom it may note until when all is swept."""
        self._store = store
        self._reception = reception
        self._clock = clock
        self._noted_every = noted_every
        self._noted: datetime | None = None

    async def sweep(self, lease: Lease) -> None:
        """Announce everything that is overdue by now, and note until when all is announced."""
        now = await self._clock.now()
        while True:
            async with lease.fenced() as fence:
                looked_at = await handlers.sweep(self._store, self._reception, now, fence, _BATCH)
            if looked_at < _BATCH:
                break
        if self._noted is None or now >= self._noted + max(self._noted_every, _TICK):
            await self._store.note_swept(now)
            self._noted = now
