"""An event loop whose time is simulated, and processes that can be killed or put to sleep.

Nothing waits: where no callback is ready, time jumps to the next timer. What belongs to which
process is told by a context variable, which asyncio hands on from task to task and to every
callback of a future. So a killed process simply runs no more: no `finally` of it reaches a server.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar

T = TypeVar("T")


class Over(BaseException):
    """The simulation has ended: nothing may be waited for any more."""


class Stuck(AssertionError):
    """What was waited for has not come about in the simulated time that it was given."""


class Process:
    """Tasks that live and die together."""

    __slots__ = ("alive", "asleep", "backlog", "name", "on_end", "stopped", "tasks")

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.asleep = False
        self.stopped = False  # dead or asleep
        self.backlog: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []  # kept: collecting one would run its `finally`
        self.on_end: list[Callable[[], None]] = []  # its connections, which the system closes

    def __repr__(self) -> str:
        return f"Process({self.name})"


_PROCESS: Final[ContextVar[Process | None]] = ContextVar("process", default=None)


def current_process() -> Process | None:
    """The process whose code runs; None where it is a server's or the schedule's."""
    return _PROCESS.get()


class _Future(asyncio.Future[Any]):
    """A future that sets of futures hold in the same order in each run."""

    __slots__ = ()

    def __hash__(self) -> int:
        return _numbered(self)


class _Task(asyncio.Task[Any]):
    def __hash__(self) -> int:
        return _numbered(self)


def _numbered(thing: asyncio.Future[Any]) -> int:
    # By address, for as long as the loop keeps it: what has a number is never collected before.
    loop = thing.get_loop()
    assert isinstance(loop, SimulatedLoop)
    return loop.number(thing)


class SimulatedLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in the order of simulated time; of equal times, in one that the seed draws."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng.random
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, float, int, asyncio.Handle]] = []
        self._count = 0
        self._over = False
        self._numbers: dict[int, int] = {}
        self._kept: list[asyncio.Future[Any]] = []
        self.server = Context()  # of what belongs to no process
        self.steps = 0
        self.failures: list[str] = []
        self.processes: list[Process] = []

    # -- what asyncio asks of a loop ----------------------------------------------------------
    # (Typeshed's signatures are generic over the arguments; nothing here gains by that.)

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]  # plainer
        if self._over:
            raise Over
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        if self._over:
            raise Over
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._random(), self._count, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        if self._over:
            raise Over
        return _Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> Any:
        if self._over:
            coro.close()
            raise Over
        task = _Task(coro, loop=self, name=name, context=context)
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is not None:
            process.tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._over

    def is_closed(self) -> bool:
        return self._over

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._over:
            error = context.get("exception")
            self.failures.append(f"{context.get('message')}: {error!r}")

    async def shutdown_asyncgens(self) -> None:
        pass

    def number(self, thing: asyncio.Future[Any]) -> int:
        """The number of a future or task, the same in each run."""
        found = self._numbers.get(id(thing))
        if found is None:
            found = self._numbers[id(thing)] = len(self._numbers)
            self._kept.append(thing)
        return found

    # -- processes ----------------------------------------------------------------------------

    def spawn(self, process: Process, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something as a task of a process."""
        context = copy_context()
        context.run(_PROCESS.set, process)
        task: asyncio.Task[T] = self.create_task(work, context=context)
        return task

    def process(self, name: str) -> Process:
        """A new process."""
        process = Process(name)
        self.processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        """End a process at once, as SIGKILL does: none of its code runs again."""
        if process.alive:
            process.alive, process.stopped = False, True
            for told in process.on_end:
                told()

    def freeze(self, process: Process, seconds: float) -> None:
        """Let a process sleep, as SIGSTOP does, and go on after that time."""
        if process.alive and not process.asleep:
            process.asleep = process.stopped = True
            self.call_later(seconds, self._wake, process, context=self.server)

    def _wake(self, process: Process) -> None:
        process.asleep = False
        process.stopped = not process.alive
        self._ready.extend(process.backlog)
        process.backlog = []

    def at(self, delay: float, callback: Callable[..., None], *args: Any) -> None:
        """Call something of no process after some seconds."""
        self.call_later(delay, callback, *args, context=self.server)

    def call_in(self, process: Process, callback: Callable[..., None], *args: Any) -> None:
        """Call something as a callback of a process: not where it is dead, later where asleep."""
        context = Context()
        context.run(_PROCESS.set, process)
        self.call_soon(callback, *args, context=context)

    # -- its run ------------------------------------------------------------------------------

    def run(self, main: Coroutine[Any, Any, T], most_seconds: float, most_steps: int) -> T:
        """Run until `main` has ended, in simulated seconds and steps that are bounded.

        Raises Stuck where it has not ended by then, and what `main` raises.
        """
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            task: asyncio.Task[T] = self.create_task(main, context=Context())
            self._run(task, most_seconds, most_steps)
            return task.result()
        finally:
            events._set_running_loop(before)

    def _run(self, task: asyncio.Task[Any], most_seconds: float, most_steps: int) -> None:
        ready, timers = self._ready, self._timers
        pop, process_of = heapq.heappop, _PROCESS
        steps = 0
        while not task.done():
            while ready:
                handle = ready.popleft()
                if handle._cancelled:
                    continue
                process = handle._context.get(process_of)  # type: ignore[attr-defined]
                if process is not None and process.stopped:
                    if process.alive:
                        process.backlog.append(handle)
                    continue
                handle._run()
                steps += 1
                if steps > most_steps:
                    self.steps = steps
                    raise Stuck(f"more than {most_steps} steps by second {self._now:.3f}")
            if task.done():
                break
            if not timers:
                raise Stuck(f"nothing is left to happen {self.failures}")
            when, _, _, handle = pop(timers)
            if handle._cancelled:
                continue
            if when > most_seconds:
                raise Stuck(f"not at rest by second {most_seconds:.0f}")
            self._now = max(self._now, when)
            ready.append(handle)
        self.steps = steps

    def close(self) -> None:
        """End all that still runs. None of it can wait, send or schedule any more."""
        self._over = True
        tasks = [task for process in self.processes for task in process.tasks]
        for task in tasks:
            if not task.done():
                _end(task)
        self._ready.clear()
        self._timers.clear()
        self._kept.clear()


def _end(task: asyncio.Task[Any]) -> None:
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is known that it did not end
    coroutine = task.get_coro()
    for _ in range(5):  # one that catches GeneratorExit is asked again
        try:
            coroutine.close()
        except BaseException:  # noqa: BLE001, S112  # whatever a dying task says, it is over
            continue
        return
