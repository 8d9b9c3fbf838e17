"""An installation of one's own, for tests and the demo."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias, get_args

from deploy.local import replicas
from deploy.local.kafka import Kafka
from deploy.local.kafka_security import KafkaSecurity
from deploy.local.layout import Layout, store_names, store_of
from deploy.local.mongod import Mongod
from deploy.local.network import Network
from deploy.local.parts import Part, start, wait_until_ready
from deploy.local.ports import reserve_ports
from deploy.local.processes import Process, Starter, may_have_own_hosts
from deploy.local.secured import Secured
from deploy.local.services import Mail, Service, create_topics
from deploy.local.toxiproxy import Toxiproxy
from shared.contracts.services import ServiceName

Name: TypeAlias = Literal[
    "kafka", "kafka-1", "kafka-2", "kafka-3", "mongod", "mongod-1", "mongod-2", "mongod-3",
    "toxiproxy", "keycloak", "mail", ServiceName,
]  # fmt: skip
_NAMES: Mapping[str, Name] = {name: name for name in get_args(Name)}


class NotRunning(Exception):
    """The part that this asks of does not run."""


class NotProxied(Exception):
    """No proxy stands between this cluster and its clients."""


class StillRunning(Exception):
    """The data of a running part can be neither copied nor replaced."""


class Cluster:
    """Kafka, mongod and, if started, services on free loopback ports, in one folder.

    A context manager: Kafka and mongod are ready inside it and gone after it; the data stay.
    Every part can be killed, paused, stopped and started again in between, on the same port and
    data. With three nodes `kafka` and `mongod` mean all of theirs, as far as many can be meant.
    What it starts ends with this process, however that ends. Calls block until they are done;
    from a coroutine use `asyncio.to_thread`.
    """

    def __init__(
        self,
        folder: Path,
        cache: Path,
        environment: Mapping[str, str] | None = None,
        mongod_cache_gb: float | None = None,
        *,
        nodes: Literal[1, 3] = 1,
        proxied: bool = False,
        data_on: Mapping[Name, Path] | None = None,
        kafka_security: KafkaSecurity | None = None,
        mongod_secured: bool = False,
        secured: bool = False,
    ) -> None:
        """`environment` is added to the variables of its services.

        `mongod_cache_gb` is the cache of each member. `data_on` names folders in which single
        parts keep their data, each in one of its own. If it is `proxied`, `network` can make the
        connections between clients and stores, and between nodes, fail. Without `kafka_security`
        Kafka is open to everybody. `mongod_secured`: MongoDB asks for users and TLS;
        `mongod_security.administrator` is its first user. `secured`: both are, the services serve
        over TLS and ask Keycloak who somebody is; start `keycloak` too, then `grant`.
        """
        self._reservation = reserve_ports()
        self.layout = Layout(
            folder.resolve(),
            cache.resolve(),
            self._reservation.ports,
            nodes,
            proxied,
            own_hosts=proxied and nodes > 1 and may_have_own_hosts(),
            data_on={name: path.resolve() for name, path in (data_on or {}).items()},
            mongod_secured=mongod_secured or secured,
            secured=secured,
        )
        self.secured = Secured(self.layout) if secured else None
        """What it has besides its parts, if it is secured."""
        self._network = Network(self.layout)
        self._environment = dict(environment or {})
        self._mongod_cache_gb = mongod_cache_gb
        self._kafka_security = kafka_security if self.secured is None else self.secured.kafka
        self._parts: dict[str, Part] = {}
        self._starter = Starter()
        self._processes: dict[str, Process] = {}

    @property
    def nodes(self) -> int:
        """How many brokers, and how many members of the replica set."""
        return self.layout.nodes

    @property
    def stores(self) -> tuple[Name, ...]:
        """The parts that keep data: every broker and every member, in order of starting."""
        return tuple(_NAMES[name] for name in store_names(self.nodes))

    @property
    def network(self) -> Network:
        """What is between its clients and its stores. Raises NotProxied."""
        if not self.layout.proxied:
            raise NotProxied("this cluster was not asked to be proxied")
        return self._network

    @property
    def bootstrap(self) -> str:
        """Every broker's `host:port`, with commas between."""
        return self.layout.bootstrap

    @property
    def mongodb_uri(self) -> str:
        return self.layout.mongodb_uri

    def __enter__(self) -> Self:
        try:
            if self.layout.proxied:
                self.start("toxiproxy")
            self.start(*self.stores)
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
        """The address that a client of the part uses: a URL, or Kafka's `host:port`."""
        return self.layout.address(name)

    def start(self, *names: Name, environment: Mapping[str, str] | None = None) -> None:
        """Start them, at the same time, and return when each answers.

        `environment` is for this start alone. Raises PartFailed.
        """
        self.launch(*names, environment=environment)
        self.wait_until_ready(*names)

    def launch(self, *names: Name, environment: Mapping[str, str] | None = None) -> None:
        """Start those that don't run; doesn't wait until they are ready.

        Raises NoToxiproxy if toxiproxy has to be started and can't be built.
        """
        self.layout.make_folders()
        wanted = [name for name in self._single(names) if not self.is_running(name)]
        for name in wanted:
            self._parts[name] = self._part(name, environment or {})
        with ThreadPoolExecutor() as threads:  # the first time each broker formats its storage
            started = threads.map(self._start, wanted)
            self._processes.update(zip(wanted, started, strict=True))

    def create_topics(self, environment: Mapping[str, str] | None = None) -> None:
        """Create the topics that are missing on its Kafka. Raises TopicsFailed."""
        own = {} if self.secured is None else self.secured.topics()
        create_topics(self.layout, {**own, **self._environment, **(environment or {})})

    def grant(self, people: Mapping[str, str]) -> None:
        """Make users, rights and people, if it is secured. Raises AccessFailed, AdminFailed."""
        assert self.secured is not None, "an open cluster has no rights"
        self.secured.grant(people, self._environment)

    def wait_until_ready(self, *names: Name) -> None:
        """Raises PartFailed, with the last lines of its log."""
        for name in self._single(names):
            wait_until_ready(self._parts[name], self._running(name))

    def kill(self, *names: Name) -> None:
        """SIGKILL: nothing more is written, and no connection is closed in order."""
        for name in self._single(names):
            self._running(name).kill()

    def stop(self, *names: Name) -> None:
        """SIGTERM, in the order given; what they hold is written. Nodes of a store together."""
        for name in names:
            with ThreadPoolExecutor() as threads:
                list(threads.map(self._stop, self._single([name])))

    def pause(self, *names: Name) -> None:
        """SIGSTOP: its connections stay open and nobody answers, until it is resumed."""
        for name in self._single(names):
            self._running(name).pause()

    def resume(self, *names: Name) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        for name in self._single(names):
            self._running(name).resume()

    def is_running(self, name: Name) -> bool:
        """Also while it is paused. Of a store with three nodes: whether all of them run."""
        processes = [self._processes.get(single) for single in self._single([name])]
        return all(process is not None and process.is_running for process in processes)

    def pid(self, name: Name) -> int:
        """Raises NotRunning."""
        return self._running(name).pid

    def wait_until_gone(self, name: Name, seconds: float) -> bool:
        """Whether the part, started before, ended by itself within `seconds`."""
        process = self._processes.get(name)
        if process is None:
            raise NotRunning(f"{name} was never started")
        return process.wait(seconds)

    def data(self, name: Name) -> Path:
        return self.layout.data(name)

    def copy_data(self, name: Name, target: Path) -> None:
        """Copy the data of a part that is stopped, as a back-up would."""
        self._still(name)
        shutil.copytree(self.data(name), target)

    def restore_data(self, name: Name, source: Path) -> None:
        """Replace the data of a part that is stopped by a copy."""
        self._still(name)
        shutil.rmtree(self.data(name), ignore_errors=True)
        shutil.copytree(source, self.data(name))

    def close(self, *, remove: bool = False) -> None:
        """Kill all parts and release the ports."""
        for process in self._processes.values():
            process.kill()
        self._starter.close()
        self._reservation.close()
        if remove:
            shutil.rmtree(self.layout.root, ignore_errors=True)

    def mongod_primary(self, besides: Name | None = None) -> Name:
        """The member that takes writes, other than `besides`, which was it until now.

        Waits 30 s for an election. Raises NoPrimary.
        """
        return _NAMES[replicas.mongod_primary(self.layout, besides or "")]

    def step_down(self) -> Name:
        """Make the primary give way for 10 s; returns its successor. Raises NoPrimary."""
        return _NAMES[replicas.step_down(self.layout)]

    def kafka_leader(self, topic: str, partition: int = 0, besides: Name | None = None) -> Name:
        """The broker that leads the partition, other than `besides`, which did until now.

        Waits 30 s for an election. Raises NoLeader.
        """
        return _NAMES[replicas.kafka_leader(self.layout, topic, partition, besides or "")]

    def kafka_controller(self) -> Name:
        """The node whose controller is active; takes two seconds. Raises NoLeader."""
        return _NAMES[replicas.kafka_controller(self.layout)]

    def wait_until_level(self, seconds: float = 60.0) -> None:
        """Return when every replica is in sync, every partition has its leader, every member
        follows the primary and has what it has. Raises NotLevel."""
        replicas.wait_until_level(self.layout, seconds)

    def _single(self, names: Iterable[Name]) -> list[Name]:
        return [_NAMES[single] for name in names for single in self.layout.members(name)]

    def _start(self, name: Name) -> Process:
        return start(self._parts[name], self.layout, self._starter)

    def _stop(self, name: Name) -> None:
        self._running(name).stop(self._parts[name].grace_seconds)

    def _part(self, name: Name, environment: Mapping[str, str]) -> Part:
        match store_of(name):
            case "kafka":
                return Kafka(self.layout, name, security=self._kafka_security)
            case "mongod":
                return Mongod(self.layout, name, self._mongod_cache_gb)
            case _ if name == "mail":
                return Mail(self.layout)
            case _ if name == "toxiproxy":
                return Toxiproxy(self.layout)
            case _ if name == "keycloak":
                assert self.secured is not None, "an open cluster has no identity provider"
                return self.secured.keycloak
            case _:
                return self._service(name, {**self._environment, **environment})

    def _service(self, name: Name, environment: Mapping[str, str]) -> Service:
        if self.secured is None:
            return Service(name, self.layout, environment)
        given = {**self.secured.service(name), **environment}
        return Service(name, self.layout, given, self.secured.trust())

    def _running(self, name: Name) -> Process:
        process = self._processes.get(name)
        if process is None or not process.is_running:
            raise NotRunning(f"{name} does not run")
        return process

    def _still(self, name: Name) -> None:
        if self.is_running(name):
            raise StillRunning(f"{name} runs; stop or kill it first")
