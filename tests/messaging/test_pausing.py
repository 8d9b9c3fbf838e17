"""Pauses, deferred messages and majority reads, on the real Kafka and MongoDB."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from pymongo import ASCENDING, IndexModel

from deploy.local.cluster import Cluster
from shared.messaging.core.model import Deferred
from shared.messaging.inbound.flood import FloodGate, FloodLimit, Pause, Pauses
from shared.messaging.inbound.pausing import TopicPausing
from shared.messaging.kafka.consumers import SteadyConsumer
from shared.messaging.ledger.deferral import DeferredMessages, DeferredRecord
from shared.messaging.ledger.majority import catch_up
from shared.runtime import mongo
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database
from tests.component.harness import create

GROUP = "notify"
AT = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)


@pytest.fixture
async def database(cluster: Cluster) -> AsyncIterator[Database]:
    client = mongo.connect(cluster.mongodb_uri, app="tests")
    name = f"pausing-{uuid.uuid4().hex[:8]}"
    yield mongo.database(client, name)
    await client.drop_database(name)
    client.close()


def deferred(id_: str, topic: str, partition: int, offset: int, at: datetime) -> Deferred:
    return Deferred(
        id_, GROUP, "r-1", at, DeferredRecord(topic, partition, offset, 0, None, b"{}", ())
    )


# -- pauses ---------------------------------------------------------------------------------------


async def test_topics_are_paused_and_resumed_one_by_one_or_all(database: Database) -> None:
    pauses = Pauses(database)
    for topic in ("a", "b", "c"):
        await pauses.pause(GROUP, topic, AT, "flooded")
    await pauses.pause("another", "a", AT, "flooded")
    await pauses.pause(GROUP, "a", AT + timedelta(hours=1), "a second time")
    assert Pause(GROUP, "a", AT, "flooded") in await pauses.of(GROUP)
    assert await pauses.resume(GROUP, "a")
    assert not await pauses.resume(GROUP, "a")
    assert {pause.topic for pause in await pauses.of(GROUP)} == {"b", "c"}
    assert await pauses.resume(GROUP)
    assert [(p.group, p.topic) for p in await pauses.list()] == [("another", "a")]


async def test_a_pause_of_a_former_version_counts_and_is_resumed(database: Database) -> None:
    pauses = Pauses(database)
    former = {"_id": GROUP, "paused": AT, "reason": "flooded"}
    await database["subscriptions"].insert_one(former)
    assert await pauses.of(GROUP) == await pauses.list() == [Pause(GROUP, None, AT, "flooded")]
    assert not await pauses.resume(GROUP, "a"), "all of it is paused"
    assert await pauses.resume(GROUP)
    assert await pauses.of(GROUP) == []


async def test_processes_that_pause_at_once_pause_once(database: Database) -> None:
    pauses = Pauses(database)
    await asyncio.gather(*(pauses.pause(GROUP, "a", AT, "flooded") for _ in range(20)))
    assert len(await pauses.of(GROUP)) == 1


# -- deferred messages ----------------------------------------------------------------------------


async def test_deferred_messages_are_sorted_by_the_places_of_their_records(
    database: Database,
) -> None:
    deferral = DeferredMessages(database)
    await deferral.prepare()
    waiting = [
        deferred(
            f"{topic}{partition}{offset}", topic, partition, offset, AT - offset * AT.resolution
        )
        for topic in "ba"
        for partition in (1, 0)
        for offset in (10, 9, 2)
    ]
    async with mongo.transaction(database.client) as session:
        await deferral.keep(waiting, session)
    found = [
        (d.record.topic, d.record.partition, d.record.offset) for d in await deferral.of(GROUP, 50)
    ]
    assert found == sorted(found)
    assert len(found) == len(waiting)
    plan = (
        await database["deferred"]
        .find({"group": GROUP})
        .sort([(name, ASCENDING) for name in ("group", "topic", "partition", "offset")])
        .explain()
    )
    assert "SORT" not in str(plan["queryPlanner"]["winningPlan"]), "an index has this order"


async def test_the_index_of_a_former_version_is_dropped_and_its_documents_stay(
    database: Database,
) -> None:
    by_clocks = [(name, ASCENDING) for name in ("group", "at", "offset", "_id")]
    await database["deferred"].create_indexes([IndexModel(by_clocks, name="order")])
    deferral = DeferredMessages(database)
    async with mongo.transaction(database.client) as session:
        await deferral.keep([deferred("1", "a", 0, 0, AT)], session)
    await asyncio.gather(*(deferral.prepare() for _ in range(4)))
    await deferral.prepare()
    assert (await database["deferred"].index_information()).keys() == {"_id_", "place", "about"}
    assert [d.id for d in await deferral.of(GROUP, 50)] == ["1"]


async def test_there_is_no_wait_for_a_majority_that_has_caught_up(database: Database) -> None:
    await catch_up(database)


# -- paused partitions of Kafka's consumer --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reader:
    """A consumer of two topics, and what it read of each."""

    kafka: SteadyConsumer
    flooded: TopicPartition
    calm: TopicPartition

    async def read(self, count: int) -> list[tuple[str, int]]:
        """Read exactly `count` records."""
        found: list[tuple[str, int]] = []
        async with asyncio.timeout(20):
            while len(found) < count:
                for records in (await self.kafka.getmany(timeout_ms=100)).values():
                    found += [(record.topic, record.offset) for record in records]
        assert len(found) == count
        return found


async def test_records_held_back_are_read_again_and_the_other_topic_goes_on(
    cluster: Cluster, database: Database
) -> None:
    names = [f"pausing-{uuid.uuid4().hex}" for _ in range(2)]
    await create(cluster.bootstrap, names)
    flooded, calm = (TopicPartition(name, 0) for name in names)
    pauses = Pauses(database)
    gate = FloodGate(
        GROUP,
        names,
        FloodLimit(),
        pauses,
        metrics=Metrics(),
        clock=SystemMachineClock(),
    )
    pausing = TopicPausing(gate)
    kafka = SteadyConsumer(bootstrap_servers=cluster.bootstrap, auto_offset_reset="earliest")
    kafka.assign([flooded, calm])
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer, kafka:
        for number in range(6):
            await producer.send_and_wait(flooded.topic, b"%d" % number, partition=0)
        reader = Reader(kafka, flooded, calm)
        read: list[tuple[str, int]] = await reader.read(6)
        assert read == [(flooded.topic, offset) for offset in range(6)]
        await gate.pause(flooded.topic)
        pausing.rewind({flooded: 2}, kafka)
        await producer.send_and_wait(flooded.topic, b"6", partition=0)
        for number in range(3):
            await producer.send_and_wait(calm.topic, b"%d" % number, partition=0)
            assert await reader.read(1) == [(calm.topic, number)]
        assert await pausing.apply(kafka)
        assert await kafka.getmany(timeout_ms=300) == {}
        await pauses.resume(GROUP, flooded.topic)
        assert not await pausing.apply(kafka)
        assert await reader.read(5) == [(flooded.topic, offset) for offset in range(2, 7)]
