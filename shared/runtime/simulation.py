"""A simulated domain clock: one owner sets its time, every process reads it. Development only."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Final

from shared.runtime.clocks import DomainClock, NoTime, SystemDomainClock
from shared.runtime.mongo import Client, database
from shared.runtime.settings import CommonSettings

_DATABASE: Final = "clock"
_TIME: Final = {"_id": "time"}


class SimulatedDomainClock:
    """Shows the instant that its owner has set last.

    Raises NoTime if none was set yet, and the driver's errors.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._collection = database(client, namespace + _DATABASE)["clock"]

    async def now(self) -> datetime:
        entry = await self._collection.find_one(_TIME)
        if entry is None:
            raise NoTime
        instant: datetime = entry["now"]
        return instant

    async def set(self, instant: datetime) -> None:
        """Set the time (aware), which cannot go back. Only the owner calls this."""
        await self._collection.update_one(
            _TIME, {"$max": {"now": instant.astimezone(UTC)}}, upsert=True
        )

    async def moves(self) -> AsyncGenerator[None, None]:
        """Yield when the clock is being watched, and then each time it is set forward.

        Raises the driver's errors.
        """
        async with self._collection.watch() as stream:
            await stream.try_next()  # only this opens it
            yield
            async for _ in stream:
                yield


def domain_clock(settings: CommonSettings, client: Client) -> DomainClock:
    """The domain clock that the settings choose."""
    if settings.clock == "simulated":
        return SimulatedDomainClock(client, settings.namespace)
    return SystemDomainClock()
