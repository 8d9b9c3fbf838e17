"""An installation of one's own, for tests and the demo."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

from deploy.local.kafka import Kafka
from deploy.local.layout import Layout
from deploy.local.mongod import CACHE_GB, Mongod
from deploy.local.parts import Part, start, wait_until_ready
from deploy.local.ports import reserve_ports
from deploy.local.processes import Process, Starter
from deploy.local.services import Mail, Service, create_topics

Name: TypeAlias = Literal["kafka", "mongod", "mail", "scheduler", "reports", "followups", "notify"]
STORES: tuple[Name, ...] = ("kafka", "mongod")


class NotRunning(Exception):
    """The part that this asks of does not run."""


class StillRunning(Exception):
    """The data of a running part can be neither copied nor replaced."""


class Cluster:
    """Kafka, mongod and, where asked for, services on free loopback ports, in one folder.

    A context manager: Kafka and mongod are ready inside it and gone after it; the data stay.
    Every part can be killed, stopped and started again in between, on the same port and data.
    What it starts ends with this process, however that ends. Calls block until they are done;
    from a coroutine use `asyncio.to_thread`.
    """

    def __init__(
        self,
        folder: Path,
        cache: Path,
        environment: Mapping[str, str] | None = None,
        mongod_cache_gb: float = CACHE_GB,
    ) -> None:
        """`environment` is what its services are told beside the addresses."""
        self._reservation = reserve_ports()
        self.layout = Layout(folder.resolve(), cache.resolve(), self._reservation.ports)
        self._environment = dict(environment or {})
        self._mongod_cache_gb = mongod_cache_gb
        self._parts: dict[str, Part] = {}
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
            self.start(*STORES)
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

    def address(self, name: Name) -> str:
        """What a client of the part is told: a URL, or Kafka's `host:port`."""
        return self.layout.address(name)

    def start(self, *names: Name, environment: Mapping[str, str] | None = None) -> None:
        """Start them, at the same time, and return when each answers.

        `environment` is for this start alone. Raises PartFailed.
        """
        self.launch(*names, environment=environment)
        self.wait_until_ready(*names)

    def launch(self, *names: Name, environment: Mapping[str, str] | None = None) -> None:
        """Start those that don't run; doesn't wait until they are ready."""
        self.layout.make_folders()
        for name in names:
            if not self.is_running(name):
                self._parts[name] = self._part(name, environment or {})
                self._processes[name] = start(self._parts[name], self.layout, self._starter)

    def create_topics(self, environment: Mapping[str, str] | None = None) -> None:
        """Create the topics that are missing on its Kafka. Raises TopicsFailed."""
        create_topics(self.layout, {**self._environment, **(environment or {})})

    def wait_until_ready(self, *names: Name) -> None:
        """Raises PartFailed, with the last lines of its log."""
        for name in names:
            wait_until_ready(self._parts[name], self._running(name))

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

    def wait_until_gone(self, name: Name, seconds: float) -> bool:
        """Whether the part, started before, ended by itself within so many seconds."""
        process = self._processes.get(name)
        if process is None:
            raise NotRunning(f"{name} was never started")
        return process.wait(seconds)

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
        """End all at once, without their farewells, and let the ports go."""
        for process in self._processes.values():
            process.kill()
        self._starter.close()
        self._reservation.close()
        if remove:
            shutil.rmtree(self.layout.root, ignore_errors=True)

    def _part(self, name: Name, environment: Mapping[str, str]) -> Part:
        match name:
            case "kafka":
                return Kafka(self.layout)
            case "mongod":
                return Mongod(self.layout, self._mongod_cache_gb)
            case "mail":
                return Mail(self.layout)
            case _:
                return Service(name, self.layout, {**self._environment, **environment})

    def _running(self, name: Name) -> Process:
        if not self.is_running(name):
            raise NotRunning(f"{name} does not run")
        return self._processes[name]

    def _still(self, name: Name) -> None:
        if self.is_running(name):
            raise StillRunning(f"{name} runs; stop or kill it first")
