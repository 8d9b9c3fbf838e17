"""Where everything of one installation on this machine is: folders, files, ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from shared.contracts.services import HTTP_PORTS, SERVICES

KAFKA_VERSION = "4.3.1"
REPLICA_SET = "peygir"
HOST = "127.0.0.1"
PROJECT = Path(__file__).resolve().parents[2]
NODE_COUNTS = (1, 3)
STORES = ("kafka", "mongod")

_HIGHEST_OFFSET = 30_000


class BadLayout(Exception):
    """A variable of the environment can't be used; the message names it."""


def node_names(store: str, nodes: int) -> tuple[str, ...]:
    """The parts that make up a store: itself alone, or its nodes by number."""
    return (store,) if nodes == 1 else tuple(f"{store}-{node}" for node in range(1, nodes + 1))


def node_number(part: str) -> int:
    """Which node of its store a part is, counted from 1."""
    _, dash, number = part.rpartition("-")
    return int(number) if dash else 1


def store_of(part: str) -> str | None:
    """`kafka` or `mongod` for their nodes, None for other parts."""
    store = part.partition("-")[0]
    return store if store in STORES else None


def store_names(nodes: int) -> tuple[str, ...]:
    """The parts that keep data for the services, in order of starting."""
    return tuple(name for store in STORES for name in node_names(store, nodes))


def part_names(nodes: int, *, secured: bool = False) -> tuple[str, ...]:
    """Every part of an installation with `nodes` nodes, in order of starting."""
    provider = ("keycloak",) if secured else ()
    return (*store_names(nodes), *provider, "mail", *SERVICES)


EVERY_PART = tuple(
    dict.fromkeys(name for nodes in NODE_COUNTS for name in part_names(nodes, secured=True))
)
"""The parts of an installation whose number of nodes is not known."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A port for each part, all on loopback addresses; three of what may have three nodes."""

    kafkas: tuple[int, int, int]
    controllers: tuple[int, int, int]
    peers: tuple[int, int, int]
    mongods: tuple[int, int, int]
    services: tuple[int, ...]  # in the order of SERVICES
    toxiproxy: int
    mail: int
    keycloak: int

    @classmethod
    def standard(cls, offset: int = 0) -> Ports:
        kafka, mongod = 29092 + offset, 27117 + offset
        return cls(
            kafkas=(kafka, kafka + 2, kafka + 4),
            controllers=(kafka + 1, kafka + 3, kafka + 5),
            peers=(kafka + 6, kafka + 7, kafka + 8),
            mongods=(mongod, mongod + 1, mongod + 2),
            services=tuple(HTTP_PORTS[service] + offset for service in SERVICES),
            toxiproxy=8474 + offset,
            mail=8125 + offset,
            keycloak=8180 + offset,
        )

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Ports in a row: twelve of the stores, one for each service, and three more."""
        threes = [(first, first + 1, first + 2) for first in range(base, base + 12, 3)]
        kafkas, controllers, peers, mongods = threes
        *services, toxiproxy, mail, keycloak = range(base + 12, base + 15 + len(SERVICES))
        return cls(kafkas, controllers, peers, mongods, tuple(services), toxiproxy, mail, keycloak)

    @property
    def kafka(self) -> int:
        return self.kafkas[0]

    @property
    def kafka_controller(self) -> int:
        return self.controllers[0]

    @property
    def mongod(self) -> int:
        return self.mongods[0]

    def of(self, part: str) -> int:
        """The port on which clients find the part."""
        store, dash, node = part.rpartition("-")
        if dash:
            return {"kafka": self.kafkas, "mongod": self.mongods}[store][int(node) - 1]
        if part in SERVICES:
            return self.services[SERVICES.index(part)]
        port: int = getattr(self, part)
        return port

    def every(self) -> tuple[int, ...]:
        """All of them."""
        return tuple(
            chain.from_iterable(
                ports if isinstance(ports, tuple) else (ports,) for ports in astuple(self)
            )
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """One installation. `cache` holds downloads and may be shared between installations.

    `nodes` is how many brokers and how many members there are. If it is `proxied`, the stores
    listen on loopback addresses of their own, and clients reach them through proxies on the
    advertised addresses. With `own_hosts` each member of the replica set has an /etc/hosts of its
    own, and so proxies of its own to the others. `data_on` puts the data of single parts into other
    folders. `mongod_secured`: MongoDB asks for users, and takes connections with TLS alone.
    `secured`: everything does, and the data are apart from those of an open installation.
    """

    root: Path
    cache: Path
    ports: Ports
    nodes: int = 1
    proxied: bool = False
    own_hosts: bool = False
    data_on: Mapping[str, Path] = field(default_factory=dict)
    mongod_secured: bool = False
    secured: bool = False

    @property
    def data_dir(self) -> Path:
        """The folder of the data of all parts."""
        return self.root / ("secured-data" if self.secured else "data")

    @property
    def run_dir(self) -> Path:
        return self.root / "run"

    @property
    def log_dir(self) -> Path:
        return self.root / "log"

    @property
    def lock(self) -> Path:
        """Held with flock by the one runner of this installation; holds its process id."""
        return self.run_dir / "up.lock"

    @property
    def kafka_jars(self) -> Path:
        return self.cache / f"kafka-{KAFKA_VERSION}" / "libs"

    @property
    def kafka_classes(self) -> Path:
        """Kafka's classes as Java keeps them between runs; may be missing."""
        return self.kafka_jars.with_name("classes.jsa")

    @property
    def kafka_cluster_id(self) -> Path:
        """Holds the id that the storage of every broker bears."""
        return self.data_dir / "kafka.cluster-id"

    @property
    def bootstrap(self) -> str:
        """Every broker's `host:port`, with commas between."""
        return ",".join(self.advertised(name) for name in node_names("kafka", self.nodes))

    @property
    def mongodb_uri(self) -> str:
        members = ",".join(self.advertised(name) for name in node_names("mongod", self.nodes))
        secured = f"&tls=true&tlsCAFile={quote(str(self.mongod_authority), safe='/')}"
        return f"mongodb://{members}/?replicaSet={REPLICA_SET}{secured * self.mongod_secured}"

    @property
    def mongod_secrets(self) -> Path:
        """The folder of what a secured MongoDB has in private; made when it first starts."""
        return self.root / "secrets" / "mongod"

    @property
    def mongod_authority(self) -> Path:
        """The certificate of the authority that vouches for a secured MongoDB."""
        return self.mongod_secrets / "ca.pem"

    def members(self, part: str) -> tuple[str, ...]:
        """The parts that a name stands for: `kafka` and `mongod` for all of their nodes."""
        return node_names(part, self.nodes) if part in STORES else (part,)

    def advertised(self, part: str) -> str:
        """The `host:port` at which clients reach a broker or a member."""
        named = self.own_hosts and store_of(part) == "mongod"
        return f"{'localhost' if named else HOST}:{self.ports.of(part)}"

    def server_host(self, part: str) -> str:
        """The address on which a broker or a member listens."""
        return f"127.0.1.{node_number(part)}" if self.proxied else HOST

    def data(self, part: str) -> Path:
        return self.data_on.get(part, self.data_dir) / part

    def log(self, part: str) -> Path:
        return self.log_dir / f"{part}.log"

    def pid(self, part: str) -> Path:
        return self.run_dir / f"{part}.pid"

    def address(self, part: str) -> str:
        """The address that a client of the part uses."""
        match part:
            case "kafka":
                return self.bootstrap
            case "mongod":
                return self.mongodb_uri
            case "mail":
                return f"smtp://{HOST}:{self.ports.mail}"
            case _ if part.startswith("kafka-"):
                return self.advertised(part)
            case _ if part.startswith("mongod-"):
                return f"mongodb://{self.advertised(part)}/?directConnection=true"
            case _:
                return f"{'https' if self.secured else 'http'}://{HOST}:{self.ports.of(part)}"

    def make_folders(self) -> None:
        for folder in (self.run_dir, self.log_dir, self.data_dir, self.cache):
            folder.mkdir(parents=True, exist_ok=True)


