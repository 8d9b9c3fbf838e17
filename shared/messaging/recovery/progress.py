"""Which databases have recovered from their own topics: nothing is decided on one before that.

Each database recovers by itself, however long it takes: one whose topics cannot be read delays only
work on that database.
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
from shared.runtime.health import Degraded
from shared.runtime.mongo import Database

_ALL_SECONDS: Final = 5.0  # after the start: requests wait for all databases, also optional ones


class RecoveryProgress:
    """The databases of a process that recover from their own topics."""

    def __init__(self, recovery: Recovery, *, stalls: Stalls, clock: MachineClock) -> None:
        self._recovery = recovery
        self._stalls = stalls
        self._clock = clock
        self._owned: dict[str, OwnedTopics] = {}  # by the name of the database, as all below
        self._recovered: dict[str, asyncio.Event] = {}
        self._optional: set[str] = set()
        self._begun = clock.monotonic()

    def add(self, own: OwnedTopics) -> None:
        """Add a database."""
        self._owned[own.database.name] = own
        self._recovered[own.database.name] = asyncio.Event()

    def make_optional(self, database: Database) -> Callable[[], None]:
        """Let this process serve requests before a database has recovered.

        Return a check to call before each use of the database; it raises StillRecovering.
        """
        self._optional.add(database.name)
        return partial(self._require, database.name)

    @property
    def can_serve(self) -> bool:
        """Whether requests can be served.

        That takes all databases, or five seconds after the start all required and one optional.
        """
        recovered = {name for name, event in self._recovered.items() if event.is_set()}
        if recovered == self._recovered.keys():
            return True
        if self._clock.monotonic() < self._begun + _ALL_SECONDS:
            return False
        required = self._recovered.keys() - self._optional
        return recovered >= required and bool(recovered & self._optional)

    async def check(self) -> None:
        """Raise Degraded with the databases that others need not wait for any more."""
        late = sorted(name for name, event in self._recovered.items() if not event.is_set())
        if late and self.can_serve:
            raise Degraded(f"{', '.join(late)}: its own topics are being taken in")

    async def wait_for(self, database: Database) -> None:
        """Wait until a database has recovered; return at once if it has no own topics."""
        event = self._recovered.get(database.name)
        if event is not None:
            await event.wait()

    async def recover_all(self) -> None:
        """Recover all databases in parallel. Raises what is not transient."""
        self._begun = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            for own in self._owned.values():
                group.create_task(self._recover(own))

    async def _recover(self, own: OwnedTopics) -> None:
        name = own.database.name
        part = StalledPart("recovery", name)
        async for attempt in retry_transient(
            f"own topics of {name}", self._clock, longest_seconds=START_SECONDS
        ):
            with attempt, self._stalls.shown(part):
                await self._recovery.run(own)
        self._recovered[name].set()

    def _require(self, name: str) -> None:
        event = self._recovered.get(name)
        if event is not None and not event.is_set():
            raise StillRecovering(f"{name} takes in what its own topics hold")
