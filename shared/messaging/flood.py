"""A flood of refusals stops a subscription, instead of emptying its topic into the dead letters."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.runtime.mongo import Database

_PAUSED: Final = "paused"


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