def local_dir(environment: Mapping[str, str]) -> Path:
    """The folder that `PEYGIR_LOCAL_DIR` names; `.local` of this checkout by default."""
    return (PROJECT / (environment.get("PEYGIR_LOCAL_DIR") or ".local")).resolve()


def layout_from(environment: Mapping[str, str]) -> Layout:
    """The installation that `PEYGIR_LOCAL_DIR`, `_LOCAL_NODES`, `_PORT_OFFSET` and `_SECURE`
    describe.

    Raises BadLayout.
    """
    text = environment.get("PEYGIR_PORT_OFFSET") or "0"
    if not text.isdecimal() or int(text) > _HIGHEST_OFFSET:
        raise BadLayout(f"PEYGIR_PORT_OFFSET={text}: a whole number from 0 to {_HIGHEST_OFFSET}")
    root = local_dir(environment)
    ports = Ports.standard(int(text))
    secured = is_secured(environment)
    return Layout(
        root=root,
        cache=root / "cache",
        ports=ports,
        nodes=nodes_from(environment),
        mongod_secured=secured,
        secured=secured,
    )


def is_secured(environment: Mapping[str, str]) -> bool:
    """Whether `PEYGIR_SECURE` asks for a secured installation. Raises BadLayout."""
    text = environment.get("PEYGIR_SECURE") or "0"
    if text not in {"0", "1"}:
        raise BadLayout(f"PEYGIR_SECURE={text}: either 0 or 1")
    return text == "1"


def nodes_from(environment: Mapping[str, str]) -> int:
    """How many nodes `PEYGIR_LOCAL_NODES` asks for, one by default. Raises BadLayout."""
    text = environment.get("PEYGIR_LOCAL_NODES") or "1"
    if text not in map(str, NODE_COUNTS):
        raise BadLayout(f"PEYGIR_LOCAL_NODES={text}: either 1 or 3")
    return int(text)


def parts_from(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The parts that `PEYGIR_PARTS` names, every part by default, in order of starting.

    Raises BadLayout.
    """
    nodes = nodes_from(environment)
    there = part_names(nodes, secured=is_secured(environment))
    named = environment.get("PEYGIR_PARTS") or ",".join(there)
    wanted: set[str] = set()
    for name in filter(None, map(str.strip, named.split(","))):
        wanted.update(node_names(name, nodes) if name in STORES else (name,))
    if unknown := sorted(wanted - set(there)):
        raise BadLayout(f"PEYGIR_PARTS: no part {', '.join(unknown)}; there are {', '.join(there)}")
    return tuple(part for part in there if part in wanted)
