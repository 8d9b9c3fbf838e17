"""A duty: work that one process of several does at a time, for as long as it holds the lease."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from pymongo.errors import PyMongoError

from shared.messaging.failures import LeaseLost
from shared.messaging.leases import Lease
from shared.messaging.patience import patient
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)


class Duty:
    """Takes the lease, does the work again and again, and stands by where another holds it."""

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
        self._renew_at = 0.0

    async def run(self) -> None:
        """Work for ever. Transient failures are waited out; any other ends this task."""
        retrying = patient(self._lease.full_name, self._clock, during=self._doubt)
        try:
            while True:
                if await retrying(self._turn):
                    await self._rest()
                else:
                    await self._clock.sleep(self._renew_seconds)
        finally:
            with suppress(PyMongoError):
                await self._lease.release()
            self._show()

    async def _turn(self) -> bool:
        """Do the work once where the lease is ours."""
        try:
            if not await self._hold():
                return False
            await self._work()
        except LeaseLost as lost:
            _log.warning("lease lost", lease=self._lease.full_name, why=str(lost))
            return False
        return True

    async def _hold(self) -> bool:
        now = self._clock.monotonic()
        if not self._lease.held or now >= self._renew_at:
            if await self._lease.acquire():
                self._renew_at = now + self._renew_seconds
            self._show()
        return self._lease.held

    def _doubt(self) -> None:
        """After a failure the lease is asked for anew, not believed in."""
        self._lease.lost()
        self._show()

    def _show(self) -> None:
        self._metrics.set_lease(self._lease.full_name, self._lease.held)
