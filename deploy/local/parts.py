"""What every part of an installation has in common."""

from __future__ import annotations

import time
from typing import Protocol

from deploy.local.layout import Layout
from deploy.local.processes import Command, Process, Starter

_PAUSE_SECONDS = 0.05
_LOG_LINES = 20


class Part(Protocol):
    """One process of the installation."""

    @property
    def name(self) -> str: ...

    @property
    def grace_seconds(self) -> float:
        """How long it may take to stop before it is killed."""

    @property
    def patience_seconds(self) -> float:
        """How long it may take to be ready."""

    def prepare(self) -> None:
        """Make what it needs before it starts; harmless when repeated."""

    def command(self) -> Command: ...

    def trouble(self) -> str | None:
        """Why it doesn't serve its clients; None when it does. May take a second."""


class PartFailed(Exception):
    """A part did not come up. The message has the last lines of its log."""


def start(part: Part, layout: Layout, starter: Starter) -> Process:
    """Start the part; does not wait until it is ready."""
    part.prepare()
    return starter.start(part.command(), layout.log(part.name), layout.pid(part.name))


def wait_until_ready(part: Part, process: Process) -> None:
    """Return when the part answers. Raises PartFailed when it ends first or takes too long."""
    deadline = time.monotonic() + part.patience_seconds
    while trouble := part.trouble():
        if not process.is_running:
            raise PartFailed(_story(part, process, f"ended with {process.ending}"))
        if time.monotonic() > deadline:
            raise PartFailed(_story(part, process, f"did not get ready: {trouble}"))
        time.sleep(_PAUSE_SECONDS)


def _story(part: Part, process: Process, what: str) -> str:
    return "\n".join([f"{part.name} {what}", *process.last_lines(_LOG_LINES)])
