"""Runs the job that creates the topics, and reads from Kafka with another client."""

from __future__ import annotations

import os
import subprocess
import sys
import time

# ConfigResource is public, but not marked so for type checkers.
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import KafkaException, NewTopic

from deploy.local.layout import PROJECT
from shared.contracts.topics import Topics

DEPUTIES = "civil,crisis"
PATIENCE_SECONDS = 20.0


def run(
    bootstrap: str, prefix: str, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("PEYGIR_")},
        "PEYGIR_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "PEYGIR_KNOWN_DEPUTIES": DEPUTIES,
        "PEYGIR_NAMESPACE": prefix,
        "PEYGIR_ENV": "development",
        **settings,
    }
    return subprocess.run(
        (sys.executable, "-m", "tools.topics", *arguments),
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def topics(prefix: str) -> Topics:
    return Topics(DEPUTIES.split(","), prefix)


def partitions(witness: AdminClient, prefix: str) -> dict[str, int]:
    known = witness.list_topics(timeout=10).topics
    return {name: len(topic.partitions) for name, topic in known.items() if name.startswith(prefix)}


def config(witness: AdminClient, name: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    entries = witness.describe_configs([resource])[resource].result(timeout=10)
    return {entry.name: entry.value for entry in entries.values()}


def create(
    witness: AdminClient, name: str, partitions: int, copies: int = 1, **entries: str
) -> None:
    settings = {key.replace("_", "."): value for key, value in entries.items()}
    topic = NewTopic(name, partitions, copies, config=settings)
    witness.create_topics([topic])[name].result(timeout=10)
    until = time.monotonic() + PATIENCE_SECONDS
    while True:  # the broker answers before it knows the topic itself
        try:
            config(witness, name)
        except KafkaException:
            assert time.monotonic() < until, f"{name} is not known"
        else:
            return
