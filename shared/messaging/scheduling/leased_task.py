"""A duty: work that one process of several does at a time, for as long as it holds the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from pymongo.errors import PyMongoError

from shared.messaging.core.errors import LeaseLost
from shared.messaging.core.retrying import retry_transient
from shared.messaging.ledger.leases import Lease
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)


class LeasedTask:
    """Takes the lease, does the work again and again, and stands by where another holds it.

    The lease is renewed beside the work, so that work which waits for somebody keeps it.
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
    ) -> None:
        self._lease = lease
        self._work = work
        self._rest = rest
        self._clock = clock
        self._metrics = metrics
        self._renew_seconds = lease_seconds / 3

    async def run(self) -> None:
        """Work for ever. Transient failures are waited out; any other ends this task."""
        retrying = retry_transient(self._lease.full_name, self._clock, during=self._doubt)
        keeper = asyncio.create_task(self._keep())
        try:
            while True:
                if await retrying(self._turn):
                    await self._rest()
                else:
                    await self._clock.sleep(self._renew_seconds)
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})
            with suppress(PyMongoError):
                await self._lease.release()
            self._show()

    async def _turn(self) -> bool:
        """Do the work once where the lease is ours."""
        try:
            if not self._lease.held:
                await self._lease.acquire()
                self._show()
            if self._lease.held:
                await self._work()
        except LeaseLost as lost:
            _log.warning("lease lost", lease=self._lease.full_name, why=str(lost))
            return False
        return self._lease.held

    async def _keep(self) -> None:
        """Renew the lease while it is held. Where MongoDB is away, the work hears of it."""
        while True:
            await self._clock.sleep(self._renew_seconds)
            if self._lease.held:
                with suppress(PyMongoError):
                    await self._lease.renew()
                self._show()

    def _doubt(self) -> None:
        """After a failure the lease is asked for anew, not believed in."""
        self._lease.lost()
        self._show()

    def _show(self) -> None:
        self._metrics.set_lease(self._lease.full_name, self._lease.held)
