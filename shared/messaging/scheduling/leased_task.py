"""Work that only one of several processes does at a time: the one that holds the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from pymongo.errors import PyMongoError

from shared.messaging.core.errors import LeaseLost
from shared.messaging.core.retrying import retry_transient
from shared.messaging.core.stalls import StalledPart, Stalls
from shared.messaging.ledger.leases import Lease
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)


class LeasedTask:
    """Takes the lease and does the work again and again; waits if another process holds the lease.

    The lease is renewed in parallel, so that work which has to wait keeps it.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        work: Callable[[], Awaitable[object]],
        rest: Callable[[], Awaitable[None]],
        clock: MachineClock,
        metrics: Metrics,
        lease_seconds: float,
        stalls: Stalls | None = None,
    ) -> None:
        self._lease = lease
        self._stalls = stalls or Stalls(metrics)
        self._work = work
        self._rest = rest
        self._clock = clock
        self._metrics = metrics
        self._renew_seconds = lease_seconds / 3

    async def run(self) -> None:
        """Work until cancelled. Transient failures are retried; any other ends this task."""
        retrying = retry_transient(self._lease.full_name, self._clock, during=self._distrust)
        renewal = asyncio.create_task(self._renew())
        try:
            while True:
                if await retrying(self._work_once):
                    await self._rest()
                else:
                    await self._clock.sleep(self._renew_seconds)
        finally:
            renewal.cancel()
            await asyncio.wait({renewal})
            with suppress(PyMongoError):
                await self._lease.release()
            self._show()

    async def _work_once(self) -> bool:
        """Do the work once if the lease is ours."""
        try:
            with self._stalls.rights_shown(StalledPart("lease", self._lease.full_name)):
                if not self._lease.held:
                    await self._lease.acquire()
                    self._show()
                if self._lease.held:
                    await self._work()
        except LeaseLost as lost:
            _log.warning("lease lost", lease=self._lease.full_name, why=str(lost))
            return False
        return self._lease.held

    async def _renew(self) -> None:
        """Renew the lease while it is held. An error of MongoDB is left to the work."""
        renewal = StalledPart("renewal", self._lease.full_name)
        while True:
            await self._clock.sleep(self._renew_seconds)
            if self._lease.held:
                with suppress(PyMongoError), self._stalls.rights_shown(renewal):
                    await self._lease.renew()
                self._show()

    def _distrust(self) -> None:
        """After a failure, do not trust the lease: acquire it again."""
        self._lease.lost()
        self._show()

    def _show(self) -> None:
        self._metrics.set_lease(self._lease.full_name, self._lease.held)
