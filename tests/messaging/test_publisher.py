"""The publisher on the real Kafka: a failing record or topic does not harm the others."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.cluster import Cluster
from shared.contracts.topics import LARGEST_DEAD_LETTER, LARGEST_RECORD, Topics
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.connection import plain
from shared.messaging.kafka.publisher import (
    Overtaking,
    Publisher,
    SendResult,
    TooLarge,
    TopicRefused,
)
from tests.component.harness import eventually, records

ASKING_SECONDS = 1.0


@pytest.fixture
async def publisher(cluster: Cluster) -> AsyncIterator[Publisher]:
    publisher = Publisher(
        plain(cluster.bootstrap), client_id="test", timeout_seconds=ASKING_SECONDS
    )
    yield publisher
    await publisher.stop()


def outgoing(topic: str, key: str | None, value: bytes | None) -> OutgoingRecord:
    return OutgoingRecord(topic, None if key is None else key.encode(), value, [])


async def sent(publisher: Publisher, *records: OutgoingRecord) -> list[SendResult]:
    return await publisher.send(records)


async def test_a_missing_topic_is_asked_for_once_and_delays_no_other(
    publisher: Publisher, topics: Topics
) -> None:
    missing = f"missing-{uuid.uuid4().hex}"
    there = outgoing(topics.notices, "there", b"1")

    async def led() -> bool:  # a broker leads what was just created a moment later
        (answer,) = await sent(publisher, there)
        return isinstance(answer, RecordMetadata)

    await eventually(led, 30, "a leader")
    begun = time.monotonic()
    answers = await sent(
        publisher,
        *(outgoing(missing, str(n), b"1") for n in range(6)),
        there,
        *(outgoing(missing, str(n), b"2") for n in range(6)),
    )
    assert time.monotonic() - begun < 3 * ASKING_SECONDS
    assert [type(answer) for answer in answers] == [
        *[TopicRefused] * 6,
        RecordMetadata,
        *[TopicRefused] * 6,
    ]
    (again,) = await sent(publisher, there)
    assert isinstance(again, RecordMetadata), "a missing topic does not break the producer"


@pytest.mark.parametrize(
    "size", [LARGEST_RECORD, 2 * LARGEST_DEAD_LETTER], ids=["for the broker", "for the producer"]
)
async def test_a_record_that_is_too_large_is_overtaken_only_by_other_keys(
    cluster: Cluster, publisher: Publisher, topics: Topics, size: int
) -> None:
    topic, key = topics.circulars, f"large-{size}"
    answers = await sent(
        publisher,
        outgoing(topic, f"before-{size}", b"1"),
        outgoing(topic, key, b" " * size),
        outgoing(topic, key, b"the next of its key"),
        outgoing(topics.sessions, "other", b"1"),
    )
    assert [type(answer) for answer in answers] == [
        *(RecordMetadata, TooLarge, Overtaking, RecordMetadata),
    ]
    for _ in range(2):  # the producer goes on, or another in its place
        await publisher.send_all([outgoing(topic, str(n), b"2") for n in range(9)])
    keys = [record.key for record in await records(cluster, topic)]
    assert key.encode() not in keys
    assert keys.count(b"8") % 2 == 0


async def test_a_producer_beyond_repair_is_replaced(
    cluster: Cluster, publisher: Publisher, topics: Topics
) -> None:
    topic = topics.rejections
    await publisher.send_all([outgoing(topic, "1", b"1")])
    assert publisher._connection is not None
    broken = publisher._connection.producer
    broken._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 7)  # some were lost
    (answer,) = await sent(publisher, outgoing(topic, "2", b"1"))
    assert isinstance(answer, KafkaError)
    assert publisher._connection is None
    await publisher.send_all([outgoing(topic, key, b"1") for key in ("2", "3")])
    assert publisher._connection is not None
    assert publisher._connection.producer is not broken
    assert [record.key for record in await records(cluster, topic)] == [b"1", b"2", b"3"]


async def test_the_order_is_kept_in_each_partition(
    cluster: Cluster, publisher: Publisher, topics: Topics
) -> None:
    values = [f"{n:05}".encode() * 50 for n in range(2_000)]
    await publisher.send_all([outgoing(topics.reports, f"k{v[4]}", v) for v in values])
    found = await records(cluster, topics.reports)
    assert sorted(record.value for record in found) == values
    for one, next_ in pairwise(found):
        assert one.partition != next_.partition or one.value < next_.value


async def test_a_record_without_key_and_value_is_sent(
    cluster: Cluster, publisher: Publisher, topics: Topics
) -> None:
    topic = topics.deadletter("reports")
    await publisher.send_all([outgoing(topic, None, None), outgoing(topic, None, b"1")])
    found = await records(cluster, topic)
    assert [(record.key, record.value) for record in found] == [(b"", None), (None, b"1")]


@pytest.mark.parametrize("count", [200, 201, 700])
async def test_records_that_a_topic_accepts_only_one_by_one_are_sent_so_and_in_order(
    cluster: Cluster, publisher: Publisher, namespace: str, count: int
) -> None:
    """An operator may have set `max.message.bytes` to any small number.

    No later batch may be accepted before a refused one is sent again.
    """
    topic = f"{namespace}small{count}"
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    admin.create_topics([NewTopic(topic, 1, config={"max.message.bytes": "3000"})])[topic].result()
    values = [f"{n:03}".encode() * 600 for n in range(count)]
    many = [outgoing(topic, f"k{n % 7}", value) for n, value in enumerate(values)]
    (far,) = await sent(publisher, outgoing(topic, "k8", b" " * 3_000))
    assert isinstance(far, TooLarge)
    assert [type(answer) for answer in await sent(publisher, *many)] == [RecordMetadata] * count
    assert [record.value for record in await records(cluster, topic)] == values


async def test_each_result_is_the_place_of_its_record(
    cluster: Cluster, publisher: Publisher, topics: Topics
) -> None:
    many = [outgoing(topics.notices, f"place-{n}", b"%d" % n) for n in range(500)]
    results = await sent(publisher, *many)
    found = {
        (record.partition, record.offset): record.value
        for record in await records(cluster, topics.notices)
    }
    for one, place in zip(many, results, strict=True):
        assert isinstance(place, RecordMetadata)
        assert place.topic == topics.notices
        assert found[place.partition, place.offset] == one.value
