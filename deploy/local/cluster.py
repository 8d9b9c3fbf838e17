"""A Kafka and a MongoDB of one's own, for tests and the demo."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

from deploy.local.kafka import Kafka
from deploy.local.layout import Layout
from deploy.local.mongod import Mongod
from deploy.local.parts import Part, start, wait_until_ready
from deploy.local.ports import reserve_ports
from deploy.local.processes import Process, Starter

Name: TypeAlias = Literal["kafka", "mongod"]
NAMES: tuple[Name, ...] = ("kafka", "mongod")


class NotRunning(Exception):
    """The part that this asks of does not run."""


class StillRunning(Exception):
    """The data of a running part can be neither copied nor replaced."""


class Cluster:
    """Kafka and mongod on free loopback ports, with their data under one folder.

    A context manager: both are ready inside it and gone after it; the data stay. Each can be
    killed, stopped and started again in between, on the same port and data. What it starts ends
    with this process, however that ends. Calls block until they are done; from a coroutine use
    `asyncio.to_thread`.
    """

    def __init__(self, folder: Path, cache: Path) -> None:
        self._reservation = reserve_ports()
        self.layout = Layout(folder.resolve(), cache.resolve(), self._reservation.ports)
        self._parts: dict[str, Part] = {
            "kafka": Kafka(self.layout),
            "mongod": Mongod(self.layout),
        }
        self._starter = Starter()
        self._processes: dict[str, Process] = {}

    @property
    def bootstrap(self) -> str:
        """Kafka's address, `host:port`."""
        return self.layout.bootstrap

    @property
    def mongodb_uri(self) -> str:
        return self.layout.mongodb_uri

    def __enter__(self) -> Self:
        try:
            self.start(*NAMES)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, *names: Name) -> None:
        """Start them, at the same time, and return when each answers. Raises PartFailed."""
        self.launch(*names)
        self.wait_until_ready(*names)

    def launch(self, *names: Name) -> None:
        """Start those that don't run; doesn't wait until they are ready."""
        self.layout.make_folders()
        for name in names:
            if not self.is_running(name):
                self._processes[name] = start(self._parts[name], self.layout, self._starter)

    def wait_until_ready(self, *names: Name) -> None:
        """Raises PartFailed."""
        for name in names:
            wait_until_ready(self._parts[name], self._running(name), self.layout)

    def kill(self, *names: Name) -> None:
        """SIGKILL: nothing is written any more, no client is told."""
        for name in names:
            self._running(name).kill()

    def stop(self, *names: Name) -> None:
        """SIGTERM, in the order given; what they hold is written."""
        for name in names:
            self._running(name).stop(self._parts[name].grace_seconds)

    def is_running(self, name: Name) -> bool:
        process = self._processes.get(name)
        return process is not None and process.is_running

    def pid(self, name: Name) -> int:
        """Raises NotRunning."""
        return self._running(name).pid

    def data(self, name: Name) -> Path:
        return self.layout.data(name)

    def copy_data(self, name: Name, target: Path) -> None:
        """Copy the data of a part that stands still, as a back-up would be."""
        self._still(name)
        shutil.copytree(self.data(name), target)

    def restore_data(self, name: Name, source: Path) -> None:
        """Put a copy in the place of the data of a part that stands still."""
        self._still(name)
        shutil.rmtree(self.data(name), ignore_errors=True)
        shutil.copytree(source, self.data(name))

    def close(self, *, remove: bool = False) -> None:
        """End both at once, without their farewells, and let the ports go."""
        for process in self._processes.values():
            process.kill()
        self._starter.close()
        self._reservation.close()
        if remove:
            shutil.rmtree(self.layout.root, ignore_errors=True)

    def _running(self, name: Name) -> Process:
        if not self.is_running(name):
            raise NotRunning(f"{name} does not run")
        return self._processes[name]

    def _still(self, name: Name) -> None:
        if self.is_running(name):
            raise StillRunning(f"{name} runs; stop or kill it first")
