"""A flood of refusals stops a subscription, instead of emptying its topic into the dead letters."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from shared.messaging.patience import patient
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database

_log = structlog.get_logger(__name__)

_PAUSED: Final = "paused"
_RESUME_POLL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class FloodLimit:
    """Over `share` of the last `window` events, and at least `least` of them."""

    window: int = 1_000
    share: float = 0.2
    least: int = 200


class FloodGauge:
    """Counts refusals among the last events of one subscription."""

    def __init__(self, limit: FloodLimit) -> None:
        self._limit = limit
        self._last: deque[bool] = deque(maxlen=limit.window)
        self._refused = 0

    def note(self, *, refused: bool) -> None:
        """Note what became of one event."""
        if len(self._last) == self._limit.window:
            self._refused -= self._last[0]
        self._last.append(refused)
        self._refused += refused

    @property
    def over(self) -> bool:
        """Whether the limit is passed."""
        enough = self._refused >= self._limit.least
        return enough and self._refused > self._limit.share * len(self._last)

    def clear(self) -> None:
        """Start counting anew, after somebody said to go on."""
        self._last.clear()
        self._refused = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """A subscription that waits for somebody's word."""

    group: str
    since: datetime  # machine time, UTC
    reason: str


class Pauses:
    """The paused subscriptions of one database, seen by every process and every operator."""

    def __init__(self, database: Database) -> None:
        self._collection = database["subscriptions"]

    async def pause(self, pause: Pause) -> None:
        """Pause; one that is paused already stays as it is."""
        await self._collection.update_one(
            {"_id": pause.group},
            {"$setOnInsert": {_PAUSED: pause.since, "reason": pause.reason}},
            upsert=True,
        )

    async def paused(self, group: str) -> bool:
        """Whether a subscription is paused."""
        return await self._collection.find_one({"_id": group}) is not None

    async def list(self) -> list[Pause]:
        """Return all that are paused, the oldest first."""
        found = self._collection.find().sort(_PAUSED)
        return [Pause(e["_id"], e[_PAUSED], e["reason"]) async for e in found]

    async def resume(self, group: str) -> bool:
        """Let it go on; False where it was not paused."""
        result = await self._collection.delete_one({"_id": group})
        return result.deleted_count == 1


class FloodGate:
    """Lets one subscription through until it is flooded, and again when somebody says so."""

    def __init__(
        self,
        group: str,
        limit: FloodLimit,
        pauses: Pauses,
        *,
        metrics: Metrics,
        clock: MachineClock,
    ) -> None:
        self._group = group
        self._gauge = FloodGauge(limit)
        self._pauses = pauses
        self._metrics = metrics
        self._clock = clock
        self._shut = True  # until the database says otherwise: a restart does not end a pause

    def note(self, *, refused: bool) -> None:
        """Note what became of one event."""
        self._gauge.note(refused=refused)

    async def shut_if_flooded(self) -> None:
        """Pause where the limit is passed, for every process of the group. Waits out failures."""
        if not self._gauge.over:
            return
        reason = "over a fifth of the last events were refused; see tools.deadletter"
        _log.error("subscription paused", group=self._group, reason=reason)
        async for attempt in patient(f"pause of {self._group}", self._clock):
            with attempt:
                await self._pauses.pause(Pause(self._group, self._clock.now(), reason))
        self._shut = True

    async def look(self) -> bool:
        """See whether it is paused, by any process of the group. Raises the driver's errors."""
        paused = await self._pauses.paused(self._group)
        self._shut = self._shut or paused
        return paused

    async def wait(self) -> None:
        """Stay here until the subscription is not paused."""
        while self._shut:
            self._metrics.set_paused(self._group, True)
            async for attempt in patient(f"pause of {self._group}", self._clock):
                with attempt:
                    self._shut = await self._pauses.paused(self._group)
            if self._shut:
                await self._clock.sleep(_RESUME_POLL_SECONDS)
            else:
                self._gauge.clear()
        self._metrics.set_paused(self._group, False)
