"""After a restored copy: a database takes in from its own topics what it does not hold.

What a consumer had read since the copy is read again from where the copy stands. What HTTP and
time had changed stands in no topic but the service's own; it is taken in from there before
anything new. The relay notes how far those topics hold what the database knows; where a topic
reaches further, somebody published what this database has forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.contracts.envelope import read
from shared.contracts.events import parse
from shared.messaging.reading import ForgivingConsumer
from shared.messaging.records import Message, Origin
from shared.messaging.relay import PUBLISHED
from shared.runtime.mongo import Database

_log = structlog.get_logger(__name__)

_BATCH: Final = 2_000

TakeIn: TypeAlias = Callable[[Sequence[Message]], Awaitable[int]]
"""Applies those of a service's own events that its database does not hold; returns how many."""


@dataclass(frozen=True, slots=True)
class Own:
    """A database, the topics that it alone publishes to, and how it takes events back in."""

    database: Database
    topics: Sequence[str]
    take_in: TakeIn


class Recovery:
    """Brings databases level with their own topics, once, before any part begins."""

    def __init__(self, bootstrap: str, source: str) -> None:
        self._bootstrap = bootstrap
        self._source = source
        self._owned: list[Own] = []

    def add(self, own: Own) -> None:
        """Watch over one more database."""
        self._owned.append(own)

    async def run(self) -> None:
        """Take in what is missing. Safe to repeat, and to run in several processes at once.

        Raises KafkaError and the driver's errors; what was taken in until then stays.
        """
        topics = [topic for own in self._owned for topic in own.topics]
        if not topics:
            return
        consumer = ForgivingConsumer(
            *topics,
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            assigned = sorted(consumer.assignment())
            consumer.pause(*assigned)  # nothing is fetched but what is missing
            # Asked once for all: each question may wait behind a fetch that is under way.
            ends = await consumer.end_offsets(assigned)
            for own in self._owned:
                await self._recover(own, consumer, ends)
        finally:
            await consumer.stop()

    async def _recover(
        self, own: Own, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
    ) -> None:
        partitions = [p for p in ends if p.topic in own.topics]
        starts = await _known(own.database, partitions)
        behind = {p: starts.get(p, 0) for p in partitions if starts.get(p, 0) < ends[p]}
        taken = 0
        for partition, start in behind.items():
            consumer.seek(partition, start)
            consumer.resume(partition)
            position = start
            while position < ends[partition]:
                batch = await consumer.getmany(partition, timeout_ms=1_000, max_records=_BATCH)
                messages = [m for r in batch.get(partition, ()) if (m := self._ours(r))]
                taken += await own.take_in(messages) if messages else 0
                position = await consumer.position(partition)
            consumer.pause(partition)
            await _note(own.database, partition, ends[partition])
        if taken:
            _log.warning("taken in from our own topics", database=own.database.name, events=taken)

    def _ours(self, record: ConsumerRecord[bytes, bytes]) -> Message | None:
        """Our own event in a record of our own topic; a stranger's is passed over."""
        event = read(record.headers, record.value)
        if event.source != self._source or event.sequence is None:
            return None
        origin = Origin(record.topic, record.partition, record.offset)
        return Message(origin, event, parse(event), record.topic)


async def _known(
    database: Database, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    wanted = {f"{PUBLISHED}|{p.topic}|{p.partition}": p for p in partitions}
    found = database["positions"].find({"_id": {"$in": list(wanted)}})
    return {wanted[entry["_id"]]: entry["next"] async for entry in found}


async def _note(database: Database, partition: TopicPartition, end: int) -> None:
    await database["positions"].update_one(
        {"_id": f"{PUBLISHED}|{partition.topic}|{partition.partition}"},
        {"$max": {"next": end}},
        upsert=True,
    )
