"""`python -m tests.bench.latency`: from an event's being sent to its effect's being readable.

Approvals are sent at a steady rate while a change stream tells by MongoDB's own clock, which is
this machine's, when each follow-up was committed; the same for a bare produce-consume-insert, which
promises nothing. The clock's steps are of a millisecond.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import typer
from confluent_kafka import Producer
from pymongo import MongoClient
from rich.console import Console
from rich.table import Table

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from tests.bench.events import approvals, produce
from tests.bench.screen import on_a_cluster
from tests.bench.sides import a_name, bare_loop, followups
from tests.component.harness import create

_console = Console()

RATES: Final = (10, 100, 1_000)  # events a second
_GRACE_SECONDS: Final = 30.0

Place: TypeAlias = tuple[str, str]
"""The topic to send to, and the database whose `followups` to watch."""

Side: TypeAlias = Callable[[Cluster, Path], AbstractAsyncContextManager[Place]]


class Watcher:
    """Notes by a change stream when each follow-up was committed."""

    def __init__(self, uri: str, database: str) -> None:
        self.seen: dict[str, float] = {}  # Unix second by resolution id
        self._client: MongoClient[Mapping[str, Any]] = MongoClient(
            uri, directConnection=True, tz_aware=True
        )
        self._stream = self._client[database]["followups"].watch(
            [
                {"$match": {"operationType": "insert"}},
                {"$project": {"wallTime": 1, "fullDocument.resolution_id": 1}},
            ],
            max_await_time_ms=100,
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._rollback, daemon=True)
        self._thread.start()

    def _rollback(self) -> None:
        while not self._over.is_set():
            change = self._stream.try_next()
            if change is not None:
                id_ = change["fullDocument"]["resolution_id"]
                self.seen[id_] = change["wallTime"].timestamp()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._stream.close()
        self._client.close()


def send_steadily(bootstrap: str, topic: str, rate: int, seconds: float) -> dict[str, float]:
    """Send approvals at a rate; return the Unix second of each by resolution id."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "acks": "all"})
    events = approvals(int(rate * seconds))
    sent: dict[str, float] = {}
    begun = time.monotonic()
    for number, (key, value) in enumerate(events):
        while (left := begun + number / rate - time.monotonic()) > 0:
            producer.poll(left)
        sent[key.decode()] = time.time()
        produce(producer, topic, key, value)
    producer.flush()
    return sent


@asynccontextmanager
async def ours(cluster: Cluster, folder: Path) -> AsyncIterator[Place]:
    """The service `followups`, whole."""
    async with followups(cluster, folder, [{}]) as namespace:
        yield Topics(("civil",), namespace).resolutions("civil"), f"{namespace}followups_civil"


@asynccontextmanager
async def bare(cluster: Cluster, folder: Path) -> AsyncIterator[Place]:
    """A loop that inserts each batch and commits its offsets; no event, no relay."""
    name = a_name()
    await create(cluster.bootstrap, [name])
    async with bare_loop(cluster, folder, name, target=""):
        yield name, name


SIDES: Final[Mapping[str, Side]] = {"followups": ours, "bare produce-consume-insert": bare}


async def latencies(cluster: Cluster, place: Place, rate: int, seconds: float) -> list[float]:
    """Milliseconds from sending to reading, sorted."""
    topic, database = place
    watcher = await asyncio.to_thread(Watcher, cluster.mongodb_uri, database)
    try:
        await asyncio.to_thread(send_steadily, cluster.bootstrap, topic, rate, 1.0)  # warms up
        sent = await asyncio.to_thread(send_steadily, cluster.bootstrap, topic, rate, seconds)
        until = time.monotonic() + _GRACE_SECONDS
        while not watcher.seen.keys() >= sent.keys():
            if time.monotonic() > until:
                lost = len(sent.keys() - watcher.seen.keys())
                raise TimeoutError(f"{lost} of {len(sent)} never became readable")
            await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(watcher.close)
    return sorted(1_000 * (watcher.seen[id_] - at) for id_, at in sent.items())


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that this share does not exceed (nearest rank)."""
    return ordered[math.ceil(len(ordered) * share) - 1]


async def compare(
    rounds: int, seconds: float, folder: Path
) -> Mapping[tuple[str, int], list[float]]:
    """All latencies in ms by side and rate, sorted; the sides take turns."""
    found: dict[tuple[str, int], list[float]] = {(s, r): [] for s in SIDES for r in RATES}
    with on_a_cluster(folder, _console) as (cluster, progress):
        task = progress.add_task("", total=rounds * len(found))
        for number in range(rounds):
            for name in sorted(SIDES, reverse=bool(number % 2)):
                async with SIDES[name](cluster, folder) as place:
                    for rate in RATES:
                        told = f"round {number + 1} of {rounds}: {name}, {rate:,}/s"
                        progress.update(task, description=told)
                        found[name, rate] += await latencies(cluster, place, rate, seconds)
                        progress.advance(task)
    return {key: sorted(values) for key, values in found.items()}


def main(
    rounds: Annotated[int, typer.Option(help="Rounds; each side and rate once a round.")] = 5,
    seconds: Annotated[float, typer.Option(help="How long events are sent at a rate.")] = 10,
) -> None:
    """Measure from an event's being sent to its follow-up's being readable, at three rates."""
    with tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder:
        found = asyncio.run(compare(rounds, seconds, Path(folder)))
    table = Table(title="From sending to reading, ms")
    for head in ("", "events/s", "p50", "p99", "most"):
        table.add_column(head, justify="right" if head else "left")
    for rate in RATES:
        for name in SIDES:
            ordered = found[name, rate]
            figures = (percentile(ordered, 0.5), percentile(ordered, 0.99), ordered[-1])
            table.add_row(name, f"{rate:,}", *(f"{figure:.1f}" for figure in figures))
        over = [percentile(found[name, rate], 0.99) for name in SIDES]
        table.add_row(
            "p99 over the bare one", "", "", f"{over[0] - over[1]:+.1f}", "", style="bold"
        )
        table.add_section()
    _console.print(table)


if __name__ == "__main__":
    typer.run(main)
