"""After a restored copy: a database takes in from its own topics what it does not hold.

What a consumer had read since the copy is read again from where the copy stands. What HTTP and
time had changed stands in no topic but the service's own; it is taken in from there before
anything new. The relay notes how far those topics hold what the database knows; where a topic
reaches further, somebody published what this database has forgotten. Where it does not even reach
as far, it was made anew or restored itself: all of it is read, and the count begins anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from aiokafka import ConsumerRecord, TopicPartition

from shared.contracts.envelope import Unreadable, read
from shared.contracts.events import Invalid, UnknownType, parse
from shared.messaging.core.errors import TopicsMissing
from shared.messaging.core.model import Message, Origin
from shared.messaging.kafka.consumers import ForgivingConsumer
from shared.messaging.ledger.positions import NOWHERE, PUBLISHED, Positions, TopicPosition
from shared.runtime.mongo import Database

_log = structlog.get_logger(__name__)

_BATCH: Final = 2_000

Connect: TypeAlias = Callable[..., ForgivingConsumer]
"""Builds a consumer from topics and the options of aiokafka's."""

Recover: TypeAlias = Callable[[Sequence[Message]], Awaitable[int]]
"""Applies those of a service's own events that its database does not hold; returns how many.

It is called topic by topic in the order of `Own.topics`, each partition in the order of its
offsets; where a run is broken off, a topic that was not finished comes again from its beginning.
Every message has a sequence and a time.
"""


@dataclass(frozen=True, slots=True)
class OwnedTopics:
    """A database, the topics that its events go to, and how it takes them back in.

    Strangers may publish to them too. A topic stands behind those that its events build on.
    """

    database: Database
    topics: Sequence[str]
    take_in: Recover


class Recovery:
    """Brings a database level with its own topics, before anything is decided on it."""

    def __init__(
        self,
        bootstrap: Sequence[str],
        source: str,
        existing: Callable[[], Awaitable[set[str]]],
        connect: Connect = ForgivingConsumer,
    ) -> None:
        """`existing` asks the broker which topics there are."""
        self._bootstrap = bootstrap
        self._existing = existing
        self._source = source
        self._connect = connect

    async def run(self, own: OwnedTopics) -> None:
        """Take in what is missing. Safe to repeat, and to run in several processes at once.

        Raises TopicsMissing, KafkaError and the driver's errors; what was taken in until then
        stays.
        """
        missing = set(own.topics) - await self._existing()
        if missing:  # one that brokers do not tell of yet may hold what was forgotten
            raise TopicsMissing(missing)
        consumer = self._connect(
            *own.topics,
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
            await self._recover(own, consumer, ends)
        finally:
            await consumer.stop()

    async def _recover(
        self, own: OwnedTopics, consumer: ForgivingConsumer, ends: Mapping[TopicPartition, int]
    ) -> None:
        positions = Positions(own.database)
        known = await positions.reached(PUBLISHED)
        taken = 0
        for topic in own.topics:
            reached: dict[TopicPartition, TopicPosition] = {}
            for partition in sorted(p for p in ends if p.topic == topic):
                before, end = known.get(partition, NOWHERE), ends[partition]
                start, era = before.next, before.era
                if end < start:
                    _log.error("topic was made anew", topic=topic, ended_at=start, ends_at=end)
                    start, era = 0, era + 1
                if start < end:
                    taken += await self._take_in(own, consumer, partition, start, end)
                if (start, era) != (end, before.era):
                    reached[partition] = TopicPosition(era, end)
            await positions.reach(PUBLISHED, reached)  # one partition may wait for another
        if taken:
            _log.warning("taken in from our own topics", database=own.database.name, events=taken)

    async def _take_in(
        self,
        own: OwnedTopics,
        consumer: ForgivingConsumer,
        partition: TopicPartition,
        start: int,
        end: int,
    ) -> int:
        consumer.seek(partition, start)
        consumer.resume(partition)
        taken, position = 0, start
        while position < end:
            batch = await consumer.getmany(partition, timeout_ms=1_000, max_records=_BATCH)
            messages = [m for r in batch.get(partition, ()) if (m := self._ours(r))]
            taken += await own.take_in(messages) if messages else 0
            position = await consumer.position(partition)
        consumer.pause(partition)
        return taken

    def _ours(self, record: ConsumerRecord[bytes, bytes]) -> Message | None:
        """Our own event in a record of a topic of ours; a stranger's is passed over.

        A record that cannot be read is a stranger's: what we publish, we can read.
        """
        try:
            event = read(record.headers, record.value)
            if event.source != self._source or event.sequence is None or event.time is None:
                return None
            data = parse(event, recorded=True)
        except (Unreadable, UnknownType, Invalid) as error:
            place = f"{record.topic}|{record.partition}|{record.offset}"
            _log.warning("passed over", record=place, error=f"{type(error).__name__}: {error}")
            return None
        origin = Origin(record.topic, record.partition, record.offset)
        return Message(origin, event, data, record.topic)
