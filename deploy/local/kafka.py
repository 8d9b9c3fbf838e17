"""Kafka in KRaft mode from its Maven jars: one node, or three; each is broker and controller.

Durability here: a record is acknowledged once it is in the log of every replica in sync, that is
in the kernel's page cache. It outlives the death of the process, SIGKILL included, but not the
power of the machine: Kafka relies on replicas for that, and so do the manifests for production.
Setting `log.flush.interval.messages=1` would trade most of the throughput for it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local.kafka_security import KafkaSecurity
from deploy.local.layout import HOST, Layout, node_names, node_number
from deploy.local.links import hosts_of
from deploy.local.processes import Command

# One compiler: the second costs an installation of some minutes more than it brings.
_SMALL = ("-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1")
_HEAP = {1: ("-Xms256m", "-Xmx512m"), 3: ("-Xms128m", "-Xmx384m")}
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)


class NoKafka(Exception):
    """Kafka's jars are not there or its storage could not be made."""


class Kafka:
    """The part `kafka`, or one of `kafka-1` to `kafka-3`."""

    grace_seconds = 30.0
    patience_seconds = 60.0

    def __init__(
        self,
        layout: Layout,
        name: str = "kafka",
        java_options: Sequence[str] = (),
        security: KafkaSecurity | None = None,
    ) -> None:
        """`java_options` go to the broker's Java alone. Without `security` it is open."""
        self.name = name
        self._layout = layout
        self._node = node_number(name)
        self._java_options = java_options
        self._security = security
        self._data = layout.data(name)
        self._properties = layout.run_dir / f"{name}.properties"
        self._hosts = layout.run_dir / f"{name}.hosts"

    def prepare(self) -> None:
        """Write the broker's properties and format its storage if it is new.

        Raises NoKafka and NotSecured.
        """
        if not self._layout.kafka_jars.is_dir():
            raise NoKafka(f"no jars in {self._layout.kafka_jars}; run `make setup`")
        values = properties(self._layout, self.name, self._security)
        text = "".join(f"{name}={value}\n" for name, value in values.items())
        self._properties.write_text(text, encoding="utf-8")
        if self._layout.proxied:
            self._hosts.write_text(hosts_of(self._layout, self.name), encoding="utf-8")
        if not (self._data / "meta.properties").exists():
            self._format()

    def command(self) -> Command:
        options = (*_HEAP[self._layout.nodes], *self._names(), *self._java_options)
        return java(self._layout, *options, "kafka.Kafka", str(self._properties))

    def _names(self) -> tuple[str, ...]:
        return (f"-Djdk.net.hosts.file={self._hosts}",) if self._layout.proxied else ()

    def trouble(self) -> str | None:
        """Ready is when a client's question for the metadata is answered with this broker."""
        server = f"{self._layout.server_host(self.name)}:{self._layout.ports.of(self.name)}"
        options: dict[str, str | int | float | bool] = {"bootstrap.servers": server}
        if self._security is not None:
            options = self._security.librdkafka(self._layout)
            options["bootstrap.servers"] = f"{HOST}:{self._layout.ports.peers[self._node - 1]}"
        client = AdminClient({**options, "log_level": 0, "client.id": "runner"})
        try:
            known = client.list_topics(timeout=1).brokers
        except KafkaException:
            return "no answer yet"
        return None if self._node in known else "not among the brokers yet"

    def _format(self) -> None:
        format_storage = java(
            self._layout, *self._names(),
            "kafka.tools.StorageTool", "format", "--ignore-formatted",
            "--cluster-id", _cluster_id(self._layout), "--config", str(self._properties),
        )  # fmt: skip
        done = subprocess.run(
            format_storage.arguments,
            env=dict(format_storage.environment),
            cwd=format_storage.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NoKafka(f"formatting Kafka's storage failed:\n{done.stdout}{done.stderr}")


def java(layout: Layout, *arguments: str) -> Command:
    """A program from Kafka's jars: options of Java, the class, its arguments."""
    classes = layout.kafka_classes
    archive = (f"-XX:SharedArchiveFile={classes}",) if classes.exists() else ()
    jars = f"{layout.kafka_jars}/*"
    return Command(
        ("java", *_SMALL, *archive, "-cp", jars, *_LOGGING, *arguments),
        folder=layout.root,
        environment=os.environ,
    )


def properties(
    layout: Layout, name: str, security: KafkaSecurity | None = None
) -> Mapping[str, str]:
    """The settings of one broker."""
    node = node_number(name)
    ports = layout.ports
    voters = (
        f"{number}@{other if layout.proxied else HOST}:{port}"
        for number, (other, port) in enumerate(
            zip(node_names("kafka", layout.nodes), ports.controllers, strict=False), start=1
        )
    )
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "broker.rack": f"rack-{node}",
        "controller.quorum.voters": ",".join(voters),
        "controller.listener.names": "CONTROLLER",
        **_listeners(layout, name, security),
        "log.dirs": str(layout.data(name)),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        # What Kafka keeps for itself has few partitions.
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.num.partitions": "1",
        # A small heap: the cleaner takes 128 MiB of it by default.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        **(_ALONE if layout.nodes == 1 else _REPLICATED),
    }


def _listeners(layout: Layout, name: str, security: KafkaSecurity | None) -> Mapping[str, str]:
    if security is not None:
        return security.properties(layout, name)
    return _apart(layout, name) if layout.proxied else _together(layout, name)


def _together(layout: Layout, name: str) -> Mapping[str, str]:
    """Clients and brokers come to the same listener."""
    client = f"PLAINTEXT://{layout.advertised(name)}"
    controller = layout.ports.controllers[node_number(name) - 1]
    return {
        "listeners": f"{client},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": client,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }


def _apart(layout: Layout, name: str) -> Mapping[str, str]:
    """Listeners for clients and for brokers, each behind its proxies."""
    host, node = layout.server_host(name), node_number(name) - 1
    peers, controller = layout.ports.peers[node], layout.ports.controllers[node]
    return {
        "listeners": f"PLAINTEXT://{host}:{layout.ports.of(name)},"
        f"PEERS://{host}:{peers},CONTROLLER://{host}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{layout.advertised(name)},"
        f"PEERS://{name}:{peers},CONTROLLER://{name}:{controller}",
        "inter.broker.listener.name": "PEERS",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PEERS:PLAINTEXT,"
        "CONTROLLER:PLAINTEXT",
    }


_ALONE = {
    # A broker that was killed is let in again only after the session of its former life.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}
_REPLICATED = {
    # Two cores carry all of it: a broker that is late for some seconds is no dead one.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
    "replica.lag.time.max.ms": "6000",
    # A controller that is cut off, with a question in hand, would be waited for 30 s.
    "controller.socket.timeout.ms": "5000",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}


def _cluster_id(layout: Layout) -> str:
    """The id of this installation's Kafka; whichever node asks first settles it."""
    file = layout.kafka_cluster_id
    draft = file.with_suffix(f".{uuid.uuid4().hex}")
    draft.write_text(_new_cluster_id(), encoding="ascii")
    with contextlib.suppress(FileExistsError):
        file.hardlink_to(draft)
    draft.unlink()
    return file.read_text(encoding="ascii")


def _new_cluster_id() -> str:
    """A random UUID in URL-safe base64, as Kafka's own; never one that looks like an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        if not text.startswith("-"):
            return text
