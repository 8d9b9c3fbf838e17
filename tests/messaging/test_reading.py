"""Reading from the real Kafka: unread records delay no others, and are read with newer ones."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.local.cluster import Cluster
from shared.messaging.kafka.consumers import ForgivingConsumer, SteadyConsumer
from tests.component.harness import create, eventually

AIOKAFKAS_PATIENCE_SECONDS = 0.1
LONG_MS = 15_000

Kind: TypeAlias = Callable[..., AIOKafkaConsumer]


@dataclass(frozen=True, slots=True)
class Pair:
    """A consumer of a busy partition and an idle one, and a producer."""

    consumer: AIOKafkaConsumer
    producer: AIOKafkaProducer
    busy: TopicPartition
    idle: TopicPartition

    async def send(self, *values: bytes) -> None:
        for value in values:
            await self.producer.send_and_wait(self.busy.topic, value, partition=self.busy.partition)

    async def wait_for_fetch(self) -> None:
        """Wait until something was fetched."""

        async def fetched() -> bool:
            return self.consumer.highwater(self.busy) is not None

        await eventually(fetched, 20, "a fetch")

    async def read(self, timeout_ms: int) -> list[bytes]:
        found: dict[Any, list[Any]] = await self.consumer.getmany(timeout_ms=timeout_ms)
        return [record.value for records in found.values() for record in records]


@asynccontextmanager
async def open_pair(cluster: Cluster, kind: Kind) -> AsyncIterator[Pair]:
    names = [f"reading-{uuid.uuid4().hex}" for _ in range(2)]
    await create(cluster.bootstrap, names)
    busy, idle = (TopicPartition(name, 0) for name in names)
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap)
        await stack.enter_async_context(producer)
        consumer = kind(
            bootstrap_servers=cluster.bootstrap,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=LONG_MS,
        )
        consumer.assign([busy, idle])
        pair = Pair(consumer, producer, busy, idle)
        await pair.send(b"1")
        await stack.enter_async_context(consumer)
        await pair.wait_for_fetch()
        yield pair


@pytest.mark.parametrize(("kind", "expected"), [(AIOKafkaConsumer, []), (SteadyConsumer, [b"2"])])
async def test_an_idle_partition_does_not_delay_a_busy_one(
    cluster: Cluster, kind: Kind, expected: list[bytes]
) -> None:
    """aiokafka's own consumer is tested too: to see when it no longer needs this."""
    async with open_pair(cluster, kind) as pair:
        since = time.monotonic()
        while time.monotonic() < since + 3 * AIOKAFKAS_PATIENCE_SECONDS:  # a long batch
            await asyncio.sleep(0.01)
        assert await pair.read(0) == [b"1"]
        await pair.send(b"2")
        assert await pair.read(LONG_MS // 3) == expected


async def test_newer_records_are_read_together_with_unread_ones(cluster: Cluster) -> None:
    async def together(kind: Kind) -> bool:
        async with open_pair(cluster, kind) as pair:
            await pair.send(b"2", b"3")
            return await pair.read(0) == [b"1", b"2", b"3"]

    assert not await together(AIOKafkaConsumer)

    async def joined() -> bool:  # a machine that is busy may take longer over a fetch
        return await together(SteadyConsumer)

    await eventually(joined, 60, "a read of all three")


async def test_no_more_is_read_than_was_asked_for(cluster: Cluster) -> None:
    async with open_pair(cluster, SteadyConsumer) as pair:
        await pair.send(b"2", b"3")
        counts: list[int] = []
        while sum(counts) < 3:
            found = await pair.consumer.getmany(timeout_ms=LONG_MS, max_records=1)
            counts.append(sum(map(len, found.values())))
        assert counts == [1, 1, 1]


async def test_partitions_may_be_read_one_after_the_other(cluster: Cluster) -> None:
    """What lies unread in another one keeps none waiting, nor can a steady reader be asked to."""
    async with open_pair(cluster, ForgivingConsumer) as pair:
        await pair.producer.send_and_wait(pair.idle.topic, b"2", partition=pair.idle.partition)
        found = await pair.consumer.getmany(pair.idle, timeout_ms=2 * LONG_MS)
        assert [record.value for record in found[pair.idle]] == [b"2"]
        assert await pair.read(0) == [b"1"]
    async with open_pair(cluster, SteadyConsumer) as pair:
        with pytest.raises(ValueError, match="all of its partitions"):
            await pair.consumer.getmany(pair.idle)
