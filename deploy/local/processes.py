"""Real processes in groups of their own that never outlive the process that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

_PARENT_DEATH = Path(__file__).with_name("parent_death.py")
_LOOK_BACK = 65_536  # bytes
_REMARK = '"s":"I"'  # the severity "informational" in mongod's JSON
_LONGEST_LOG = 20_000_000  # bytes; a longer one is put aside at the next start


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: arguments, working folder, the whole environment, an /etc/hosts of its own."""

    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    hosts: Path | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """What a process writes: a file, from the byte at which the process began."""

    file: Path
    began_at: int = 0

    def last_lines(self, count: int) -> list[str]:
        """The last lines, without empty ones and mongod's remarks of no weight."""
        with self.file.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self.began_at, size - _LOOK_BACK))
            text = file.read().decode("utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip() and _REMARK not in line]
        return lines[-count:]


class Process:
    """A started part. Its process id is the part's own, and that of its process group."""

    def __init__(self, popen: subprocess.Popen[bytes], pid_file: Path, log: Log) -> None:
        self._popen = popen
        self._pid_file = pid_file
        self._log = log
        self.pid = popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self._popen.poll()
        if code is None:
            return "running"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def last_lines(self, count: int) -> list[str]:
        """The last lines that it wrote, without those of its former lives."""
        return self._log.last_lines(count)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it ended within `seconds`."""
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to the whole group; returns when the process is gone."""
        self._signal(signal.SIGKILL)
        self._popen.wait()
        self._forget()

    def pause(self) -> None:
        """SIGSTOP to the whole group."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT to the whole group."""
        self._signal(signal.SIGCONT)

    def stop(self, grace_seconds: float) -> bool:
        """SIGTERM, and SIGKILL after the grace. Whether the grace was enough."""
        if self.is_running:
            self._popen.terminate()
            self.resume()  # a paused one gets no SIGTERM
        went = self.wait(grace_seconds)
        self.kill()
        return went

    def _signal(self, sign: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, sign)

    def _forget(self) -> None:
        if read_pid(self._pid_file) == self.pid:
            self._pid_file.unlink(missing_ok=True)


class Starter:
    """Starts processes from one thread that lives as long as this object is open.

    The kernel's promise to end a child with its parent is bound to the thread that started it, so
    whichever thread asks, the same one starts.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the thread end: the kernel kills those of its processes that still run."""
        self._thread.shutdown()

    def start(self, command: Command, log: Path, pid_file: Path) -> Process:
        """Run the command with its output appended to the log; its pid file is there on return."""
        return self._thread.submit(_start, command, log, pid_file).result()


def _start(command: Command, log: Path, pid_file: Path) -> Process:
    if log.exists() and log.stat().st_size > _LONGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
    began_at = log.stat().st_size if log.exists() else 0
    until_taken_over, given = os.pipe()
    prefix = _dying_with_parent(given, command.hosts)
    try:
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [*prefix, *command.arguments],
                cwd=command.folder,
                env=dict(command.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                pass_fds=(given,),
            )
    finally:
        os.close(given)
        with os.fdopen(until_taken_over, "rb") as pipe:
            pipe.read()
    write_pid(pid_file, popen.pid)
    return Process(popen, pid_file, Log(log, began_at))


def _dying_with_parent(pipe: int, hosts: Path | None) -> tuple[str, ...]:
    parent, file = str(os.getpid()), str(hosts or "")
    return (sys.executable, "-I", "-S", str(_PARENT_DEATH), parent, str(pipe), file)


@cache
def may_have_own_hosts() -> bool:
    """Whether this machine lets a process have an /etc/hosts of its own."""
    probe = (*_dying_with_parent(pipe=1, hosts=Path("/etc/hosts")), "true")
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def write_pid(pid_file: Path, pid: int) -> None:
    """Put the whole file there at once, so that no reader sees half a number."""
    draft = pid_file.with_suffix(".pid.new")
    draft.write_text(f"{pid}\n", encoding="ascii")
    draft.replace(pid_file)


def read_pid(pid_file: Path) -> int | None:
    """The process id in the file; None if there is no such file."""
    try:
        return int(pid_file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs (one that has ended and waits to be reaped doesn't)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
