"""What tests of real processes share: start a service, wait for a condition, read a topic whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from deploy.local.processes import Command, Process, Starter
from shared.contracts.reference import DEPUTIES
from shared.contracts.topics import Topics
from shared.messaging.kafka.connection import plain
from tests.odd_names import batch_builder
from tools.topics.ensure import ensure

T = TypeVar("T")
POLL_SECONDS = 0.02
PARTITIONS = 3


async def eventually(
    condition: Callable[[], Awaitable[T]], seconds: float = 20.0, what: str = "the condition"
) -> T:
    """Ask again until the answer is true; return it. Raises AssertionError after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        answer = await condition()
        if answer:
            return answer
        now = time.monotonic()
        assert now < until, f"{what} was not met in {seconds} s; last: {answer!r}"
        # Asking takes from the machine what the service needs: no more than half of the time.
        await asyncio.sleep(max(POLL_SECONDS, now - asked))


def topics_of(namespace: str) -> Topics:
    """The names of all topics of a test's installation."""
    return Topics((deputy.id for deputy in DEPUTIES), namespace)


def create_topics(cluster: Cluster, namespace: str) -> Topics:
    """Create all topics of a test's installation, as `tools.topics` does."""
    topics = topics_of(namespace)
    with ThreadPoolExecutor(1) as thread:  # where a loop may run already
        made = thread.submit(asyncio.run, ensure(plain(cluster.bootstrap), topics.all(), say=print))
        assert made.result().faults == ()
    return topics


async def create(bootstrap: str, names: list[str]) -> None:
    """Create topics by name alone, cut as those of the project are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    await admin.close()


class Service:
    """A real process of a service, with its HTTP; a context manager that waits for it."""

    def __init__(
        self, name: str, cluster: Cluster, namespace: str, folder: Path, **environment: str
    ) -> None:
        self.name = name
        self.port = _free_port()
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self.environment = {
            "PEYGIR_ENV": "development",
            "PEYGIR_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
            "PEYGIR_MONGODB_URI": cluster.mongodb_uri,
            "PEYGIR_NAMESPACE": namespace,
            "PEYGIR_HTTP_PORT": str(self.port),
            "PEYGIR_LEASE_SECONDS": "1",
            "PEYGIR_SWEEP_SECONDS": "0.1",
            **environment,
        }
        self._log = folder / f"{namespace}-{name}-{self.port}.log"
        self._pid_file = folder / f"{namespace}-{name}-{self.port}.pid"
        self._starter = Starter()
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self._log.read_text(errors="replace")

    def launch(self, **environment: str) -> None:
        """Start it without waiting; `environment` is for this start alone."""
        command = Command(
            (sys.executable, "-m", f"services.{self.name}"),
            PROJECT,
            {**os.environ, **self.environment, **environment},
        )
        self._process = self._starter.start(command, self._log, self._pid_file)

    async def start(self, **environment: str) -> None:
        """Start it and wait until `/readyz` says so."""
        self.launch(**environment)
        await self.ready()

    async def ready(self, seconds: float = 90.0, *, recovered: bool = True) -> None:
        """Wait until `/readyz` answers 200, and until every database has `recovered`.

        A process that was killed in a transaction leaves locks for up to MongoDB's minute. Others
        are served after five seconds then, but the database that they lie in is not.
        """
        last: tuple[int, Mapping[str, Any]] = (0, {})

        async def is_ready() -> bool:
            assert self.process.is_running, (
                f"{self.name}: {self.process.ending}\n{self.log[-3000:]}"
            )
            nonlocal last
            last = await self.readyz()
            status, report = last
            return status == 200 and not (recovered and report["checks"]["recovery"] != "ok")

        try:
            await eventually(is_ready, seconds, f"{self.name} being ready")
        except AssertionError as error:
            error.add_note(f"/readyz answered {last}\n{self.log[-3000:]}")
            raise

    async def reads(self, seconds: float = 30.0) -> None:
        """Wait until it has its partitions: it shows its lag then."""

        async def shows_lag() -> bool:
            return "peygir_consumer_lag{" in (await self.http.get("/metrics")).text

        await eventually(shows_lag, seconds, f"{self.name} having its partitions")

    async def readyz(self) -> tuple[int, Mapping[str, Any]]:
        """What `/readyz` answers; status 0 where nobody answers."""
        try:
            answer = await self.http.get("/readyz")
        except httpx.HTTPError:
            return 0, {}
        return answer.status_code, answer.json()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    async def died(self, seconds: float = 30.0) -> int:
        """Wait until it has ended by itself; return the signal that ended it, negative."""

        async def ended() -> bool:
            return not self.process.is_running

        await eventually(ended, seconds, f"{self.name} ending")
        return -signal.SIGKILL if self.process.ending == "SIGKILL" else 0

    def stop(self) -> bool:
        """SIGTERM; whether it ended within its grace."""
        return self.process.stop(20.0)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(self.log[-20_000:])
        await self.close()

    async def close(self) -> None:
        """End it at once."""
        await self.http.aclose()
        if self._process is not None:
            self._process.kill()
        self._starter.close()

    async def items(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        """Every item of a list, all its pages."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = {"limit": 500, **parameters, **({"cursor": cursor} if cursor else {})}
            answer = await self.http.get(path, params=page)
            assert answer.status_code == 200, answer.text
            items += answer.json()["items"]
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                return items


async def records(cluster: Cluster, *topics: str) -> list[ConsumerRecord[bytes, bytes]]:
    """Everything that stands in topics now, partition by partition, in order."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=cluster.bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(sorted(consumer.assignment()))
        found: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {p: [] for p in ends}
        left = {partition for partition, end in ends.items() if end > 0}
        while left:
            for partition, batch in (await consumer.getmany(timeout_ms=200)).items():
                found[partition] += batch
            for partition in list(left):
                if await consumer.position(partition) >= ends[partition]:
                    left.discard(partition)
        return [record for partition in sorted(found) for record in found[partition]]
    finally:
        await consumer.stop()


class Producer:
    """A client without any code of the project: sends what it is given."""

    def __init__(self, cluster: Cluster) -> None:
        self._producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, acks="all")

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: str,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Send one record and wait until it is acknowledged."""
        await self._producer.send_and_wait(topic, value, key=key.encode(), headers=list(headers))

    async def send_together(
        self, topic: str, records: Sequence[tuple[str, bytes, Sequence[tuple[str, bytes]]]]
    ) -> None:
        """Send keys, values and headers to partition 0 as one batch; a name may be a `Name`."""
        batch = self._producer.create_batch()
        batch._builder = batch_builder()
        for key, value, headers in records:
            batch.append(key=key.encode(), value=value, timestamp=None, headers=list(headers))
        await (await self._producer.send_batch(batch, topic, partition=0))

    async def event(
        self,
        topic: str,
        type_: str,
        data: Mapping[str, Any],
        *,
        key: str,
        id_: str,
        source: str = "/foreign",
    ) -> None:
        """Send an event in binary mode with the four attributes that are asked of outsiders."""
        await self.send(
            topic, json.dumps(data).encode(), key=key, headers=binary(type_, id_, source)
        )


def binary(type_: str, id_: str, source: str = "/foreign") -> list[tuple[str, bytes]]:
    """The four required attributes as headers."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", id_.encode()),
        ("ce_source", source.encode()),
        ("ce_type", f"peygir.{type_}.v1".encode()),
    ]


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
