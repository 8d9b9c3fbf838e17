"""Sending to Kafka: one idempotent producer per process, replaced when it is beyond repair.

Each partition has at most one batch in flight. An idempotent producer numbers its batches, and a
batch that a broker refuses has used up its number: the batches queued behind it would be refused as
well, or a broker that does not know the producer yet would accept them, and they would overtake it.
So the next batch is sent once Kafka has accepted the one before; partitions are sent in parallel.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import RecordMetadata

from shared.contracts.topics import LARGEST_DEAD_LETTER, LARGEST_RECORD
from shared.messaging.core.errors import NoRight, Unsendable
from shared.messaging.kafka.batches import (
    STOP_SECONDS,
    OutgoingRecord,
    ProducerInUse,
    answer_of,
    filled,
    stop,
)
from shared.messaging.kafka.connection import KafkaConnection

_ONE_TOPICS_FAULT: Final = (UnknownTopicOrPartitionError, TopicAuthorizationFailedError)
_BATCH_BYTES: Final = LARGEST_RECORD // 2  # a topic's largest record is its largest batch too

# How late the producer hears of another leader. A leader that is cut off from the others accepts
# batches and answers each with a time-out, which does not name its successor.
_METADATA_MS: Final = 5_000


class TooLarge(Unsendable):
    """A record that is larger than its topic accepts, which no operator can repair."""


class TopicRefused(Unsendable):
    """The topic does not exist or may not be written to: no record of it can be sent."""

    def __init__(self, topic: str, error: KafkaError) -> None:
        super().__init__(f"{type(error).__name__}: {topic}")
        self.topic = topic


class Overtaking(Unsendable):
    """A record that would overtake a record with the same key that cannot be sent."""


SendResult: TypeAlias = RecordMetadata | Exception
"""A record's place in Kafka, or why it has none; `Unsendable` concerns that record only."""

Connect: TypeAlias = Callable[..., AIOKafkaProducer]
"""Builds a producer from the options of AIOKafkaProducer."""


