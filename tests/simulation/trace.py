"""Tells what happens in one schedule: the steps, and what the delivery code logs, in its time."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import structlog
from rich.console import Console

from tests.simulation import run
from tests.simulation.loop import current_process
from tests.simulation.run import Result
from tests.simulation.schedule import drawn
from tests.simulation.world import World


def trace(seed: int, theme: str | None, console: Console) -> Result:
    """Run a schedule and tell what happens."""
    schedule = drawn(seed, theme)
    for line in schedule.lines():
        console.print(line, markup=False)
    console.rule()
    worlds: list[World] = []

    def show(_: object, __: str, event: MutableMapping[str, Any]) -> str:
        seconds = worlds[0].loop.time() if worlds else 0.0
        process = current_process()
        name = process.name if process is not None else "?"
        told = event.pop("event", "")
        event.pop("exc_info", None)
        rest = ", ".join(f"{key}={str(value)[:160]}" for key, value in event.items())
        console.print(f"{seconds:8.3f} {name}: {told} {rest}", markup=False)
        raise structlog.DropEvent

    run.hush()
    structlog.configure(
        processors=[show],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=True,
    )
    return run.play(schedule, watched=worlds.append)
