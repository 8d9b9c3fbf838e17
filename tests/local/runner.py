"""Drives the local runner as a person at a terminal does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.layout import PROJECT, Layout, Ports, layout_from, parts_from
from deploy.local.ports import is_free
from deploy.local.processes import is_alive, read_pid

_COMMAND = (sys.executable, "-m", "deploy.local", "up")
_SECONDS = 40.0


def eventually(condition: Callable[[], bool], what: str, seconds: float = _SECONDS) -> None:
    """Return as soon as the condition holds; fails the test when it doesn't in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def free_offset(taken: Sequence[int] = ()) -> int:
    """A `PEYGIR_PORT_OFFSET` at which every part can listen."""
    for offset in range(200, 1800, 100):
        if offset not in taken and all(map(is_free, Ports.standard(offset).every())):
            return offset
    raise AssertionError("no free ports for this test")


def make_folder(folder: Path, local: Path) -> Path:
    """A folder for an installation that shares this checkout's packages and downloads."""
    folder.mkdir(parents=True, exist_ok=True)
    for shared in ("cache", "venv"):
        link = folder / shared
        if not link.is_symlink():
            link.symlink_to(local / shared)
    return folder


def environment(folder: Path, offset: int, parts: str, nodes: int = 1) -> dict[str, str]:
    return {
        **os.environ,
        "PEYGIR_LOCAL_NODES": str(nodes),
        "PEYGIR_LOCAL_DIR": str(folder),
        "PEYGIR_PORT_OFFSET": str(offset),
        "PEYGIR_PARTS": parts,
    }


class Runner:
    """One `up`. As a context manager it is killed at the end, with all that it started."""

    def __init__(
        self,
        folder: Path,
        offset: int,
        parts: str,
        command: Sequence[str] = _COMMAND,
        nodes: int = 1,
    ) -> None:
        self._environment = environment(folder, offset, parts, nodes)
        self._output = folder / f"up-{time.monotonic_ns()}.txt"
        self._parts = parts_from(self._environment)
        self.layout: Layout = layout_from(self._environment)
        with self._output.open("wb") as output:
            self._popen = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            sys.stderr.write(self.output)
        self.kill()

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        return self._popen.pid

    def wait_for(self, text: str, seconds: float = _SECONDS) -> None:
        """Return when the runner has said this."""

        def said() -> bool:
            assert text in self.output or self._popen.poll() is None, self.output
            return text in self.output

        eventually(said, f"{text!r} in:\n{self.output}", seconds)

    def wait_until_up(self, seconds: float = _SECONDS) -> None:
        self.wait_for("everything runs", seconds)

    def pids(self) -> dict[str, int]:
        """The parts' process ids, as their files say."""
        found = {part: read_pid(self.layout.pid(part)) for part in self._parts}
        return {part: pid for part, pid in found.items() if pid is not None}

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        self._popen.send_signal(signal.SIGINT)
        return self._popen.wait(_SECONDS)

    def kill(self) -> None:
        """SIGKILL to the started process alone; returns when its parts are gone, too."""
        pids = self.pids()
        self._popen.kill()
        self._popen.wait()
        eventually(lambda: not any(map(is_alive, pids.values())), f"the end of {pids}")


def run_to_end(
    folder: Path, offset: int, parts: str, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """An `up` that is expected to end by itself."""
    return subprocess.run(
        _COMMAND,
        cwd=PROJECT,
        env={**environment(folder, offset, parts), **(more or {})},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
