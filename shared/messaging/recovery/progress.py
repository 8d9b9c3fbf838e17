"""Which databases are level with their own topics: nothing is decided on one that is not yet.

Each is brought level by itself, for as long as it takes: one whose topics cannot be read keeps
nobody waiting but whoever needs that very database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from shared.messaging.core.errors import StillRecovering
from shared.messaging.core.retrying import START_SECONDS, retry_transient
from shared.messaging.core.stalls import StalledPart, Stalls
from shared.messaging.recovery.recovery import OwnedTopics, Recovery
from shared.runtime.clocks import MachineClock
from shared.runtime.mongo import Database

_TOGETHER_SECONDS: Final = 5.0  # so long requests wait for all, even those that can be done without


class RecoveryProgress:
    """The databases of a process that take their own events back in."""

    def __init__(self, recovery: Recovery, *, stalls: Stalls, clock: MachineClock) -> None:
        self._recovery = recovery
        self._stalls = stalls
        self._clock = clock
        self._owned: dict[str, OwnedTopics] = {}  # by the name of the database, as all below
        self._reached: dict[str, asyncio.Event] = {}
        self._apart: set[str] = set()
        self._begun = clock.monotonic()

    def add(self, own: OwnedTopics) -> None:
        """Watch over one more database."""
        self._owned[own.database.name] = own
        self._reached[own.database.name] = asyncio.Event()

    def apart(self, database: Database) -> Callable[[], None]:
        """Let this process serve without a database that is not level.

        What is returned has to be asked before each use of it; it raises NotLevel.
        """
        self._apart.add(database.name)
        return partial(self._require, database.name)

    @property
    def are_enough(self) -> bool:
        """Whether requests can be served: by all, or, some seconds after the start, by enough.

        Enough are all that are needed, and one of those apart.
        """
        reached = {name for name, event in self._reached.items() if event.is_set()}
        if reached == self._reached.keys():
            return True
        if self._clock.monotonic() < self._begun + _TOGETHER_SECONDS:
            return False
        needed = self._reached.keys() - self._apart
        return reached >= needed and bool(reached & self._apart)

    async def reached(self, database: Database) -> None:
        """Wait until a database is level; one that takes nothing back in always is."""
        event = self._reached.get(database.name)
        if event is not None:
            await event.wait()

    async def reach(self) -> None:
        """Bring all of them level, each by itself. Raises what waiting does not help against."""
        self._begun = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            for own in self._owned.values():
                group.create_task(self._bring(own))

    async def _bring(self, own: OwnedTopics) -> None:
        name = own.database.name
        what = StalledPart("recovery", name)
        async for attempt in retry_transient(
            f"own topics of {name}", self._clock, longest_seconds=START_SECONDS
        ):
            with attempt, self._stalls.shown(what):
                await self._recovery.run(own)
        self._reached[name].set()

    def _require(self, name: str) -> None:
        event = self._reached.get(name)
        if event is not None and not event.is_set():
            raise StillRecovering(f"{name} takes in what its own topics hold")
