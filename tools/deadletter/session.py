"""What a command does with a person: a replay with its progress, and an editor."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from tools.deadletter import output
from tools.deadletter.body import pretty
from tools.deadletter.book import Mended, Status
from tools.deadletter.desk import Desk
from tools.deadletter.letters import Notes, written
from tools.deadletter.mending import NotMendable, set_body
from tools.deadletter.replaying import Replayed, Replaying, told_of

_INTERRUPTED = 130  # what shells call an end by Ctrl-C


async def replay_all(
    desk: Desk, letters: Sequence[Notes], rate: float, timeout_seconds: float, *, quiet: bool
) -> list[Replayed]:
    """Replay, say what became of each unless `quiet`, and end at Ctrl-C behind the one in hand."""
    replaying = desk.replaying(timeout_seconds)
    results: list[Replayed] = []
    with _ended_by_ctrl_c(replaying), _progress() as progress:
        task = progress.add_task("replaying", total=len(letters), visible=len(letters) > 1)
        async for replayed in replaying.replay(letters, rate):
            results.append(replayed)
            if not quiet:
                _tell(told_of(replayed), progress)
            progress.advance(task)
    return results


def sum_up(results: Sequence[Replayed], wanted: int) -> int:
    """Write the last lines to standard error; return the exit code."""
    counts = Counter(replayed.status.short for replayed in results)
    told = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing was replayed"
    left = wanted - len(results)
    _say(f"{told}; {left} not sent, they are as they were" if left else told)
    last = results[-1] if results else None
    if last is not None and last.wrong:
        _say(f"stopped at {written(last.origin)}: {last.wrong}")
        return 1
    return _INTERRUPTED if left or (last and last.status is Status.WAITING) else 0


def edited(before: Mended) -> Mended:
    """Let a person change the body in $VISUAL or $EDITOR. Raises NotMendable."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "body.json")
        text = pretty(before.value)
        file.write_text(text, encoding="utf-8")
        code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
        if code != 0:
            raise NotMendable(f"{editor} ended with {code}")
        body = file.read_bytes()
    if body == text.encode():
        raise NotMendable("nothing was changed in the editor")
    return set_body(before, body)


@contextmanager
def _ended_by_ctrl_c(replaying: Replaying) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, replaying.stop.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _tell(line: str, progress: Progress) -> None:
    """A line above the bar, where both are on one terminal."""
    if sys.stdout.isatty() and not progress.disable:
        progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
    else:
        output.write(line)


def _progress() -> Progress:
    told = Console(stderr=True)
    return Progress(
        *Progress.get_default_columns(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=told,
        transient=True,
        disable=not told.is_terminal,
        redirect_stdout=False,
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr)
