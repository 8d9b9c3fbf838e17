"""The life of a process: preparations, then recovery and parts, until one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from shared.messaging.core.stalls import Stalls
from shared.messaging.recovery.progress import RecoveryProgress
from shared.messaging.recovery.recovery import OwnedTopics, Recovery
from shared.runtime.health import Degraded
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database
from shared.service import lifecycle
from shared.service.lifecycle import Lifecycle
from tests.unit.messaging.fakes import Clock


class Ended(Exception):
    """A part has failed."""


@dataclass(frozen=True)
class Named:
    """As much of a database as its recovery needs here."""

    name: str = "board"


class Steps:
    """A lifecycle whose steps are noted in order."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.failures: list[Exception] = []
        stalls, clock = Stalls(Metrics()), Clock()
        self.recovery = RecoveryProgress(cast(Recovery, self), stalls=stalls, clock=clock)
        self.lifecycle = Lifecycle(
            "board", {"api"}, recovery=self.recovery, stalls=stalls, clock=clock
        )

    async def run(self, _: OwnedTopics) -> None:
        """Recover, as `Recovery.run` does."""
        self.taken.append("recovered")

    async def prepare(self) -> None:
        self.taken.append("prepared")
        if self.failures:
            raise self.failures.pop(0)

    async def part(self) -> None:
        self.taken.append("part")
        raise Ended

    async def until_it_ends(self) -> list[str]:
        with pytest.raises(ExceptionGroup) as ended:
            async with asyncio.timeout(10):
                await self.lifecycle.run()
        assert ended.group_contains(Ended)
        return self.taken


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(lifecycle, "_tune_garbage_collection", lambda: None)
    with capture_logs():
        yield


async def test_parts_begin_after_preparations_which_are_retried() -> None:
    steps = Steps()
    steps.failures = [AutoReconnect("away")]
    steps.lifecycle.prepare(steps.prepare)
    steps.lifecycle.add(steps.part)
    assert await steps.until_it_ends() == ["prepared", "prepared", "part"]
    assert steps.lifecycle.is_prepared


async def test_a_part_of_a_database_waits_until_that_has_recovered() -> None:
    steps = Steps()
    database = cast(Database, Named())
    steps.recovery.add(OwnedTopics(database, ["t"], cast(Any, None)))
    steps.lifecycle.add(steps.part, database)
    assert await steps.until_it_ends() == ["recovered", "part"]


async def test_a_database_that_others_do_not_wait_for_is_named_until_it_has_recovered() -> None:
    clock, late = Clock(), asyncio.Event()
    first, second = (
        cast(Database, Named(name)) for name in ("followups_civil", "followups_crisis")
    )

    async def run(own: OwnedTopics) -> None:
        if own.database is second:
            await late.wait()

    recovery = RecoveryProgress(
        cast(Recovery, SimpleNamespace(run=run)), stalls=Stalls(Metrics()), clock=clock
    )
    for database in (first, second):
        recovery.add(OwnedTopics(database, ["t"], cast(Any, None)))
        recovery.make_optional(database)
    running = asyncio.create_task(recovery.recover_all())
    await recovery.wait_for(first)
    await recovery.check()  # nobody is served yet: `mongodb` says that they are prepared
    assert not recovery.can_serve
    await clock.sleep(5)
    assert recovery.can_serve
    with pytest.raises(Degraded, match=r"^followups_crisis: "):
        await recovery.check()
    late.set()
    await running
    await recovery.check()


async def test_a_gauge_is_hidden_while_mongodb_is_away_and_delays_no_other() -> None:
    steps = Steps()
    answers = iter([None, AutoReconnect("away"), AutoReconnect("away"), None])

    async def show() -> None:
        answer = next(answers, Ended())
        steps.taken.append("shown" if answer is None else "not shown")
        if answer is not None:
            raise answer

    async def never() -> None:
        await asyncio.Future()

    steps.lifecycle.gauge(never, lambda: None)
    steps.lifecycle.gauge(show, lambda: steps.taken.append("hidden"))
    taken = await steps.until_it_ends()
    assert taken == ["shown", *["not shown", "hidden"] * 2, "shown", "not shown"]
