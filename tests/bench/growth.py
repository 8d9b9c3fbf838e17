"""`python -m tests.bench.growth`: whether approvals are taken as fast where millions are stored.

Two installations on one Kafka and one MongoDB, of which one deputy's database holds few and the
other one's many. In each turn the service of one of them is started and flooded with new approvals;
the other one does not run. Time is taken from the first event sent to the last effect.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.runtime import mongo
from tests.bench.events import approvals, until_out
from tests.bench.lives import stock
from tests.bench.screen import CacheGb, on_a_cluster
from tests.bench.sides import Events, timed
from tests.bench.stored import fill
from tests.bench.turns import compared, save, serving
from tests.component.harness import PARTITIONS

_console = Console()

_TARGET: Final = 0.8  # at least


async def ingest(cluster: Cluster, folder: Path, namespace: str, events: Events) -> float:
    """Events a second."""
    topics = Topics(("civil",), namespace)
    source, target = topics.resolutions("civil"), topics.followups("civil")
    async with serving(cluster, folder, namespace, "civil"):
        await until_all_is_out(cluster.mongodb_uri, namespace)
        before = await published(cluster.bootstrap, target)
        until = until_out(cluster.bootstrap, target, before + len(events))
        return await timed(cluster, source, until, events)


async def until_all_is_out(uri: str, namespace: str) -> None:
    """Return when nothing is left to publish of what was taken before.

    What the service of an earlier turn had sent and not marked yet goes out once more.
    """
    client = mongo.connect(uri, app="bench")
    commits = mongo.database(client, f"{namespace}followups_civil")["commits"]
    while await commits.find_one({"pending": True}, {"_id": 1}) is not None:
        await asyncio.sleep(0.05)
    client.close()


async def published(bootstrap: str, topic: str) -> int:
    """How many records stand in a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return sum((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()


async def compare(
    sizes: tuple[int, int], count: int, rounds: int, folder: Path, cache_gb: float
) -> list[dict[str, float]]:
    """Rates by how many are stored, round by round; the sides take turns.

    A first turn of each is not counted.
    """
    results: list[dict[str, float]] = []
    with on_a_cluster(folder, _console, cache_gb) as (cluster, progress):
        for size in sizes:
            cluster.create_topics({"PEYGIR_NAMESPACE": f"b{size}"})
            await fill(cluster.mongodb_uri, f"b{size}", "civil", stock(size), progress)
        for size in sizes:
            await ingest(cluster, folder, f"b{size}", approvals(count))
        task = progress.add_task("", total=rounds * len(sizes))
        for number in range(rounds):
            rates: dict[int, float] = {}
            for size in sorted(sizes, reverse=bool(number % 2)):
                told = f"round {number + 1} of {rounds}: {side(size)}"
                progress.update(task, description=told)
                rates[size] = await ingest(cluster, folder, f"b{size}", approvals(count))
                progress.advance(task)
            results.append({side(size): rates[size] for size in sizes})
    return results


def side(size: int) -> str:
    """What a side is called."""
    return f"{size:,} stored"


def main(
    small: Annotated[int, typer.Option(help="Stored on one side.")] = 100_000,
    large: Annotated[int, typer.Option(help="And on the other side.")] = 5_000_000,
    events: Annotated[int, typer.Option(help="Events a round and side.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="Rounds; each side once a round.")] = 5,
    cache_gb: CacheGb = 4.0,
    output: Annotated[Path | None, typer.Option(help="A JSON file for the figures.")] = None,
) -> None:
    """Measure ingest into a database that holds few, and into one that holds many."""
    with tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder:
        results = asyncio.run(compare((small, large), events, rounds, Path(folder), cache_gb))
    _console.print(compared("Ingest, events/s", results, side(large), side(small), ",.0f"))
    _console.print(f"aim: with {side(large)} at least {_TARGET} times as fast")
    save(
        output,
        bench="growth",
        unit="events/s",
        events=events,
        small=small,
        large=large,
        rounds=[{"small": r[side(small)], "large": r[side(large)]} for r in results],
        ratios=[rates[side(large)] / rates[side(small)] for rates in results],
        at_least=_TARGET,
    )


if __name__ == "__main__":
    typer.run(main)
