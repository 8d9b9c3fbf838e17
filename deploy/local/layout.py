"""Where everything of one installation on this machine is: folders, files, ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KAFKA_VERSION = "4.3.1"
REPLICA_SET = "peygir"
HOST = "127.0.0.1"
PROJECT = Path(__file__).resolve().parents[2]
SERVICES = ("scheduler", "reports", "followups", "notify")
PARTS = ("kafka", "mongod", "mail", *SERVICES)

_HIGHEST_OFFSET = 30_000


class BadLayout(Exception):
    """A variable of the environment can't be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A port for each part, all on the loopback address."""

    kafka: int
    kafka_controller: int
    mongod: int
    scheduler: int
    reports: int
    followups: int
    notify: int
    mail: int

    @classmethod
    def standard(cls, offset: int = 0) -> Ports:
        return cls(
            kafka=29092 + offset,
            kafka_controller=29093 + offset,
            mongod=27117 + offset,
            scheduler=8101 + offset,
            reports=8102 + offset,
            followups=8103 + offset,
            notify=8104 + offset,
            mail=8125 + offset,
        )

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Eight ports in a row."""
        return cls(*range(base, base + 8))

    def of(self, part: str) -> int:
        port: int = getattr(self, part)
        return port


@dataclass(frozen=True, slots=True)
class Layout:
    """One installation. `cache` holds downloads and may be shared between installations."""

    root: Path
    cache: Path
    ports: Ports

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
    def bootstrap(self) -> str:
        return f"{HOST}:{self.ports.kafka}"

    @property
    def mongodb_uri(self) -> str:
        return f"mongodb://{HOST}:{self.ports.mongod}/?replicaSet={REPLICA_SET}"

    def data(self, part: str) -> Path:
        return self.root / "data" / part

    def log(self, part: str) -> Path:
        return self.log_dir / f"{part}.log"

    def pid(self, part: str) -> Path:
        return self.run_dir / f"{part}.pid"

    def address(self, part: str) -> str:
        """What a client of the part is told."""
        match part:
            case "kafka":
                return self.bootstrap
            case "mongod":
                return self.mongodb_uri
            case "mail":
                return f"smtp://{HOST}:{self.ports.mail}"
            case _:
                return f"http://{HOST}:{self.ports.of(part)}"

    def make_folders(self) -> None:
        for folder in (self.run_dir, self.log_dir, self.root / "data", self.cache):
            folder.mkdir(parents=True, exist_ok=True)


def local_dir(environment: Mapping[str, str]) -> Path:
    """The folder that `PEYGIR_LOCAL_DIR` names; `.local` of this checkout by default."""
    return (PROJECT / (environment.get("PEYGIR_LOCAL_DIR") or ".local")).resolve()


def layout_from(environment: Mapping[str, str]) -> Layout:
    """The installation that `PEYGIR_LOCAL_DIR` and `PEYGIR_PORT_OFFSET` describe.

    Raises BadLayout.
    """
    text = environment.get("PEYGIR_PORT_OFFSET") or "0"
    if not text.isdecimal() or int(text) > _HIGHEST_OFFSET:
        raise BadLayout(f"PEYGIR_PORT_OFFSET={text}: a whole number from 0 to {_HIGHEST_OFFSET}")
    root = local_dir(environment)
    return Layout(root=root, cache=root / "cache", ports=Ports.standard(int(text)))


def parts_from(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The parts that `PEYGIR_PARTS` names, every part by default, in order of starting.

    Raises BadLayout.
    """
    text = environment.get("PEYGIR_PARTS") or ",".join(PARTS)
    wanted = {name.strip() for name in text.split(",") if name.strip()}
    unknown = sorted(wanted - set(PARTS))
    if unknown:
        raise BadLayout(f"PEYGIR_PARTS: no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return tuple(part for part in PARTS if part in wanted)
