"""`python -m tests.bench.isolation`: what one deputy feels of a flood that is another one's.

Approvals come to `social` at a steady rate, and it is watched when each was committed, while a
flood is worked on: by the service of `civil`, a process of its own, or else by the bare loop, into
a database that is none of ours. In both the machine, Kafka and MongoDB are shared, and both of the
services run; the rest of the difference is ours.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer
from confluent_kafka import Producer
from rich.console import Console

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.runtime import mongo
from tests.bench.events import approvals, flood, produce
from tests.bench.latency import Place, Watcher, percentile
from tests.bench.screen import on_a_cluster
from tests.bench.sides import Events, a_name, bare_loop
from tests.bench.turns import compared, save, serving
from tests.component.harness import create

_console = Console()

_TARGET: Final = 1.5  # at most
_WARM_SECONDS: Final = 2.0
_GRACE_SECONDS: Final = 120.0
_OURS: Final = "flood of another deputy"
_FOREIGN: Final = "flood of a stranger"

Side: TypeAlias = Callable[[Cluster, Path, str], AbstractAsyncContextManager[Place]]
"""Gives the topic to flood and the database in whose `followups` the flood arrives."""


@asynccontextmanager
async def ours(_: Cluster, __: Path, namespace: str) -> AsyncIterator[Place]:
    """The deputy `civil`, whose service runs in any case."""
    yield Topics(("civil",), namespace).resolutions("civil"), f"{namespace}followups_civil"


@asynccontextmanager
async def foreign(cluster: Cluster, folder: Path, namespace: str) -> AsyncIterator[Place]:
    """The bare loop, which inserts what it reads; no event, no relay."""
    name = f"{namespace}bare"
    await create(cluster.bootstrap, [name])
    async with bare_loop(cluster, folder, name, target=""):
        yield name, name


SIDES: Final[Mapping[str, Side]] = {_OURS: ours, _FOREIGN: foreign}


class Steady:
    """Sends approvals at a steady rate until it is told to stop, in a thread of its own."""

    def __init__(self, bootstrap: str, topic: str, rate: int) -> None:
        self.sent: dict[str, float] = {}  # Unix second by resolution id
        self._bootstrap, self._topic, self._rate = bootstrap, topic, rate
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        settings: Mapping[str, str | int] = {
            "bootstrap.servers": self._bootstrap, "linger.ms": 0, "acks": "all",
        }  # fmt: skip
        producer = Producer(dict(settings))
        begun = time.monotonic()
        while not self._over.is_set():
            if (left := begun + len(self.sent) / self._rate - time.monotonic()) > 0:
                producer.poll(left)
                continue
            ((key, value),) = approvals(1)
            own = value.replace(b'"deputy": "civil"', b'"deputy": "social"')
            self.sent[key.decode()] = time.time()
            produce(producer, self._topic, key, own)
        producer.flush()

    def stop(self) -> None:
        """Return when the last one is acknowledged."""
        self._over.set()
        self._thread.join()


@dataclass(frozen=True, slots=True)
class Felt:
    """What was felt of one flood."""

    latencies: list[float]  # ms from sending to commit, sorted
    seconds: float  # that the flood was worked on while it was watched
    worked_on: int  # events of the flood that were stored meanwhile

    @property
    def p99(self) -> float:
        return percentile(self.latencies, 0.99)


async def feel(
    cluster: Cluster, folder: Path, side: Side, events: Events, rate: int, seconds: float
) -> Felt:
    """Watch `social` until the flood is through, or for so many seconds."""
    namespace = a_name()
    cluster.create_topics({"PEYGIR_NAMESPACE": namespace})
    topic = Topics(("social",), namespace).resolutions("social")
    async with (
        serving(cluster, folder, namespace, "civil"),
        serving(cluster, folder, namespace, "social"),
        side(cluster, folder, namespace) as (flooded, database),
    ):
        own = f"{namespace}followups_social"
        watcher = await asyncio.to_thread(Watcher, cluster.mongodb_uri, own)
        steady = Steady(cluster.bootstrap, topic, rate)
        try:
            await _until(lambda: len(watcher.seen) >= rate * _WARM_SECONDS)
            begun = time.time()
            sending = asyncio.create_task(
                asyncio.to_thread(flood, cluster.bootstrap, flooded, events)
            )
            worked_on = await until_through(cluster.mongodb_uri, database, len(events), seconds)
            ended = time.time()
            await asyncio.to_thread(steady.stop)
            await sending
            sent = {id_: at for id_, at in steady.sent.items() if begun <= at <= ended}
            await _until(lambda: watcher.seen.keys() >= sent.keys())
        finally:
            await asyncio.to_thread(steady.stop)
            await asyncio.to_thread(watcher.close)
    await _forget(cluster.mongodb_uri, own, database)
    latencies = sorted(round(1_000 * (watcher.seen[id_] - at), 1) for id_, at in sent.items())
    return Felt(latencies, ended - begun, worked_on)


async def until_through(uri: str, database: str, count: int, seconds: float) -> int:
    """Return how many of a flood are stored when all are, or after so many seconds."""
    client = mongo.connect(uri, app="bench")
    stored = mongo.database(client, database)["followups"]
    until = time.monotonic() + seconds
    while (found := await stored.estimated_document_count()) < count and time.monotonic() < until:
        await asyncio.sleep(0.1)
    client.close()
    return found


async def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _GRACE_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"what was sent did not become readable in {_GRACE_SECONDS} s")
        await asyncio.sleep(0.05)


async def _forget(uri: str, *databases: str) -> None:
    client = mongo.connect(uri, app="bench")
    for name in databases:
        await client.drop_database(name)
    client.close()


async def compare(
    count: int, rate: int, seconds: float, rounds: int, folder: Path
) -> list[dict[str, Felt]]:
    """What is felt by side, round by round; the sides take turns."""
    results: list[dict[str, Felt]] = []
    with on_a_cluster(folder, _console) as (cluster, progress):
        task = progress.add_task("", total=rounds * len(SIDES))
        for number in range(rounds):
            events = approvals(count)
            felt: dict[str, Felt] = {}
            for name in sorted(SIDES, reverse=bool(number % 2)):
                progress.update(task, description=f"round {number + 1} of {rounds}: {name}")
                felt[name] = await feel(cluster, folder, SIDES[name], events, rate, seconds)
                progress.advance(task)
                _console.print(f"round {number + 1} of {rounds}, {name}: {told(felt[name])}")
            results.append({name: felt[name] for name in SIDES})
    return results


def told(felt: Felt) -> str:
    """One turn in words."""
    latencies, seconds = felt.latencies, felt.seconds
    median = percentile(latencies, 0.5)
    return (
        f"p50 {median:,.0f} ms, p99 {felt.p99:,.0f} ms of {len(latencies):,}, "
        f"while {felt.worked_on:,} of the flood were stored in {seconds:.1f} s"
    )


def main(
    flood: Annotated[int, typer.Option(help="Events of the flood.")] = 200_000,
    rate: Annotated[int, typer.Option(help="Events a second of who is watched.")] = 50,
    seconds: Annotated[float, typer.Option(help="Watched for so long at most.")] = 30,
    rounds: Annotated[int, typer.Option(help="Rounds; each side once a round.")] = 5,
    output: Annotated[Path | None, typer.Option(help="A JSON file for the figures.")] = None,
) -> None:
    """Measure what a deputy feels of another one's flood, against one of a stranger."""
    with tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder:
        results = asyncio.run(compare(flood, rate, seconds, rounds, Path(folder)))
    p99 = [{name: one.p99 for name, one in felt.items()} for felt in results]
    title = f"p99 from sending to commit at {rate}/s, ms"
    _console.print(compared(title, p99, _OURS, _FOREIGN, ",.0f"))
    _console.print(f"aim: at most {_TARGET} times as long")
    save(
        output,
        bench="isolation",
        unit="ms",
        flood=flood,
        rate=rate,
        rounds=[
            {key: asdict(felt[name]) for key, name in (("ours", _OURS), ("foreign", _FOREIGN))}
            for felt in results
        ],
        ratios=[felt[_OURS] / felt[_FOREIGN] for felt in p99],
        at_most=_TARGET,
    )


if __name__ == "__main__":
    typer.run(main)
