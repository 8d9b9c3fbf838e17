"""What time does: the sweeper announces what has become overdue."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.followups import handlers
from services.followups.handlers import Followups, Tracking
from shared.messaging.leases import Lease
from shared.runtime.clocks import DomainClock, MachineClock
from shared.runtime.metrics import FollowupsMetrics

_BATCH = 500
_TICK = timedelta(milliseconds=1)  # MongoDB keeps no less


class Sweeper:
    """Sweeps one deputy's follow-ups; a sweep costs what is due, not what exists."""

    def __init__(
        self,
        store: Followups,
        tracking: Tracking,
        *,
        clock: DomainClock,
        machine: MachineClock,
        metrics: FollowupsMetrics,
        noted_every: timedelta,
    ) -> None:
        """`noted_every`: how seldom it may note until when all is swept."""
        self._store = store
        self._tracking = tracking
        self._clock = clock
        self._machine = machine
        self._metrics = metrics
        self._noted_every = noted_every
        self._noted: datetime | None = None

    async def sweep(self, lease: Lease) -> None:
        """Announce every level that was reached by now, and note until when all is announced."""
        now = await self._clock.now()
        while True:
            async with lease.fenced() as fence:
                looked_at = await handlers.sweep(self._store, self._tracking, now, fence, _BATCH)
            if looked_at < _BATCH:
                break
        if self._noted is None or now >= self._noted + max(self._noted_every, _TICK):
            await self._store.note_swept(now)
            self._noted = now
        self._metrics.swept(self._tracking.deputy, self._machine.now())
