"""What time does besides due dates: it clears away what never became evidence."""

from __future__ import annotations

import structlog

from shared.messaging.leases import Lease
from shared.runtime.clocks import MachineClock
from shared.runtime.files import Uploads

_log = structlog.get_logger(__name__)


class Caretaker:
    """Removes what abandoned uploads left, now and then, in one process at a time.

    It goes by machine time, so that a simulated clock gives nothing up. Done twice, or broken off
    anywhere, it does no harm; the lease only spares work.
    """

    def __init__(self, uploads: Uploads, clock: MachineClock, every_seconds: float) -> None:
        self._uploads = uploads
        self._clock = clock
        self._every_seconds = every_seconds
        self._next = 0.0

    async def run(self, _: Lease) -> None:
        """Clear once, where it is time to. Raises the driver's errors."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        cleared = await self._uploads.clear()
        if cleared:
            _log.info("uploads that were given up are removed", uploads=cleared)
        self._next = now + self._every_seconds
