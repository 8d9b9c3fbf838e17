"""What a command does on a terminal: shows the progress of a replay, and opens an editor."""

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
from tools.deadletter.dead_letters import DeadLetterNotes, format_origin
from tools.deadletter.mending import NotMendable, set_body
from tools.deadletter.rendering import pretty_json
from tools.deadletter.replayer import Replayer, ReplayResult, describe
from tools.deadletter.triage import MessageContent, TriageStatus
from tools.deadletter.workspace import DeadLetterWorkspace

_INTERRUPTED = 130  # the exit code for a command that Ctrl-C ended


async def replay_with_progress(
    workspace: DeadLetterWorkspace,
    letters: Sequence[DeadLetterNotes],
    rate: float,
    timeout_seconds: float,
    *,
    quiet: bool,
) -> list[ReplayResult]:
    """Replay letters and print each result unless `quiet`; Ctrl-C ends it after the current one."""
    replayer = workspace.replayer(timeout_seconds)
    results: list[ReplayResult] = []
    with _ended_by_ctrl_c(replayer), _progress() as progress:
        task = progress.add_task("replaying", total=len(letters), visible=len(letters) > 1)
        async for result in replayer.replay(letters, rate):
            results.append(result)
            if not quiet:
                _print_above(progress, describe(result))
            progress.advance(task)
    return results


def report_totals(results: Sequence[ReplayResult], selected: int) -> int:
    """Print the totals of a replay of `selected` letters to standard error.

    Returns the exit code: 0, 1 after an error, 130 after Ctrl-C.
    """
    counts = Counter(result.status.short for result in results)
    totals = (
        ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing was replayed"
    )
    unsent = selected - len(results)
    _print_error(f"{totals}; {unsent} not sent, they are as they were" if unsent else totals)
    last = results[-1] if results else None
    if last is not None and last.error:
        _print_error(f"stopped at {format_origin(last.origin)}: {last.error}")
        return 1
    return _INTERRUPTED if unsent or (last and last.status is TriageStatus.WAITING) else 0


def edit_body(before: MessageContent) -> MessageContent:
    """Let the operator change the body in $VISUAL or $EDITOR. Raises NotMendable."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "body.json")
        text = pretty_json(before.value)
        file.write_text(text, encoding="utf-8")
        code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
        if code != 0:
            raise NotMendable(f"{editor} ended with {code}")
        body = file.read_bytes()
    if body == text.encode():
        raise NotMendable("nothing was changed in the editor")
    return set_body(before, body)


@contextmanager
def _ended_by_ctrl_c(replayer: Replayer) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, replayer.stop.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _print_above(progress: Progress, line: str) -> None:
    """Print a line to standard output; above the bar if both are on one terminal."""
    if sys.stdout.isatty() and not progress.disable:
        progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
    else:
        output.write(line)


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        *Progress.get_default_columns(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=False,
    )


def _print_error(line: str) -> None:
    print(line, file=sys.stderr)
