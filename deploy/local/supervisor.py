"""Keeps the parts of an installation running, and stops them in order."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import ParamSpec, TypeVar

from deploy.local.kafka import NoKafka
from deploy.local.keycloak import NoKeycloak
from deploy.local.layout import Layout, store_of
from deploy.local.mongod import NoMongod
from deploy.local.parts import Part, start
from deploy.local.processes import Process, Starter
from deploy.local.screen import Screen

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_HEALTHY_SECONDS = 10.0
_READY_CHECK_SECONDS = 0.1
_LATER_CHECK_SECONDS = 3.0
_LOG_LINES = 10

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Backoff:
    """How long to wait before a part is started again: at once after a healthy life."""

    _next: float = 0.0

    def after(self, lived_seconds: float) -> float:
        """Seconds to wait, at most five."""
        pause = 0.0 if lived_seconds >= _HEALTHY_SECONDS else self._next
        self._next = min(max(2 * pause, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        return pause


class Supervisor:
    """Starts stores first, then what depends on them; restarts whatever dies."""

    def __init__(
        self,
        layout: Layout,
        stores: Sequence[Part],
        others: Sequence[Part],
        create_topics: Callable[[], None],
        screen: Screen,
    ) -> None:
        self._layout = layout
        self._stores = stores
        self._others = others
        self._create_topics = create_topics
        self._screen = screen
        self._starter = Starter()
        self._threads = ThreadPoolExecutor(max_workers=2 * (len(stores) + len(others)) + 1)
        self._processes: dict[str, Process] = {}
        self._ready = {part.name: asyncio.Event() for part in (*stores, *others)}

    async def run(self, stop: asyncio.Event) -> None:
        """Keep everything running until `stop` is set; then stop it in order.

        Raises, in a group and after everything is stopped, what `create_topics` raises.
        """
        overseeing = asyncio.create_task(self._oversee())
        stopping = asyncio.create_task(stop.wait())
        both = {overseeing, stopping}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if overseeing.done():
                overseeing.result()
        finally:
            for task in both:
                task.cancel()
            await asyncio.wait(both)
            await self._stop_all()

    async def _oversee(self) -> None:
        async with asyncio.TaskGroup() as keepers:
            await self._bring(self._stores, keepers)
            await self._aside(self._create_topics)
            await self._bring(self._others, keepers)
            self._screen.addresses()

    async def _bring(self, parts: Sequence[Part], keepers: asyncio.TaskGroup) -> None:
        for part in parts:
            keepers.create_task(self._keep(part))
        for part in parts:
            await self._ready[part.name].wait()

    async def _keep(self, part: Part) -> None:
        """Start the part, and again whenever it dies, until cancelled."""
        backoff = Backoff()
        while True:
            began = time.monotonic()
            log: list[str] = []
            try:
                process = await self._aside(start, part, self._layout, self._starter)
            except (NoKafka, NoKeycloak, NoMongod, OSError) as error:
                what = f"can't be started: {error}"
            else:
                self._processes[part.name] = process
                self._screen.change(part.name, state="starting", pid=process.pid, note="")
                await self._watch(part, process)
                what = f"died ({process.ending}, pid {process.pid})"
                log = process.last_lines(_LOG_LINES)
            pause = backoff.after(time.monotonic() - began)
            self._screen.died(part.name, what, pause, log)
            await asyncio.sleep(pause)

    async def _watch(self, part: Part, process: Process) -> None:
        """Show how it is doing until it ends."""
        ended = asyncio.create_task(_ended(process))
        deadline = time.monotonic() + part.patience_seconds
        pause = _READY_CHECK_SECONDS
        try:
            while not ended.done():
                trouble = await self._aside(part.trouble)
                if trouble is None:
                    self._show_ready(part, process)
                    pause, deadline = _LATER_CHECK_SECONDS, float("inf")
                else:
                    self._show_trouble(part, trouble)
                    pause = _READY_CHECK_SECONDS
                    if time.monotonic() > deadline:
                        self._screen.say(f"{part.name} is not ready yet: {trouble}", style="yellow")
                        deadline = float("inf")
                await asyncio.wait({ended}, timeout=pause)
        finally:
            ended.cancel()

    def _show_ready(self, part: Part, process: Process) -> None:
        row = self._screen.row(part.name)
        if row.state != "ready" and process.is_running:
            self._screen.change(part.name, state="ready", note="")
            self._screen.say(f"{part.name} ready at {row.address} (pid {process.pid})")
            self._ready[part.name].set()

    def _show_trouble(self, part: Part, trouble: str) -> None:
        row = self._screen.row(part.name)
        if row.state == "ready":
            self._screen.say(f"{part.name} is not ready any more: {trouble}", style="yellow")
            self._screen.change(part.name, state="not ready", note=trouble)
        elif row.note != trouble:
            self._screen.change(part.name, note=trouble)

    async def _stop_all(self) -> None:
        """Services first, then Kafka, then mongod; the nodes of each at the same time.

        One after the other the last node would have no majority left to take leave of.
        """
        self._screen.say("stopping")
        await asyncio.gather(*(self._stop(part) for part in self._others))
        for _, nodes in groupby(self._stores, key=lambda part: store_of(part.name)):
            await asyncio.gather(*(self._stop(part) for part in nodes))
        self._starter.close()
        self._threads.shutdown()

    async def _stop(self, part: Part) -> None:
        process = self._processes.get(part.name)
        if process is None:
            return
        self._screen.change(part.name, state="stopping", note="")
        went = await self._aside(process.stop, part.grace_seconds)
        how = "stopped" if went else f"killed after {part.grace_seconds:g} s"
        self._screen.change(part.name, state=how, pid=None)
        self._screen.say(f"{part.name} {how}")

    async def _aside(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))


async def _ended(process: Process) -> None:
    """Return as soon as the process has ended."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:  # ended and reaped
        return
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(handle, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
