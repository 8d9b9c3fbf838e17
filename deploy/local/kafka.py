"""Kafka in KRaft mode: one node that is broker and controller, started from its Maven jars.

Durability here: a record is acknowledged once it is in the log of the one replica, that is in the
kernel's page cache. It outlives the death of the process, SIGKILL included, but not the power of
the machine: Kafka relies on replicas for that, and so do the manifests for production. Setting
`log.flush.interval.messages=1` would trade most of the throughput for it.
"""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from collections.abc import Sequence

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local.layout import HOST, Layout
from deploy.local.processes import Command

# One compiler: the second costs an installation of some minutes more than it brings.
_SMALL = ("-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:TieredStopAtLevel=1")
_HEAP = ("-Xms256m", "-Xmx512m")
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)


class NoKafka(Exception):
    """Kafka's jars are not there or its storage could not be made."""


class Kafka:
    """The part `kafka`."""

    name = "kafka"
    grace_seconds = 30.0
    patience_seconds = 60.0

    def __init__(self, layout: Layout, java_options: Sequence[str] = ()) -> None:
        """`java_options` go to the broker's Java alone."""
        self._layout = layout
        self._java_options = java_options
        self._data = layout.data("kafka")
        self._properties = layout.run_dir / "kafka.properties"

    def prepare(self) -> None:
        """Write the broker's properties and format its storage if it is new.

        Raises NoKafka.
        """
        if not self._layout.kafka_jars.is_dir():
            raise NoKafka(f"no jars in {self._layout.kafka_jars}; run `make setup`")
        self._properties.write_text(self._text(), encoding="utf-8")
        if not (self._data / "meta.properties").exists():
            self._format()

    def command(self) -> Command:
        return self._java(
            *_HEAP, *_LOGGING, *self._java_options, "kafka.Kafka", str(self._properties)
        )

    def trouble(self) -> str | None:
        """Ready is when a client's question for the metadata is answered with a broker."""
        client = AdminClient(
            {"bootstrap.servers": self._layout.bootstrap, "log_level": 0, "client.id": "runner"}
        )
        try:
            known = client.list_topics(timeout=1).brokers
        except KafkaException:
            return "no answer yet"
        return None if known else "no broker yet"

    def _format(self) -> None:
        format_storage = self._java(
            *_LOGGING, "kafka.tools.StorageTool", "format", "--ignore-formatted",
            "--cluster-id", _new_cluster_id(), "--config", str(self._properties),
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

    def _java(self, *arguments: str) -> Command:
        jars = f"{self._layout.kafka_jars}/*"
        classes = self._layout.kafka_classes
        archive = (f"-XX:SharedArchiveFile={classes}",) if classes.exists() else ()
        return Command(
            ("java", *_SMALL, *archive, "-cp", jars, *arguments),
            folder=self._layout.root,
            environment=os.environ,
        )

    def _text(self) -> str:
        ports = self._layout.ports
        values = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{ports.kafka_controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{ports.kafka},"
            f"CONTROLLER://{HOST}:{ports.kafka_controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{ports.kafka}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._data),
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            # A broker that was killed is let in again only after the session of its former life.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # One node: what Kafka keeps for itself has one replica and few partitions.
            "offsets.topic.num.partitions": "5",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "5",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # A small heap: the cleaner takes 128 MiB of it by default.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())


def _new_cluster_id() -> str:
    """A random UUID in URL-safe base64, as Kafka's own; never one that looks like an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        if not text.startswith("-"):
            return text
