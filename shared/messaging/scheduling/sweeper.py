"""Sweeps of one database: everything that has come due is processed, batch by batch."""

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
"""At once. If more items fail, the cause is not in them."""

_TICK: Final = timedelta(milliseconds=1)  # the precision of MongoDB

Sweep: TypeAlias = Callable[[datetime, Fence, int], Awaitable[int]]
"""Processes at most so many items due at an instant (UTC), under a fence, the longest due first;
returns how many it looked at."""


class DueItems(Protocol):
    """Due items, as far as the sweeper has to know them."""

    async def first(self, now: datetime) -> str | None:
        """Return the id of the item that is longest due at `now` (UTC)."""
        ...

    async def snooze(self, id_: str, now: datetime, until: datetime, fence: Fence) -> bool:
        """Put off an item that is due at `now` until an instant (UTC); False if it is not due."""
        ...

    async def snoozed(self, now: datetime) -> int:
        """Return how many items are put off at `now` (UTC)."""
        ...


class Sweeper:
    """Sweeps one database; the cost of a sweep depends on what is due, not on what exists.

    An item that fails permanently delays no other: it is put off, with a line in the log, and tried
    again later.
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
        """`noted_every`: how often to store until when all is swept. `swept` is called each run."""
        self._name = database.name
        self._sweeps = database["sweeps"]
        self._sweep = sweep
        self._due_queue = due_queue
        self._clock = clock
        self._noted_every = max(noted_every, _TICK)
        self._swept = swept
        self._noted: datetime | None = None

    async def run(self, lease: Lease) -> None:
        """Process or put off everything that is due now, and store until when all is swept.

        Raises LeaseLost, HistoryChanged, Stale and the driver's errors; what was done before stays.
        Any other failure is raised if 20 items are put off already.
        """
        now = await self._clock.now()
        await self._do_all(now, lease)
        if self._noted is None or now >= self._noted + self._noted_every:
            await self._sweeps.update_one({"_id": "overdue"}, {"$max": {"to": now}}, upsert=True)
            self._noted = now
        self._swept()

    async def _do_all(self, now: datetime, lease: Lease) -> None:
        """Process batch by batch; a batch that fails is halved until the guilty item is alone."""
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
                await self._snooze(first, now, lease, error)
            else:
                if looked_at < limit:
                    return
            limit = min(BATCH, 2 * limit)

    async def _snooze(self, id_: str, now: datetime, lease: Lease, error: Exception) -> None:
        until = now + SNOOZED_FOR
        async with lease.fenced() as fence:
            if await self._due_queue.snooze(id_, now, until, fence):
                until_text = until.isoformat()
                _log.error("put off", database=self._name, id=id_, until=until_text, exc_info=error)
