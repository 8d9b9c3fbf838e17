"""Whether this machine's clock can be trusted, checked before scheduled work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from shared.runtime.clocks import MachineClock

_log = structlog.get_logger(__name__)

_LARGEST_SKEW: Final = timedelta(minutes=1)
_JUMP: Final = timedelta(seconds=5)
_ASK_EVERY: Final = 30.0  # seconds


class ClockSkewGuard:
    """Compares this machine's clock with MongoDB's every 30 seconds, and at once if it jumped.

    A jump shows as a difference to the monotonic clock, without asking MongoDB.
    """

    def __init__(self, clock: MachineClock, server_time: Callable[[], Awaitable[datetime]]) -> None:
        """`server_time` asks MongoDB for its time (UTC)."""
        self._clock = clock
        self._server_time = server_time
        self._asked: tuple[datetime, float] | None = None  # both clocks when they last agreed
        self.difference: timedelta | None = None
        """By how much this clock was ahead when MongoDB was last asked."""

    async def agrees(self) -> bool:
        """Whether the two differ by at most one minute. Raises the driver's errors."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if self._asked is not None:
            then, since = self._asked[0], monotonic - self._asked[1]
            jumped = abs(now - then - timedelta(seconds=since)) > _JUMP
            if not jumped and since < _ASK_EVERY:
                return True
        self.difference = now - await self._server_time()
        skew = abs(self.difference)
        if skew > _LARGEST_SKEW:
            _log.error("clocks differ, nothing is swept", seconds=skew.total_seconds())
            self._asked = None
            return False
        self._asked = (now, monotonic)
        return True
