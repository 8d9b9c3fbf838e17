"""The life of a service process: it prepares and recovers its databases, then runs its parts."""

from __future__ import annotations

import asyncio
import gc
import linecache
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeAlias

import structlog
from pymongo.errors import PyMongoError

from shared.messaging.core.retrying import START_SECONDS, retry_transient
from shared.messaging.core.stalls import StalledPart, Stalls
from shared.messaging.ledger.rollback import RollbackDetector
from shared.messaging.recovery.progress import RecoveryProgress
from shared.runtime.clocks import MachineClock
from shared.runtime.mongo import Database
from shared.runtime.refused_rights import refusal

_log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 15
"""How long a stopping process waits for open requests, and how long each consumer for its batch."""

_GAUGES_SECONDS: Final = 2.0
_GAUGES_AT_ONCE: Final = 3  # each takes a thread and a connection of the driver
_COLLECTED_AFTER: Final = (10_000, 20, 50)  # allocations; collections of the younger generation

Action: TypeAlias = Callable[[], Awaitable[object]]
BackgroundTask: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Lifecycle:
    """The background work of one process. A part that fails ends the process."""

    def __init__(
        self,
        service: str,
        run: Collection[str],
        *,
        recovery: RecoveryProgress,
        stalls: Stalls,
        clock: MachineClock,
    ) -> None:
        """`run`: which parts the settings ask for; it is only logged."""
        self.is_prepared = False
        """Whether all preparations are done."""
        self._service = service
        self._run = run
        self._recovery = recovery
        self._stalls = stalls
        self._clock = clock
        self._preparations: list[Action] = []
        self._gauges: list[BackgroundTask] = []
        self._gauge_slots = asyncio.Semaphore(_GAUGES_AT_ONCE)
        self._parts: list[BackgroundTask] = []
        self._rollback_detectors: dict[str, RollbackDetector] = {}  # by the name of the database

    def prepare(self, action: Action) -> None:
        """Run an action once, before any part begins."""
        self._preparations.append(action)

    def gauge(self, show: Action, hide: Callable[[], None]) -> None:
        """Show something every two seconds; hide it while MongoDB does not say what it is.

        A few at once, so that one that waits does not delay all. An error of MongoDB ends nothing.
        """
        self._gauges.append(partial(self._keep_gauge, show, hide))

    def add(self, part: BackgroundTask, database: Database | None = None) -> None:
        """Run a part until the process ends, once the database (if any) has recovered."""
        self._parts.append(part if database is None else partial(self._recovered, database, part))

    def repeat(self, action: Action, every_seconds: float) -> None:
        """Run an action again and again; transient failures are retried."""
        self._parts.append(partial(self._repeat, action, every_seconds))

    def detect_rollback(self, database: Database) -> RollbackDetector:
        """Return the rollback detector of a database; it looks every two seconds."""
        return self._rollback_detectors.setdefault(database.name, RollbackDetector(database))

    def suspect_rollback(self) -> None:
        """Note that MongoDB was away: any database may come back as an older copy."""
        for detector in self._rollback_detectors.values():
            detector.suspect()

    async def run(self) -> None:
        """Prepare, then recover and run all parts side by side, until cancelled.

        Raises HistoryChanged and whatever ends a part.
        """
        preparation = StalledPart("preparation", self._service)
        async for attempt in retry_transient("mongodb", self._clock, longest_seconds=START_SECONDS):
            with attempt, self._stalls.shown(preparation):
                for prepare in self._preparations:
                    await prepare()
        self.is_prepared = True
        async with asyncio.TaskGroup() as group:
            for part in (*self._parts, *self._gauges, self._recover, self._detect_rollbacks):
                group.create_task(part())

    async def _recover(self) -> None:
        await self._recovery.recover_all()
        _tune_garbage_collection()
        _log.info("ready to work", run=sorted(self._run))

    async def _recovered(self, database: Database, part: BackgroundTask) -> None:
        await self._recovery.wait_for(database)
        await part()

    async def _repeat(self, action: Action, every_seconds: float) -> None:
        while True:
            async for attempt in retry_transient("what is done now and then", self._clock):
                with attempt:
                    await action()
            await self._clock.sleep(every_seconds)

    async def _keep_gauge(self, show: Action, hide: Callable[[], None]) -> None:
        is_shown = True
        while True:
            try:
                async with self._gauge_slots:
                    await show()
                is_shown = True
            except PyMongoError as error:  # no work depends on a gauge
                hide()
                if is_shown:
                    why = refusal(error) or f"{type(error).__name__}: {error}"
                    _log.warning("gauge not shown", error=why)
                is_shown = False
            await self._clock.sleep(_GAUGES_SECONDS)

    async def _detect_rollbacks(self) -> None:
        """Look whether a database went back in time. Raises HistoryChanged, which ends all."""
        while True:
            for detector in self._rollback_detectors.values():
                with suppress(PyMongoError):  # a server that is away proves nothing: look again
                    await detector.check()
            await self._clock.sleep(_GAUGES_SECONDS)


def _tune_garbage_collection() -> None:
    """Let the garbage collector look only at new objects, and less often.

    Python's own thresholds make it walk through all modules again and again while records pass
    by: a fifth of a busy process's time.
    """
    linecache.clearcache()  # half a megabyte of source that libraries have looked at
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)
