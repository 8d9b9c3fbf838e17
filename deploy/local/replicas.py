"""Who leads on the replicated stores, and whether every copy is level."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pymongo.errors import AutoReconnect, PyMongoError

from deploy.local.kafka import java
from deploy.local.layout import Layout, node_names
from deploy.local.mongod import direct_client

_PAUSE_SECONDS = 0.1
_ELECTION_SECONDS = 30.0
_STEP_DOWN_SECONDS = 10
_NEAR_SECONDS = 2  # writes go on while members are asked one after the other
_PRIMARY, _SECONDARY = 1, 2  # MongoDB's numbers of states

T = TypeVar("T")


class NoPrimary(Exception):
    """No member of the replica set takes writes."""


class NoLeader(Exception):
    """Nobody leads the partition, or Kafka's nodes among themselves."""


class NotLevel(Exception):
    """A copy is missing or behind; the message says which."""


def mongod_primary(layout: Layout, besides: str = "") -> str:
    """The part that is primary, other than `besides`; waits for an election. Raises NoPrimary."""
    names = [name for name in node_names("mongod", layout.nodes) if name != besides]
    found = _until(lambda: next(filter(lambda name: _is_primary(layout, name), names), None))
    if found is None:
        raise NoPrimary(f"no primary within {_ELECTION_SECONDS:g} s")
    return found


def step_down(layout: Layout) -> str:
    """Make the primary give way; returns the part that is primary then. Raises NoPrimary."""
    former = mongod_primary(layout)
    with direct_client(layout, former) as client, contextlib.suppress(AutoReconnect):
        client.admin.command("replSetStepDown", _STEP_DOWN_SECONDS, secondaryCatchUpPeriodSecs=8)
    return mongod_primary(layout, besides=former)


def kafka_leader(layout: Layout, topic: str, partition: int, besides: str = "") -> str:
    """The part that leads the partition, other than `besides`; waits for an election.

    Raises NoLeader.
    """
    names = node_names("kafka", layout.nodes)

    def ask() -> str | None:
        with contextlib.suppress(KafkaException, KeyError):
            leader = _metadata(layout).topics[topic].partitions[partition].leader
            return names[leader - 1] if leader > 0 and names[leader - 1] != besides else None
        return None

    found = _until(ask)
    if found is None:
        raise NoLeader(f"nobody leads {topic}-{partition} within {_ELECTION_SECONDS:g} s")
    return found


def kafka_controller(layout: Layout) -> str:
    """The part whose controller is active, by Kafka's own tool. Raises NoLeader."""
    command = java(
        layout, "org.apache.kafka.tools.MetadataQuorumCommand",
        "--bootstrap-server", layout.bootstrap, "describe", "--status",
    )  # fmt: skip
    done = subprocess.run(
        command.arguments,
        cwd=command.folder,
        env=dict(command.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    status = dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    if done.returncode != 0 or "LeaderId" not in status:
        raise NoLeader(f"no controller is known:\n{done.stdout}{done.stderr}".rstrip())
    return node_names("kafka", layout.nodes)[int(status["LeaderId"]) - 1]


def wait_until_level(layout: Layout, seconds: float) -> None:
    """Return when every copy is there and up to date. Raises NotLevel."""
    deadline = time.monotonic() + seconds
    while trouble := _kafka_unevenness(layout) or _mongod_unevenness(layout):
        if time.monotonic() > deadline:
            raise NotLevel(f"not level within {seconds:g} s: {trouble}")
        time.sleep(_PAUSE_SECONDS)


def _kafka_unevenness(layout: Layout) -> str | None:
    try:
        metadata = _metadata(layout)
    except KafkaException as error:
        return f"Kafka doesn't answer: {error}"
    if len(metadata.brokers) < layout.nodes:
        return f"brokers {sorted(metadata.brokers)} of {layout.nodes}"
    for name, topic in sorted(metadata.topics.items()):
        for number, partition in topic.partitions.items():
            if partition.leader < 1 or len(partition.isrs) < len(partition.replicas):
                return (
                    f"{name}-{number} has leader {partition.leader} and {sorted(partition.isrs)} "
                    f"of {sorted(partition.replicas)} in sync"
                )
    return None


def _mongod_unevenness(layout: Layout) -> str | None:
    reached: dict[str, Any] = {}
    primaries = 0
    for name in node_names("mongod", layout.nodes):
        with direct_client(layout, name) as client:
            try:
                status = client.admin.command("replSetGetStatus")
            except PyMongoError as error:
                return f"{name} doesn't answer: {error}"
        if status["myState"] not in (_PRIMARY, _SECONDARY):
            return f"{name} is in state {status['myState']}"
        primaries += status["myState"] == _PRIMARY
        reached[name] = status["optimes"]["appliedOpTime"]["ts"]
    if primaries != 1:
        return f"{primaries} primaries"
    first, last = min(reached.values()), max(reached.values())
    if last.time - first.time > _NEAR_SECONDS:
        return f"a member is {last.time - first.time} s behind"
    return None


def _is_primary(layout: Layout, name: str) -> bool:
    with direct_client(layout, name) as client:
        try:
            return bool(client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False


def _metadata(layout: Layout) -> Any:
    servers = ",".join(
        f"{layout.server_host(name)}:{layout.ports.of(name)}"
        for name in node_names("kafka", layout.nodes)
    )
    client = AdminClient({"bootstrap.servers": servers, "log_level": 0, "client.id": "runner"})
    return client.list_topics(timeout=2)


def _until(ask: Callable[[], T | None]) -> T | None:
    """The first answer of `ask` that is not None; None if an election takes too long."""
    deadline = time.monotonic() + _ELECTION_SECONDS
    while (answer := ask()) is None and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    return answer
