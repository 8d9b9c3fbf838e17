"""Recovery after a restored copy: a database takes in from its own topics what it lacks.

What a consumer had read since the copy is read again from the position in the copy. What HTTP and
time had changed is only in the service's own topics; it is taken in from there before anything new.
The relay stores how far those topics hold what the database knows. If a topic goes further, events
were published that this database has lost. If it does not go so far, it was created again or
restored itself: then all of it is read, and a new era begins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from aiokafka import ConsumerRecord, TopicPartition

from shared.contracts.envelope import Unreadable, read
from shared.contracts.events import Invalid, UnknownType, parse
from shared.messaging.core.errors import TopicsMissing
from shared.messaging.core.model import Message, Origin
from shared.messaging.core.sources import SourceRule
from shared.messaging.kafka.connection import KafkaConnection
from shared.messaging.kafka.consumers import ForgivingConsumer
from shared.messaging.ledger.positions import NOWHERE, PUBLISHED, Positions, TopicPosition
from shared.runtime.mongo import Database
from shared.runtime.signatures import Forged

_log = structlog.get_logger(__name__)

_BATCH: Final = 2_000

Connect: TypeAlias = Callable[..., ForgivingConsumer]
"""Builds a consumer from topics and the options of AIOKafkaConsumer."""

Existing: TypeAlias = Callable[[Collection[str]], Awaitable[set[str]]]
"""Asks the broker which of these topics exist. Raises NoRight for those that it hides."""

Recover: TypeAlias = Callable[[Sequence[Message]], Awaitable[int]]
"""Applies those of a service's own events that its database lacks; returns how many.

It is called topic by topic in the order of `OwnedTopics.topics`, each partition in the order of its
offsets. After an interruption a topic that was not finished is given again from its first missing
event. Every message has a sequence and a time.
"""


@dataclass(frozen=True, slots=True)
class OwnedTopics:
    """A database, the topics that its events are published to, and how it takes them in.

    Others may publish to them too. A topic comes after those that its events build on.
    """

    database: Database
    topics: Sequence[str]
    take_in: Recover


class Recovery:
    """Recovers a database from its own topics, before anything is decided on it."""

    def __init__(
        self,
        kafka: KafkaConnection,
        source: str,
        existing: Existing,
        connect: Connect = ForgivingConsumer,
        rule: SourceRule | None = None,
    ) -> None:
        """`rule`: by which events are believed to be this service's; None if all are."""
        self._kafka = kafka
        self._existing = existing
        self._source = source
        self._connect = connect
        self._rule = rule

    async def run(self, own: OwnedTopics) -> None:
        """Take in what is missing. Safe to repeat, and to run in several processes at once.

        What was taken in before a failure stays. Raises TopicsMissing, NoRight, NotAuthenticated,
        KafkaError and the driver's errors.
        """
        missing = set(own.topics) - await self._existing(own.topics)
        if missing:  # a topic that brokers do not list yet may hold what was lost
            raise TopicsMissing(missing)
        consumer = self._connect(
            *own.topics,
            **self._kafka.options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await self._kafka.start(consumer)
            assigned = sorted(consumer.assignment())
            consumer.pause(*assigned)  # only what is missing is fetched
            # One request for all: each may wait behind a fetch in progress.
            ends = await consumer.end_offsets(assigned)
            await self._recover(own, consumer, ends)
        finally:
            await consumer.stop()

    async def _recover(
        self, own: OwnedTopics, consumer: ForgivingConsumer, ends: Mapping[TopicPartition, int]
    ) -> None:
        positions = Positions(own.database)
        known = await positions.read_all(PUBLISHED)
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
            await positions.store_highest(
                PUBLISHED, reached
            )  # once per topic: events may wait across partitions
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
        """Return our own event in a record; None for a record of others.

        A record that cannot be read is of others: we can read what we publish. So is one that only
        says that it is ours.
        """
        try:
            event = read(record.headers, record.value)
            if event.source != self._source or event.sequence is None or event.time is None:
                return None
            data = parse(event, recorded=True)
            if self._rule is not None:
                self._rule.require(record, event, data)
        except (Unreadable, UnknownType, Invalid, Forged) as error:
            place = f"{record.topic}|{record.partition}|{record.offset}"
            _log.warning("passed over", record=place, error=f"{type(error).__name__}: {error}")
            return None
        origin = Origin(record.topic, record.partition, record.offset)
        return Message(origin, event, data, record.topic)
