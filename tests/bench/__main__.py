"""`python -m tests.bench`: how fast approvals become follow-ups, against a bare loop, in one run.

A round floods each side, in turn, with the same events while its process runs, and takes the time
from the first event sent to the last FollowupOpened in Kafka. Figures of one machine wander; the
ratio of a round is the figure.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT, local_dir
from deploy.local.processes import Command, Starter
from shared.contracts.topics import Topics
from tests.component.harness import Service

PARTITIONS = 3
_console = Console()


def approvals(count: int) -> list[tuple[bytes, bytes]]:
    """Keys and values of distinct approvals, some 450 bytes each."""
    text = "تکمیل و بهره‌برداری از طرح آبرسانی روستاهای بخش مرکزی تا پایان سال جاری. " * 2
    events = []
    for n in range(count):
        id_ = f"{uuid.uuid4()}"
        data = {
            "resolution_id": id_,
            "deputy": "civil",
            "title": f"طرح شماره {n}",
            "approved_at": "2026-11-01T06:30:00Z",
            "due_on": "2030-01-01",
            "session_id": "1402-IR-09",
            "province": "IR-09",
            "axis": "civil-infrastructure",
            "text": text,
        }
        events.append((id_.encode(), json.dumps(data, ensure_ascii=False).encode()))
    return events


def flood(bootstrap: str, topic: str, events: list[tuple[bytes, bytes]]) -> None:
    """Send all with a C client, so that sending is not what is measured."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all"})
    heads: list[tuple[str, str | bytes | None]] = [
        ("ce_specversion", b"1.0"),
        ("ce_source", b"/bench"),
    ]
    for key, value in events:
        named = [*heads, ("ce_id", key), ("ce_type", b"peygir.ResolutionApproved.v1")]
        while True:
            try:
                producer.produce(topic, value, key, headers=named)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()


async def until_out(bootstrap: str, topic: str, count: int) -> None:
    """Return when so many records stand in a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        while sum((await consumer.end_offsets(partitions)).values()) < count:
            await asyncio.sleep(0.02)
    finally:
        await consumer.stop()


async def create(bootstrap: str, names: list[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    await admin.close()


async def rate_of_peygir(
    cluster: Cluster, folder: Path, events: list[tuple[bytes, bytes]]
) -> float:
    """Events a second of the service `followups`."""
    namespace = f"b{uuid.uuid4().hex[:8]}"
    cluster.create_topics({"PEYGIR_NAMESPACE": namespace})
    topics = Topics(("civil",), namespace)
    settings = {"PEYGIR_DEPUTIES": "civil", "PEYGIR_LEASE_SECONDS": "5"}
    async with Service("followups", cluster, namespace, folder, **settings) as service:
        await caught_up(service)
        begun = time.monotonic()
        flooding = asyncio.to_thread(flood, cluster.bootstrap, topics.resolutions("civil"), events)
        await asyncio.gather(
            flooding, until_out(cluster.bootstrap, topics.followups("civil"), len(events))
        )
        return len(events) / (time.monotonic() - begun)


async def caught_up(service: Service) -> None:
    """Wait until the consumer has its partitions: it shows its lag then."""
    while "peygir_consumer_lag{" not in (await service.http.get("/metrics")).text:
        await asyncio.sleep(0.05)


async def rate_of_bare(cluster: Cluster, folder: Path, events: list[tuple[bytes, bytes]]) -> float:
    """Events a second of the bare loop."""
    name = f"b{uuid.uuid4().hex[:8]}"
    source, target = f"{name}.in", f"{name}.out"
    await create(cluster.bootstrap, [source, target])
    environment = {
        **os.environ,
        "BARE_BOOTSTRAP": cluster.bootstrap,
        "BARE_MONGODB_URI": cluster.mongodb_uri,
        "BARE_DATABASE": name,
        "BARE_IN": source,
        "BARE_OUT": target,
    }
    with running(folder, name, environment) as log:
        while "ready" not in log.read_text():
            await asyncio.sleep(0.05)
        begun = time.monotonic()
        await asyncio.gather(
            asyncio.to_thread(flood, cluster.bootstrap, source, events),
            until_out(cluster.bootstrap, target, len(events)),
        )
        return len(events) / (time.monotonic() - begun)


@contextmanager
def running(folder: Path, name: str, environment: dict[str, str]) -> Iterator[Path]:
    """The bare loop as a process."""
    command = Command((sys.executable, "-m", "tests.bench.bare"), PROJECT, environment)
    log = folder / f"{name}.log"
    with Starter() as starter:
        process = starter.start(command, log, folder / f"{name}.pid")
        try:
            yield log
        finally:
            process.kill()


async def compare(rounds: int, count: int, folder: Path) -> list[tuple[float, float]]:
    """The rates of both sides, round by round, on one cluster."""
    results = []
    with Cluster(folder / "cluster", local_dir(os.environ) / "cache") as cluster:
        for number in range(rounds):
            events = approvals(count)
            sides = [rate_of_peygir, rate_of_bare]
            if number % 2:  # who goes first takes turns
                sides.reverse()
            rates = {side: await side(cluster, folder, events) for side in sides}
            results.append((rates[rate_of_peygir], rates[rate_of_bare]))
            ours, bare = results[-1]
            _console.print(
                f"round {number + 1} of {rounds}: {ours:,.0f}/s against {bare:,.0f}/s, "
                f"ratio {ours / bare:.2f}"
            )
    return results


def main(
    rounds: Annotated[int, typer.Option(help="Rounds; each side once a round.")] = 5,
    events: Annotated[int, typer.Option(help="Events a round and side.")] = 40_000,
) -> None:
    """Measure ingest: event in Kafka to follow-up in MongoDB with FollowupOpened in Kafka."""
    with tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder:
        results = asyncio.run(compare(rounds, events, Path(folder)))
    ratios = [ours / bare for ours, bare in results]
    table = Table(title="Ingest: event in Kafka → follow-up in MongoDB and FollowupOpened in Kafka")
    for name in ("", "median events/s", "least", "most"):
        table.add_column(name, justify="left" if not name else "right")
    for name, rates in (
        ("followups", [ours for ours, _ in results]),
        ("bare aiokafka + pydantic + motor", [bare for _, bare in results]),
    ):
        table.add_row(name, *(f"{f(rates):,.0f}" for f in (statistics.median, min, max)))
    spread = [statistics.median(ratios), min(ratios), max(ratios)]
    table.add_row("ratio", *(f"{ratio:.2f}" for ratio in spread), style="bold")
    _console.print(table)


if __name__ == "__main__":
    typer.run(main)