class Publisher:
    """Sends records, keeping their order in each partition (idempotent, acks=all).

    The first send starts the producer. After a batch that failed it is replaced: an idempotent
    producer that has lost its sequence never recovers (aiokafka#1017). It is stopped once the
    batches of other partitions have been answered.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        *,
        client_id: str,
        timeout_seconds: float = 10.0,
        connect: Connect = AIOKafkaProducer,
    ) -> None:
        self._kafka = kafka
        self._client_id = client_id
        self._timeout_ms = int(timeout_seconds * 1000)
        self._connect = connect
        self._connection: ProducerInUse | None = None
        self._starting: asyncio.Task[ProducerInUse] | None = None
        self._stopping: dict[asyncio.Task[None], ProducerInUse] = {}
        self._batch_bytes = _BATCH_BYTES
        self._partition_of = DefaultPartitioner()
        self._partitions: dict[str, list[int]] = {}

    # -- where records go ---------------------------------------------------------------------

    def place(self, topic: str, key: bytes | None) -> TopicPartition | None:
        """The partition of a key; None if the partitions of the topic are unknown (`locate`)."""
        partitions = self._partitions.get(topic)
        if partitions is None:
            return None
        return TopicPartition(topic, self._partition_of(key, partitions, partitions))

    async def locate(self, topic: str) -> None:
        """Ask once for the partitions of a topic. Raises TopicRefused, KafkaError and OSError."""
        if topic in self._partitions:
            return
        async with self._producing() as connection:
            try:
                self._partitions[topic] = sorted(await connection.producer.partitions_for(topic))
            except _ONE_TOPICS_FAULT as error:
                raise TopicRefused(topic, error) from error

    # -- sending ------------------------------------------------------------------------------

    async def deliver(
        self, place: TopicPartition, records: Sequence[OutgoingRecord]
    ) -> list[SendResult]:
        """Send records of one partition in their order; return the result of each.

        After a record that is too large, those with the same key are not sent (`Overtaking`). After
        any other failure nothing more is sent, and the rest gets that failure as its result. This
        waits as long as the partition accepts nothing.
        """
        answers: list[SendResult] = []
        held: set[bytes | None] = set()
        while (begun := len(answers)) < len(records):
            if records[begun].key in held:
                answers.append(Overtaking("waits for one before it, which cannot be sent"))
                continue
            try:
                answers += await self._send_batch(place, records, begun, held)
            except TooLarge as error:
                held.add(records[begun].key)
                answers.append(error)
            except (TopicRefused, KafkaError, OSError, TimeoutError) as error:
                answers += [error] * (len(records) - begun)
        return answers

    async def send(self, records: Sequence[OutgoingRecord]) -> list[SendResult]:
        """Send all, partitions in parallel, and wait until Kafka has answered for each.

        A topic that cannot be reached delays no other.
        """
        by_topic: defaultdict[str, list[int]] = defaultdict(list)
        for number, record in enumerate(records):
            by_topic[record.topic].append(number)
        answers: list[SendResult] = [AssertionError("not sent")] * len(records)

        async def send_topic(topic: str, numbers: Sequence[int]) -> None:
            try:
                await self.locate(topic)
            except (TopicRefused, KafkaError, OSError, TimeoutError) as error:
                for number in numbers:
                    answers[number] = error
                return
            by_place: defaultdict[TopicPartition, list[int]] = defaultdict(list)
            for number in numbers:
                place = self.place(topic, records[number].key)
                assert place is not None, "it was located"
                by_place[place].append(number)
            await asyncio.gather(*(send_place(*place) for place in by_place.items()))

        async def send_place(place: TopicPartition, numbers: Sequence[int]) -> None:
            results = await self.deliver(place, [records[number] for number in numbers])
            for number, answer in zip(numbers, results, strict=True):
                answers[number] = answer

        await asyncio.gather(*(send_topic(*topic) for topic in by_topic.items()))
        return answers

    async def send_all(self, records: Sequence[OutgoingRecord]) -> None:
        """Send all and wait for the answers, or raise the first error."""
        for answer in await self.send(records):
            if isinstance(answer, Exception):
                raise answer

    async def topics(self, timeout_seconds: float = 2.0) -> set[str]:
        """Ask the broker which topics exist, as far as this process may know of them.

        Raises NotAuthenticated, KafkaError, OSError or TimeoutError.
        """
        async with asyncio.timeout(timeout_seconds), self._producing() as connection:
            client = connection.producer.client
            try:
                metadata = await client.fetch_all_metadata()
            except KafkaError:  # a broker has ended an old session: a new one begins now
                self._kafka.check()
                metadata = await client.fetch_all_metadata()
        self._kafka.check()
        return set(metadata.topics())

    async def existing(self, wanted: Collection[str], timeout_seconds: float = 2.0) -> set[str]:
        """Ask the broker which of these topics exist.

        Raises NoRight for those that this process may not know of, and as `topics` does.
        """
        found = await self.topics(timeout_seconds)
        hidden = set(wanted) - found
        if hidden and self._kafka.login is not None:
            named = ClusterMetadata()
            async with asyncio.timeout(timeout_seconds), self._producing() as connection:
                # Asked by name, brokers tell a topic that is hidden from one that does not exist.
                await connection.producer.client._metadata_update(named, hidden)
            if named.unauthorized_topics:
                names = ", ".join(sorted(named.unauthorized_topics))
                raise NoRight(f"{self._kafka.principal} lacks the right Describe on topic {names}")
        return found & set(wanted)

    async def stop(self) -> None:
        """Let what is in flight finish, for at most five seconds, and close."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        if self._connection is not None:
            self._retire(self._connection)
        if self._stopping:
            await asyncio.wait(self._stopping.keys(), timeout=STOP_SECONDS)
        if self._stopping:
            for connection in self._stopping.values():
                connection.idle.set()  # what is still in flight is not waited for
            await asyncio.wait(self._stopping.keys())

    async def _send_batch(
        self,
        place: TopicPartition,
        records: Sequence[OutgoingRecord],
        begun: int,
        held: set[bytes | None],
    ) -> list[RecordMetadata]:
        """Send the records from `begun` on that fit into one batch; retry with fewer if too large.

        Raises TooLarge for the first record, and TopicRefused, KafkaError and OSError for all.
        """
        while True:
            async with self._producing() as connection:
                batch, count = filled(connection.producer, records, begun, held)
                try:
                    first = await answer_of(
                        await connection.producer.send_batch(
                            batch, place.topic, partition=place.partition
                        )
                    )
                except UnknownTopicOrPartitionError as error:
                    self._partitions.pop(place.topic, None)
                    raise TopicRefused(place.topic, error) from error
                except BaseException as error:
                    # A refused batch may have used up a number in the producer's sequence.
                    self._retire(connection)
                    if isinstance(error, TopicAuthorizationFailedError):
                        raise TopicRefused(place.topic, error) from error
                    if not isinstance(error, MessageSizeTooLargeError):
                        raise
                    if count == 1:
                        raise TooLarge(f"{type(error).__name__}: {error}") from error
                    self._batch_bytes = max(1, self._batch_bytes // 8)
                else:
                    return [first._replace(offset=first.offset + n) for n in range(count)]

    @asynccontextmanager
    async def _producing(self) -> AsyncIterator[ProducerInUse]:
        """A producer that is not stopped while it is in use. Raises KafkaError."""
        connection = self._connection or await self._started()
        connection.in_use += 1
        try:
            yield connection
        finally:
            connection.in_use -= 1
            if connection.in_use == 0:
                connection.idle.set()

    async def _started(self) -> ProducerInUse:
        """A new producer; concurrent callers wait for the same one. Raises KafkaError."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start())
        starting = self._starting
        try:
            return await asyncio.shield(starting)
        finally:
            if starting.done() and self._starting is starting:
                self._starting = None

    async def _start(self) -> ProducerInUse:
        producer = self._connect(
            **self._kafka.options(),
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=self._timeout_ms,
            max_request_size=LARGEST_DEAD_LETTER,
            max_batch_size=self._batch_bytes,
            linger_ms=0,
            metadata_max_age_ms=_METADATA_MS,
        )
        try:
            await self._kafka.start(producer)
        except BaseException:
            await producer.stop()
            raise
        self._connection = ProducerInUse(producer)
        return self._connection

    def _retire(self, connection: ProducerInUse) -> None:
        """Use it no more, and stop it once nothing uses it."""
        if self._connection is connection:
            self._connection = None
            stopping = asyncio.ensure_future(stop(connection))
            self._stopping[stopping] = connection
            stopping.add_done_callback(self._stopping.pop)
