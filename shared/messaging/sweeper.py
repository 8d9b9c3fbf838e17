"""What time does to one database: everything that has come due, batch by batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import structlog

from shared.messaging.failures import Failure, LeaseLost, sort
from shared.messaging.leases import Lease
from shared.messaging.records import Fence
from shared.messaging.watch import HistoryChanged
from shared.runtime.clocks import DomainClock
from shared.runtime.mongo import Database

_log = structlog.get_logger(__name__)

BATCH: Final = 500
PUT_OFF_FOR: Final = timedelta(hours=1)
MOST_PUT_OFF: Final = 20
"""In one sweep; where more cannot be done, it is not they that are at fault."""

_TICK: Final = timedelta(milliseconds=1)  # MongoDB keeps no less

Sweep: TypeAlias = Callable[[datetime, Fence, int], Awaitable[int]]
"""Does at most so many of what was due by an instant (UTC), under a fence, the longest due first;
returns how many it looked at."""

PutOff: TypeAlias = Callable[[datetime, datetime, Fence], Awaitable[str | None]]
"""Puts off, under a fence, what is longest due by an instant until another one (UTC); returns its
id."""


class Sweeper:
    """Sweeps one database; a sweep costs what is due, not what exists.

    What can't be done for a reason that stays holds up nothing else: it is put off, with a word in
    the log, and comes again.
    """

    def __init__(
        self,
        database: Database,
        sweep: Sweep,
        put_off: PutOff,
        *,
        clock: DomainClock,
        noted_every: timedelta,
        swept: Callable[[], None] = lambda: None,
        putting_off: Callable[[], None] = lambda: None,
    ) -> None:
        """`noted_every`: how seldom it may note until when all is swept; `swept` and `putting_off`
        are told each time."""
        self._name = database.name
        self._sweeps = database["sweeps"]
        self._sweep = sweep
        self._put_off = put_off
        self._clock = clock
        self._noted_every = max(noted_every, _TICK)
        self._swept = swept
        self._putting_off = putting_off
        self._noted: datetime | None = None

    async def run(self, lease: Lease) -> None:
        """Do everything that is due by now, and note until when all of it is done.

        Raises LeaseLost, HistoryChanged, Stale and the driver's errors; what was done until then
        stays. What fails otherwise is raised where that goes for more than a few.
        """
        now = await self._clock.now()
        await self._do_all(now, lease)
        if self._noted is None or now >= self._noted + self._noted_every:
            await self._sweeps.update_one({"_id": "overdue"}, {"$max": {"to": now}}, upsert=True)
            self._noted = now
        self._swept()

    async def _do_all(self, now: datetime, lease: Lease) -> None:
        """Do batch by batch; one that fails is halved until what is at fault stands alone."""
        limit, left = BATCH, MOST_PUT_OFF
        while True:
            try:
                async with lease.fenced() as fence:
                    looked_at = await self._sweep(now, fence, limit)
            except (LeaseLost, HistoryChanged):
                raise
            except Exception as error:
                if sort(error) is Failure.TRANSIENT or (limit == 1 and not left):
                    raise
                if limit > 1:
                    limit //= 2
                    continue
                await self._put_off_one(now, lease, error)
                left -= 1
            else:
                if looked_at < limit:
                    return
            limit = min(BATCH, 2 * limit)

    async def _put_off_one(self, now: datetime, lease: Lease, error: Exception) -> None:
        until = now + PUT_OFF_FOR
        async with lease.fenced() as fence:
            id_ = await self._put_off(now, until, fence)
        told = until.isoformat()
        _log.error("put off", database=self._name, id=id_, until=told, exc_info=error)
        self._putting_off()
