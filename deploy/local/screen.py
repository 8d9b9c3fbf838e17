"""What the runner shows: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

_COLOURS = {"ready": "green", "starting": "yellow", "not ready": "yellow"}
_LINE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Row:
    """How a part is doing."""

    part: str
    address: str
    state: str = "waiting"
    pid: int | None = None
    restarts: int = 0
    note: str = ""


class Screen:
    """Shows the parts' states and says what happens to them."""

    def __init__(self, console: Console, rows: Sequence[Row]) -> None:
        self._console = console
        self._rows = {row.part: row for row in rows}
        self._live = Live(self._table(), console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live.is_started:
            self._live.stop()

    def row(self, part: str) -> Row:
        return self._rows[part]

    def change(self, part: str, **changes: Any) -> None:
        self._rows[part] = replace(self._rows[part], **changes)
        if self._live.is_started:
            self._live.update(self._table(), refresh=True)

    def say(self, text: str, style: str = "") -> None:
        """A line, or several, with the time of day in front."""
        clock = time.strftime("%H:%M:%S")
        self._console.print(
            f"{clock} {text}", style=style, markup=False, highlight=False, soft_wrap=True
        )

    def died(self, part: str, what: str, pause_seconds: float, log: Sequence[str]) -> None:
        """Say that a part is gone, when it is started again, and its last words."""
        restarts = self._rows[part].restarts + 1
        self.change(part, state="died", pid=None, restarts=restarts)
        when = f"in {pause_seconds:g} s" if pause_seconds else "at once"
        words = [f"  | {line[:_LINE_LENGTH]}" for line in log]
        self.say("\n".join([f"{part} {what}; started again {when}", *words]), style="red")

    def addresses(self) -> None:
        """Say where every part is."""
        width = max(len(part) for part in self._rows)
        lines = [f"  {row.part:<{width}}  {row.address}" for row in self._rows.values()]
        self.say("\n".join(["everything runs; Ctrl-C stops it", *lines]), style="green")

    def _table(self) -> Table:
        table = Table("part", "state", "pid", "restarts", "address", "", box=None, pad_edge=False)
        for row in self._rows.values():
            table.add_row(
                row.part,
                f"[{_COLOURS.get(row.state, 'red')}]{row.state}[/]",
                str(row.pid or ""),
                str(row.restarts or ""),
                row.address,
                row.note,
            )
        return table
