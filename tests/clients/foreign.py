"""Clients of other makers. Nothing of this project is in them: only Kafka and bytes."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

_SECONDS = 20
_SCRIPT = Path(__file__).with_name("publish.mjs")
_SDK_SCRIPT = Path(__file__).with_name("event.mjs")
_KAFKAJS: Final = "2.2.4"
_SDK: Final = "9.0.0"
_PACKAGES: Final = {"nodejs": "node", "npm": "npm"}  # what brings which command

Headers: TypeAlias = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to publish."""

    key: str
    value: bytes | None
    headers: Headers


class Client(Protocol):
    """A client that publishes."""

    async def publish(self, topic: str, *records: Outgoing) -> list[float]:
        """Publish one after the other; return when (Unix time) each set out."""
        ...


class Confluent:
    """librdkafka, by way of confluent-kafka."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def publish(self, topic: str, *records: Outgoing) -> list[float]:
        return await asyncio.to_thread(self._publish, topic, records)

    def _publish(self, topic: str, records: Sequence[Outgoing]) -> list[float]:
        refused: list[KafkaError] = []

        def heard(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(error)

        producer = Producer({"bootstrap.servers": self._bootstrap, "acks": "all", "linger.ms": 0})
        sent_at = []
        for record in records:
            sent_at.append(time.time())
            producer.produce(
                topic,
                key=record.key,
                value=record.value,
                headers=list(record.headers),
                on_delivery=heard,
            )
            assert producer.flush(_SECONDS) == 0
        assert not refused
        return sent_at


class KafkaJs:
    """kafkajs, on Node."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        """`folder`: where kafkajs is installed."""
        self._bootstrap = bootstrap
        self._folder = folder

    async def publish(self, topic: str, *records: Outgoing) -> list[float]:
        job = {
            "client": str(self._folder),
            "brokers": [self._bootstrap],
            "topic": topic,
            "records": [
                {
                    "key": record.key,
                    "value": None if record.value is None else _text(record.value),
                    "headers": [[name, _text(value)] for name, value in record.headers],
                }
                for record in records
            ],
        }
        return [moment / 1000 for moment in await _answer(_SCRIPT, job)]


def install_kafkajs(folder: Path) -> None:
    """Install kafkajs into a folder where that version is not there yet; see `_install`."""
    _install("kafkajs", _KAFKAJS, folder)


def install_sdk(folder: Path) -> None:
    """Install CloudEvents' own SDK for JavaScript; see `_install`."""
    _install("cloudevents", _SDK, folder)


async def by_sdk(folder: Path, mode: Literal["binary", "structured"], **event: Any) -> Outgoing:
    """An event as that SDK, installed in a folder, writes it; its key is its subject."""
    job = {"sdk": str(folder), "mode": mode, "event": event}
    record = await _answer(_SDK_SCRIPT, job)
    headers = [(name, base64.b64decode(value)) for name, value in record["headers"]]
    return Outgoing(event["subject"], base64.b64decode(record["value"]), headers)


async def _answer(script: Path, job: dict[str, Any]) -> Any:
    """What a script says to a job."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(script),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, wrong = await process.communicate(json.dumps(job).encode())
    assert process.returncode == 0, wrong.decode(errors="replace")
    return json.loads(told)


def _install(name: str, version: str, folder: Path) -> None:
    """Install a package of npm into a folder where that version is not there yet.

    Fails the test in one line where Node or npm is missing: without them nobody has asked.
    """
    missing = [package for package, tool in _PACKAGES.items() if shutil.which(tool) is None]
    if missing:
        told = f"missing: {', '.join(missing)}. Install with: apt-get install -y"
        pytest.fail(f"{told} {' '.join(missing)}", pytrace=False)
    described = folder / "node_modules" / name / "package.json"
    if described.exists() and json.loads(described.read_bytes())["version"] == version:
        return
    folder.mkdir(parents=True, exist_ok=True)
    install = ("install", "--no-package-lock", "--no-save", "--no-audit", "--no-fund")
    done = subprocess.run(
        ["npm", *install, "--prefix", str(folder), f"{name}@{version}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def read_all(bootstrap: str, topic: str) -> list[Message]:
    """Everything that stands in a topic now, partition by partition (confluent-kafka)."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "foreign-reader"})
    try:
        known = consumer.list_topics(topic, timeout=_SECONDS).topics[topic].partitions
        found: list[Message] = []
        for number in sorted(known):
            place = TopicPartition(topic, number, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=_SECONDS)
            consumer.assign([place])
            left = end
            while left:
                message = consumer.poll(_SECONDS)
                assert message is not None, f"{left} records of {place} did not come"
                assert message.error() is None, message.error()
                found.append(message)
                left -= 1
        return found
    finally:
        consumer.close()


def headers_of(message: Message) -> list[tuple[str, Any]]:
    """The headers of a record, in order."""
    headers = message.headers() or []
    assert isinstance(headers, list)
    return headers


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
