"""Reading committed records from the real Kafka, next to what cannot be read."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import (
    CommitFailedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from confluent_kafka import Producer

from deploy.local.cluster import Cluster
from shared.messaging.kafka.consumers import ForgivingConsumer, OffsetSpan, SteadyConsumer
from tests.component.harness import create, eventually

SECONDS = 20.0


async def topics(cluster: Cluster, count: int) -> list[TopicPartition]:
    names = [f"committed-{uuid.uuid4().hex}" for _ in range(count)]
    await create(cluster.bootstrap, names)
    return [TopicPartition(name, 0) for name in names]


def transact(cluster: Cluster, place: TopicPartition, *values: bytes, commit: bool) -> None:
    """Send in one transaction, as a foreign client does."""
    producer = Producer(
        {"bootstrap.servers": cluster.bootstrap, "transactional.id": uuid.uuid4().hex}
    )
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    for value in values:
        producer.produce(place.topic, value, partition=0)
    assert producer.flush(SECONDS) == 0
    if commit:
        producer.commit_transaction(SECONDS)
    else:
        producer.abort_transaction(SECONDS)


@asynccontextmanager
async def reading(
    cluster: Cluster, *places: TopicPartition, kind: type[ForgivingConsumer] = SteadyConsumer
) -> AsyncIterator[Any]:
    consumer = kind(bootstrap_servers=cluster.bootstrap, auto_offset_reset="none")
    consumer.assign(list(places))
    await consumer.start()
    try:
        for place in places:
            consumer.seek(place, 0)
        yield consumer
    finally:
        await consumer.stop()


async def read_to(consumer: Any, place: TopicPartition, end: int, begin: int = 0) -> list[bytes]:
    """Read a partition up to an offset; the spans are consecutive."""
    values: list[bytes] = []
    at = begin
    async with asyncio.timeout(SECONDS):
        while at < end:
            found = await consumer.getmany(timeout_ms=500)
            values += [record.value for record in found.get(place, ())]
            span = consumer.span(place)
            assert span.begin <= at <= span.end
            at = span.end
    return values


async def test_aborted_records_are_skipped_and_committed_ones_read(
    cluster: Cluster,
) -> None:
    (place,) = await topics(cluster, 1)
    await asyncio.to_thread(transact, cluster, place, b"1", b"2", commit=True)
    await asyncio.to_thread(transact, cluster, place, b"3", b"4", commit=False)
    await asyncio.to_thread(transact, cluster, place, b"5", commit=True)
    async with reading(cluster, place) as consumer:
        # two, a marker; two, a marker; one, a marker
        assert await read_to(consumer, place, 8) == [b"1", b"2", b"5"]
        assert consumer.end(place) == 8
        assert (await consumer.end_offsets([place]))[place] == 8


async def test_a_read_of_only_markers_extends_the_span(cluster: Cluster) -> None:
    (place,) = await topics(cluster, 1)
    await asyncio.to_thread(transact, cluster, place, b"1", commit=True)
    async with reading(cluster, place) as consumer:
        assert await read_to(consumer, place, 2) == [b"1"]
        await asyncio.to_thread(transact, cluster, place, b"2", commit=False)
        assert await read_to(consumer, place, 4, begin=2) == []
        await consumer.getmany(timeout_ms=0)
        assert consumer.span(place) == OffsetSpan(0, 4, 0), "an empty read keeps the span"
        consumer.seek(place, 2)
        await consumer.getmany(timeout_ms=2_000)
        assert consumer.span(place).begin == 2


async def test_records_not_yet_committed_are_after_the_end(cluster: Cluster) -> None:
    (place,) = await topics(cluster, 1)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": place.topic})
    await asyncio.to_thread(producer.init_transactions, SECONDS)
    producer.begin_transaction()
    producer.produce(place.topic, b"1", partition=0)
    await asyncio.to_thread(producer.flush, SECONDS)
    async with reading(cluster, place) as consumer:
        assert (await consumer.end_offsets([place]))[place] == 0
        assert await consumer.getmany(timeout_ms=1_000) == {}
        assert consumer.end(place) == 0
        await asyncio.to_thread(producer.commit_transaction, SECONDS)
        assert await read_to(consumer, place, 2) == [b"1"]


async def test_a_partition_whose_offset_is_out_of_range_is_set_aside_and_others_are_read(
    cluster: Cluster,
) -> None:
    sick, well = await topics(cluster, 2)
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer:
        for place in (sick, well):
            await producer.send_and_wait(place.topic, b"1", partition=0)
        async with reading(cluster, sick, well) as consumer:
            consumer.seek(sick, 100)

            async def found_out() -> bool:
                await consumer.getmany(timeout_ms=100)
                return sick in consumer.aside()

            await eventually(found_out, SECONDS, "the partition that is out of range")
            assert isinstance(consumer.aside()[sick], OffsetOutOfRangeError)
            await producer.send_and_wait(well.topic, b"2", partition=0)
            consumer.seek(well, 0)
            assert await read_to(consumer, well, 2) == [b"1", b"2"]
            consumer.seek(sick, 0)
            consumer.take_back(sick)
            assert await read_to(consumer, sick, 1) == [b"1"]


async def test_a_lost_offset_is_reported_at_once_and_a_seek_repairs_it(
    cluster: Cluster,
) -> None:
    """A group that never read begins at once after a seek, not after the next check."""
    (place,) = await topics(cluster, 1)
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer:
        await producer.send_and_wait(place.topic, b"1", partition=0)
    calls: list[bool] = []
    consumer = SteadyConsumer(
        bootstrap_servers=cluster.bootstrap,
        group_id=uuid.uuid4().hex,
        enable_auto_commit=False,
        auto_offset_reset="none",
        on_offset_lost=lambda: calls.append(True),
    )
    consumer.assign([place])
    await consumer.start()
    try:

        async def was_called() -> bool:
            assert await consumer.getmany(timeout_ms=100) == {}
            return bool(calls)

        await eventually(was_called, SECONDS, "the callback")
        consumer.seek(place, 0)
        consumer.take_back(place)
        assert await read_to(consumer, place, 1) == [b"1"]
        assert consumer.aside() == {}
        for stale in (NoOffsetForPartitionError(place), OffsetOutOfRangeError({place: 100})):
            assert consumer._is_over(place, stale), "it was sought since"
        assert not consumer._is_over(place, OffsetOutOfRangeError({place: 1}))
    finally:
        await consumer.stop()


async def test_nothing_is_committed_while_the_group_is_being_joined(cluster: Cluster) -> None:
    """It would be answered after the join, refused, and taken for the loss of the membership."""
    (place,) = await topics(cluster, 1)
    consumer = SteadyConsumer(
        place.topic,
        bootstrap_servers=cluster.bootstrap,
        group_id=uuid.uuid4().hex,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        assert consumer.is_member
        await consumer.commit({place: 0})
        held = asyncio.Event()
        join = consumer._coordinator._do_rejoin_group

        async def joins_when_it_may(subscription: Any) -> Any:
            await held.wait()
            return await join(subscription)

        consumer._coordinator._do_rejoin_group = joins_when_it_may
        consumer._coordinator.reset_generation()  # as if its session had expired
        for _ in range(3):
            with pytest.raises(CommitFailedError):
                await consumer.commit({place: 0})
            await asyncio.sleep(0)
        held.set()

        async def joined() -> bool:
            return bool(consumer.is_member)

        await eventually(joined, SECONDS, "its place in the group")
        await consumer.commit({place: 0})
    finally:
        await consumer.stop()


class Broken:
    """A broker sends something of one topic that is no record."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, topic: str) -> None:
        self.repaired = False
        unpack = fetcher.PartitionRecords._unpack_records

        def break_off(records: Any) -> Any:
            for record in unpack(records):
                if records._tp.topic == topic and record.value == b"broken" and not self.repaired:
                    raise ValueError("no record")
                yield record

        monkeypatch.setattr(fetcher.PartitionRecords, "_unpack_records", break_off)


@pytest.mark.parametrize("kind", [SteadyConsumer, ForgivingConsumer])
async def test_a_read_that_fails_skips_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, kind: type[ForgivingConsumer]
) -> None:
    sick, well = await topics(cluster, 2)
    broken = Broken(monkeypatch, sick.topic)
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer:
        for value in (b"1", b"broken", b"3"):
            await producer.send_and_wait(sick.topic, value, partition=0)
            await producer.send_and_wait(well.topic, value, partition=0)
    async with reading(cluster, sick, well, kind=kind) as consumer:
        values: dict[TopicPartition, list[bytes]] = {sick: [], well: []}
        failed = 0

        async def read() -> bool:
            nonlocal failed
            try:
                found = await consumer.getmany(timeout_ms=100)
            except KafkaError:
                failed += 1
                found = {}
            if kind is SteadyConsumer:
                failed += len(consumer.aside())
                for place in consumer.aside():
                    consumer.take_back(place)
            for place, records in found.items():
                values[place] += [record.value for record in records]
            broken.repaired = failed >= 3
            return values[sick] == values[well] == [b"1", b"broken", b"3"]

        await eventually(read, SECONDS, "all, each once")
        assert failed >= 3
