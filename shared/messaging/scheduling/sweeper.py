"""What time does to one database: everything that has come due, batch by batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias

import structlog

from shared.messaging.core.classification import FailureKind, classify
from shared.messaging.core.errors import HistoryChanged, LeaseLost
from shared.messaging.core.model import Fence
from shared.messaging.ledger.leases import Lease
from shared.runtime.clocks import DomainClock
from shared.runtime.mongo import Database

_log = structlog.get_logger(__name__)

BATCH: Final = 500
SNOOZED_FOR: Final = timedelta(hours=1)
MOST_SNOOZED: Final = 20
"""At a time; where more cannot be done, it is not they that are at fault."""

_TICK: Final = timedelta(milliseconds=1)  # MongoDB keeps no less

Sweep: TypeAlias = Callable[[datetime, Fence, int], Awaitable[int]]
"""Does at most so many of what was due by an instant (UTC), under a fence, the longest due first;
returns how many it looked at."""


class DueItems(Protocol):
    """What is due, as far as it has to be known to put it off."""

    async def first(self, now: datetime) -> str | None:
        """Return the id of what is longest due."""
        ...

    async def snooze(self, id_: str, now: datetime, until: datetime, fence: Fence) -> bool:
        """Put off what is due by `now`; False where it is not due any more."""
        ...

    async def snoozed(self, now: datetime) -> int:
        """Return how many stand put off."""
        ...


class Sweeper:
    """Sweeps one database; a sweep costs what is due, not what exists.

    What cannot be done for a reason that stays holds up nothing else: it is put off, with a word
    in the log, and comes again.
    """

    def __init__(
        self,
        database: Database,
        sweep: Sweep,
        due_queue: DueItems,
        *,
        clock: DomainClock,
        noted_every: timedelta,
        swept: Callable[[], None] = lambda: None,
    ) -> None:
        """`noted_every`: how seldom it may note until when all is swept; `swept` is told each."""
        self._name = database.name
        self._sweeps = database["sweeps"]
        self._sweep = sweep
        self._due_queue = due_queue
        self._clock = clock
        self._noted_every = max(noted_every, _TICK)
        self._swept = swept
        self._noted: datetime | None = None

    async def run(self, lease: Lease) -> None:
        """Do or put off everything that is due by now, and note until when that is so.

        Raises LeaseLost, HistoryChanged, Stale and the driver's errors; what was done until then
        stays. What fails otherwise is raised where more than a few stand put off.
        """
        now = await self._clock.now()
        await self._do_all(now, lease)
        if self._noted is None or now >= self._noted + self._noted_every:
            await self._sweeps.update_one({"_id": "overdue"}, {"$max": {"to": now}}, upsert=True)
            self._noted = now
        self._swept()

    async def _do_all(self, now: datetime, lease: Lease) -> None:
        """Do batch by batch; one that fails is halved until what is at fault stands alone."""
        limit = BATCH
        while True:
            first = await self._due_queue.first(now) if limit == 1 else None
            try:
                async with lease.fenced() as fence:
                    looked_at = await self._sweep(now, fence, limit)
            except (LeaseLost, HistoryChanged):
                raise
            except Exception as error:
                if classify(error) is FailureKind.TRANSIENT:
                    raise
                if limit > 1:
                    limit //= 2
                    continue
                if first is None or await self._due_queue.snoozed(now) >= MOST_SNOOZED:
                    raise
                await self._snoozed(first, now, lease, error)
            else:
                if looked_at < limit:
                    return
            limit = min(BATCH, 2 * limit)

    async def _snoozed(self, id_: str, now: datetime, lease: Lease, error: Exception) -> None:
        until = now + SNOOZED_FOR
        async with lease.fenced() as fence:
            if await self._due_queue.snooze(id_, now, until, fence):
                told = until.isoformat()
                _log.error("put off", database=self._name, id=id_, until=told, exc_info=error)
