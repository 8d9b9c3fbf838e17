"""The sides of the ingest benchmark: ours, alone, with its relay apart and twice, and two peers.

Each side takes a cluster, a folder for its logs and the events, and returns events a second, from
the first event sent to the last effect. As many other events before are not counted, so that Java
has compiled what it runs and Python has loaded it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from deploy.local.processes import Command, Starter
from shared.contracts.topics import Topics
from shared.runtime import mongo
from tests.bench.events import flood, until_out
from tests.bench.peer import connect_command, connect_properties
from tests.component.harness import Service, create

Events: TypeAlias = list[tuple[bytes, bytes]]
Side: TypeAlias = Callable[[Cluster, Path, Events], Awaitable[float]]

_PATIENCE_SECONDS: Final = 300.0


async def peygir(cluster: Cluster, folder: Path, events: Events) -> float:
    """The service `followups`, all in one process."""
    return await _ours(cluster, folder, events, [{}])


async def peygir_twice(cluster: Cluster, folder: Path, events: Events) -> float:
    """Two replicas of the service."""
    return await _ours(cluster, folder, events, [{}, {}])


async def peygir_apart(cluster: Cluster, folder: Path, events: Events) -> float:
    """The same with its relay in a process of its own."""
    runs = ("api,consumer,sweeper", "relay")
    return await _ours(cluster, folder, events, [{"PEYGIR_RUN": run} for run in runs])


async def _ours(
    cluster: Cluster, folder: Path, events: Events, processes: Sequence[Mapping[str, str]]
) -> float:
    async with followups(cluster, folder, processes) as namespace:
        topics = Topics(("civil",), namespace)
        until = partial(until_out, cluster.bootstrap, topics.followups("civil"))
        return await _rate(cluster, topics.resolutions("civil"), until, events)


async def _rate(
    cluster: Cluster, topic: str, until: Callable[[int], Awaitable[None]], events: Events
) -> float:
    """Events a second; `until` waits for so many effects."""
    warm = [(b"w" + key, value.replace(key, b"w" + key)) for key, value in events]
    await asyncio.to_thread(flood, cluster.bootstrap, topic, warm)
    await asyncio.wait_for(until(len(warm)), _PATIENCE_SECONDS)
    return await timed(cluster, topic, until(len(warm) + len(events)), events)


async def timed(cluster: Cluster, topic: str, until: Awaitable[None], events: Events) -> float:
    """Events a second, from the first one sent to the end of a wait for the last effect."""
    begun = time.monotonic()
    await asyncio.gather(
        asyncio.to_thread(flood, cluster.bootstrap, topic, events),
        asyncio.wait_for(until, _PATIENCE_SECONDS),
    )
    return len(events) / (time.monotonic() - begun)


@asynccontextmanager
async def followups(
    cluster: Cluster, folder: Path, processes: Sequence[Mapping[str, str]]
) -> AsyncIterator[str]:
    """The service for one deputy, as processes with these settings; gives its namespace.

    Those that consume have their partitions.
    """
    namespace = a_name()
    cluster.create_topics({"PEYGIR_NAMESPACE": namespace})
    common = {"PEYGIR_DEPUTIES": "civil", "PEYGIR_LEASE_SECONDS": "5"}
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(
                Service("followups", cluster, namespace, folder, **common, **settings)
            )
            for settings in processes
        ]
        for service in started:
            if "consumer" in service.environment.get("PEYGIR_RUN", "consumer"):
                await service.reads()
        yield namespace


async def bare(cluster: Cluster, folder: Path, events: Events) -> float:
    """A bare aiokafka + pydantic + motor loop that writes state and event, and a relay."""
    name = a_name()
    source, target = f"{name}.in", f"{name}.out"
    await create(cluster.bootstrap, [source, target])
    async with bare_loop(cluster, folder, source, target):
        return await _rate(cluster, source, partial(until_out, cluster.bootstrap, target), events)


@asynccontextmanager
async def bare_loop(
    cluster: Cluster, folder: Path, source: str, target: str
) -> AsyncIterator[None]:
    """The bare loop from a topic into a database of its name; without a target, no event."""
    environment = {
        **os.environ,
        "BARE_BOOTSTRAP": cluster.bootstrap,
        "BARE_MONGODB_URI": cluster.mongodb_uri,
        "BARE_DATABASE": source.partition(".")[0],
        "BARE_IN": source,
        "BARE_OUT": target,
    }
    command = Command((sys.executable, "-m", "tests.bench.bare"), PROJECT, environment)
    with _running(folder, source, command) as log:
        while "ready" not in log.read_text():
            await asyncio.sleep(0.05)
        yield


def a_name() -> str:
    """A name that nobody has had."""
    return f"b{uuid.uuid4().hex[:8]}"


async def connect(cluster: Cluster, folder: Path, events: Events) -> float:
    """Kafka Connect with MongoDB's sink, which writes the state alone, as upserts."""
    name = a_name()
    await create(cluster.bootstrap, [name])
    files = connect_properties(folder, cluster, name)
    client = mongo.connect(cluster.mongodb_uri, app="bench")
    stored = mongo.database(client, name)["followups"]

    async def until_stored(count: int) -> None:
        while await stored.estimated_document_count() < count:
            await asyncio.sleep(0.02)

    try:
        with _running(folder, name, connect_command(files)):
            return await _rate(cluster, name, until_stored, events)
    finally:
        client.close()


@contextmanager
def _running(folder: Path, name: str, command: Command) -> Iterator[Path]:
    """A process; gives the log that it writes."""
    log = folder / f"{name}.log"
    with Starter() as starter:
        process = starter.start(command, log, folder / f"{name}.pid")
        try:
            yield log
        finally:
            process.kill()
