"""`python -m tests.bench.secured`: what TLS, logins and signatures cost ingest, in one run.

One broker is open and one is secured, each with its own mongod. A round floods the service on each
in turn; the ratios of a round are the figure.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from deploy.local.cluster import Cluster
from deploy.local.kafka_security import KafkaSecurity
from deploy.local.layout import local_dir
from shared.contracts.topics import Topics
from shared.messaging.kafka.connection import KafkaConnection, plain
from shared.runtime.signatures import signature
from tests.access.kafka.house import House
from tests.bench.events import approvals
from tests.bench.sides import a_name, followups
from tests.bench.turns import SPREAD
from tests.component.harness import PARTITIONS

_console = Console()

_PATIENCE_SECONDS: Final = 300.0
_SOURCE: Final = "/tracker"
_UNLIMITED: Final = """
[integrator]  # the flood is not what is measured
producer_byte_rate = 1_000_000_000
consumer_byte_rate = 1_000_000_000
request_percentage = 1_000
"""

Sent = tuple[bytes, bytes, list[tuple[str, bytes]]]


def events_of(count: int, house: House) -> list[Sent]:
    """Approvals of an integrator, each signed."""
    made: list[Sent] = []
    for key, value in approvals(count):
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", key),
            ("ce_source", _SOURCE.encode()),
            ("ce_type", b"peygir.ResolutionApproved.v1"),
        ]
        headers.append(signature(house.keys["tracker"], key, headers, value))
        made.append((key, value, headers))
    return made


def flood(options: Mapping[str, Any], topic: str, events: Sequence[Sent]) -> None:
    """Send all with a C client."""
    producer = Producer({**options, "linger.ms": 5, "acks": "all"})
    for key, value, headers in events:
        while True:
            try:
                producer.produce(topic, value, key, headers=list(headers))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()


async def until_out(connection: KafkaConnection, topic: str, count: int) -> None:
    """Return when so many records stand in a topic."""
    consumer = AIOKafkaConsumer(**connection.options(), group_id=None)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        while sum((await consumer.end_offsets(partitions)).values()) < count:
            await asyncio.sleep(0.05)
    finally:
        await consumer.stop()


async def rate(
    options: Mapping[str, Any],
    connection: KafkaConnection,
    topics: Topics,
    events: Sequence[Sent],
) -> float:
    """Events a second, from the first one sent to the last effect; half of them warm it up."""
    half = len(events) // 2
    source, out = topics.resolutions("civil"), topics.followups("civil")
    await asyncio.to_thread(flood, options, source, events[:half])
    await asyncio.wait_for(until_out(connection, out, half), _PATIENCE_SECONDS)
    begun = time.monotonic()
    await asyncio.gather(
        asyncio.to_thread(flood, options, source, events[half:]),
        asyncio.wait_for(until_out(connection, out, len(events)), _PATIENCE_SECONDS),
    )
    return (len(events) - half) / (time.monotonic() - begun)


async def open_side(cluster: Cluster, folder: Path, events: Sequence[Sent]) -> float:
    """Plain text, everybody believed."""
    async with followups(cluster, folder, [{}]) as namespace:
        options = {"bootstrap.servers": cluster.bootstrap}
        topics = Topics(("civil",), namespace)
        return await rate(options, plain(cluster.bootstrap), topics, events)


async def secured_side(house: House, events: Sequence[Sent], *, sources: str) -> float:
    """TLS and SCRAM; with or without signatures."""
    options = house.librdkafka("integrator-tracker")
    more = {
        "PEYGIR_DEPUTIES": "civil",
        "PEYGIR_LEASE_SECONDS": "5",
        "PEYGIR_EVENT_SOURCES": sources,
    }
    async with house.service("followups", "followups-civil", **more) as service:
        await service.reads()
        connection = house.connection("integrator-tracker")
        return await rate(options, connection, house.topics, events)


def _house(cluster: Cluster, security: KafkaSecurity, folder: Path, like: House | None) -> House:
    """A fresh installation; `like` gives its integrators' keys, so that events stay signed."""
    made = House(cluster, security, a_name(), folder)
    if like is not None:
        made.keys.update(like.keys)
        made.write_integrators()
    made.quotas.write_text(_UNLIMITED)
    granted = made.access("--secrets", str(made.secrets))
    assert granted.code == 0, granted.err
    created = made.tool("topics", "tools.topics", PEYGIR_REPLICATION_FACTOR="1")
    assert created.code == 0, created.err
    return made


async def compare(rounds: int, count: int, folder: Path) -> list[dict[str, float]]:
    """The rates of all sides, round by round."""
    cache = local_dir(os.environ) / "cache"
    security = KafkaSecurity(folder / "certificates")
    results: list[dict[str, float]] = []
    with ExitStack() as stack:
        plain_one = stack.enter_context(Cluster(folder / "plain", cache))
        secured = stack.enter_context(Cluster(folder / "secured", cache, kafka_security=security))
        first = _house(secured, security, folder / "house", None)
        for number in range(rounds):
            events = events_of(2 * count, first)
            rates = {"plain": await open_side(plain_one, folder, events)}
            for name, sources in (("TLS and SASL", "open"), ("and signatures", "signed")):
                house = _house(secured, security, folder / "house", first)
                rates[name] = await secured_side(house, events, sources=sources)
            results.append(rates)
            told = ", ".join(f"{name} {rates[name]:,.0f}/s" for name in rates)
            _console.print(f"round {number + 1} of {rounds}: {told}")
    return results


def main(
    rounds: Annotated[int, typer.Option(help="Rounds; each side once a round.")] = 5,
    events: Annotated[int, typer.Option(help="Events a round and side.")] = 10_000,
    output: Annotated[Path | None, typer.Option(help="A JSON file for the rounds.")] = None,
) -> None:
    """Measure what TLS, logins and signatures cost ingest."""
    with tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder:
        results = asyncio.run(compare(rounds, events, Path(folder)))
    table = Table(title="Ingest on an open and on a secured Kafka")
    for head in ("", "median", "least", "most"):
        table.add_column(head, justify="right" if head else "left")
    for name in results[0]:
        figures = [rates[name] for rates in results]
        table.add_row(f"{name}, events/s", *(f"{f(figures):,.0f}" for f in SPREAD))
    for name in list(results[0])[1:]:
        ratios = [rates[name] / rates["plain"] for rates in results]
        table.add_row(f"{name} : plain", *(f"{f(ratios):.2f}" for f in SPREAD), style="bold")
    _console.print(table)
    if output is not None:
        output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
