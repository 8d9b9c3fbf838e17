"""The sides of the ingest benchmark: ours, alone and with its relay apart, and its two peers.

Each takes a cluster, a folder for its logs and the events, and returns events a second, from the
first event sent to the last effect.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from deploy.local.processes import Command, Starter
from shared.contracts.topics import Topics
from shared.runtime import mongo
from tests.bench.events import create, flood, until_out
from tests.bench.peer import connect_command, connect_properties
from tests.component.harness import Service

Events: TypeAlias = list[tuple[bytes, bytes]]
Side: TypeAlias = Callable[[Cluster, Path, Events], Awaitable[float]]


async def peygir(cluster: Cluster, folder: Path, events: Events) -> float:
    """The service `followups`, all in one process."""
    return await _ours(cluster, folder, events, [{}])


async def peygir_apart(cluster: Cluster, folder: Path, events: Events) -> float:
    """The same with its relay in a process of its own."""
    runs = ("api,consumer,sweeper", "relay")
    return await _ours(cluster, folder, events, [{"PEYGIR_RUN": run} for run in runs])


async def _ours(
    cluster: Cluster, folder: Path, events: Events, processes: Sequence[Mapping[str, str]]
) -> float:
    namespace = f"b{uuid.uuid4().hex[:8]}"
    cluster.create_topics({"PEYGIR_NAMESPACE": namespace})
    topics = Topics(("civil",), namespace)
    common = {"PEYGIR_DEPUTIES": "civil", "PEYGIR_LEASE_SECONDS": "5"}
    async with AsyncExitStack() as stack:
        consuming, *_ = [
            await stack.enter_async_context(
                Service("followups", cluster, namespace, folder, **common, **settings)
            )
            for settings in processes
        ]
        await caught_up(consuming)
        begun = time.monotonic()
        await asyncio.gather(
            asyncio.to_thread(flood, cluster.bootstrap, topics.resolutions("civil"), events),
            until_out(cluster.bootstrap, topics.followups("civil"), len(events)),
        )
        return len(events) / (time.monotonic() - begun)


async def caught_up(service: Service) -> None:
    """Wait until the consumer has its partitions: it shows its lag then."""
    while "peygir_consumer_lag{" not in (await service.http.get("/metrics")).text:
        await asyncio.sleep(0.05)


async def bare(cluster: Cluster, folder: Path, events: Events) -> float:
    """A bare aiokafka + pydantic + motor loop that writes state and event, and a relay."""
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
    command = Command((sys.executable, "-m", "tests.bench.bare"), PROJECT, environment)
    with running(folder, name, command) as log:
        while "ready" not in log.read_text():
            await asyncio.sleep(0.05)
        begun = time.monotonic()
        await asyncio.gather(
            asyncio.to_thread(flood, cluster.bootstrap, source, events),
            until_out(cluster.bootstrap, target, len(events)),
        )
        return len(events) / (time.monotonic() - begun)


async def connect(cluster: Cluster, folder: Path, events: Events) -> float:
    """Kafka Connect with MongoDB's sink, which writes the state alone, as upserts.

    As many other events before are not counted, so that Java has compiled what it runs.
    """
    name = f"b{uuid.uuid4().hex[:8]}"
    await create(cluster.bootstrap, [name])
    files = connect_properties(folder, cluster, name)
    client = mongo.connect(cluster.mongodb_uri, app="bench")
    stored = mongo.database(client, name)["followups"]

    async def until_stored(count: int) -> None:
        while await stored.estimated_document_count() < count:
            await asyncio.sleep(0.02)

    try:
        with running(folder, name, connect_command(files)):
            warm = [(b"w" + key, value.replace(key, b"w" + key)) for key, value in events]
            await asyncio.to_thread(flood, cluster.bootstrap, name, warm)
            await asyncio.wait_for(until_stored(len(warm)), _PATIENCE_SECONDS)
            begun = time.monotonic()
            await asyncio.gather(
                asyncio.to_thread(flood, cluster.bootstrap, name, events),
                until_stored(len(warm) + len(events)),
            )
            return len(events) / (time.monotonic() - begun)
    finally:
        client.close()


_PATIENCE_SECONDS: Final = 300.0


@contextmanager
def running(folder: Path, name: str, command: Command) -> Iterator[Path]:
    """A process; gives the log that it writes."""
    log = folder / f"{name}.log"
    with Starter() as starter:
        process = starter.start(command, log, folder / f"{name}.pid")
        try:
            yield log
        finally:
            process.kill()
