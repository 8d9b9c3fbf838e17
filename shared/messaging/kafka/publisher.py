"""Kafka out: one idempotent producer a process, built anew when it is beyond repair.

Of each partition one batch is under way at a time. An idempotent producer numbers its batches, and
one that a broker refuses has used up its number: what was queued behind it would be refused as
well, or, by a broker that does not know the producer yet, be taken and overtake it. So the next
batch sets out once Kafka has taken the one before, and partitions go side by side.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerClosed,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from shared.contracts.topics import LARGEST_DEAD_LETTER, LARGEST_RECORD
from shared.messaging.core.errors import Unsendable

_ONE_TOPICS_FAULT: Final = (UnknownTopicOrPartitionError, TopicAuthorizationFailedError)
_BATCH_BYTES: Final = LARGEST_RECORD // 2  # a topic's largest record is its largest batch too
_STOP_SECONDS: Final = 5.0

# How late the producer hears of another leader. One that is cut off from the others takes batches
# and answers each with a time-out, which tells the producer nothing of its successor.
_NEWS_MS: Final = 5_000


class TooLarge(Unsendable):
    """A record that is larger than its topic takes, which no operator can mend."""


class TopicRefused(Unsendable):
    """There is no such topic, or no right to write to it: all of its records are concerned."""


class Overtaking(Unsendable):
    """A record that would overtake one of its key that cannot be sent."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record as Kafka takes it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


SendResult: TypeAlias = RecordMetadata | Exception
"""A record's place in Kafka, or why it has none; `Unsendable` is that record's own fault."""

Connect: TypeAlias = Callable[..., AIOKafkaProducer]
"""Builds a producer from the options of aiokafka's."""


@dataclass(slots=True)
class _Line:
    """A producer, and how many batches it has under way."""

    producer: AIOKafkaProducer
    under_way: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Publisher:
    """Sends records, keeping their order in each partition (idempotent, acks=all).

    The producer is started by the first send. After an error of a batch it takes no more: an
    idempotent producer that lost its sequence never recovers (aiokafka#1017). What other
    partitions have under way with it then is waited for.
    """

    def __init__(
        self,
        bootstrap: Sequence[str],
        *,
        client_id: str,
        timeout_seconds: float = 10.0,
        connect: Connect = AIOKafkaProducer,
    ) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._timeout_ms = int(timeout_seconds * 1000)
        self._connect = connect
        self._line: _Line | None = None
        self._starting: asyncio.Task[_Line] | None = None
        self._stopping: dict[asyncio.Task[None], _Line] = {}
        self._batch_bytes = _BATCH_BYTES
        self._partition_of = DefaultPartitioner()
        self._partitions: dict[str, list[int]] = {}

    # -- where records go ---------------------------------------------------------------------

    def place(self, topic: str, key: bytes | None) -> TopicPartition | None:
        """The partition of a key; None where the topic was not asked for yet (`locate`)."""
        partitions = self._partitions.get(topic)
        if partitions is None:
            return None
        return TopicPartition(topic, self._partition_of(key, partitions, partitions))

    async def locate(self, topic: str) -> None:
        """Ask for the partitions of a topic, once. Raises TopicRefused, KafkaError and OSError."""
        if topic in self._partitions:
            return
        async with self._producing() as line:
            try:
                self._partitions[topic] = sorted(await line.producer.partitions_for(topic))
            except _ONE_TOPICS_FAULT as error:
                raise _refused(error) from error

    # -- sending ------------------------------------------------------------------------------

    async def deliver(
        self, place: TopicPartition, records: Sequence[OutgoingRecord]
    ) -> list[SendResult]:
        """Send records of one partition in their order; return what became of each.

        What follows a record of its key that is too large is not sent (`Overtaking`); after any
        other failure nothing more is, and the rest has that failure for its answer. While the
        partition takes nothing this waits.
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
        """Send all, partitions side by side, and wait until Kafka has answered for each.

        One topic that cannot be reached holds up no other.
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
            told = await self.deliver(place, [records[number] for number in numbers])
            for number, answer in zip(numbers, told, strict=True):
                answers[number] = answer

        await asyncio.gather(*(send_topic(*topic) for topic in by_topic.items()))
        return answers

    async def send_all(self, records: Sequence[OutgoingRecord]) -> None:
        """Send all and wait for the answers, or raise the first error."""
        for answer in await self.send(records):
            if isinstance(answer, Exception):
                raise answer

    async def topics(self, timeout_seconds: float = 2.0) -> set[str]:
        """Ask the broker which topics there are. Raises KafkaError, OSError or TimeoutError."""
        async with asyncio.timeout(timeout_seconds), self._producing() as line:
            metadata = await line.producer.client.fetch_all_metadata()
        return set(metadata.topics())

    async def stop(self) -> None:
        """Let what is under way finish, for some seconds, and close."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        if self._line is not None:
            self._retire(self._line)
        if self._stopping:
            await asyncio.wait(self._stopping.keys(), timeout=_STOP_SECONDS)
        if self._stopping:
            for line in self._stopping.values():
                line.idle.set()  # what is under way still is not waited for
            await asyncio.wait(self._stopping.keys())

    async def _send_batch(
        self,
        place: TopicPartition,
        records: Sequence[OutgoingRecord],
        begun: int,
        held: set[bytes | None],
    ) -> list[RecordMetadata]:
        """Send as many as go together, from one on; several that are too large go in fewer.

        Raises TooLarge for the first alone, TopicRefused, KafkaError and OSError for all.
        """
        while True:
            async with self._producing() as line:
                batch, count = _filled(line.producer, records, begun, held)
                try:
                    first = await _answer(
                        await line.producer.send_batch(
                            batch, place.topic, partition=place.partition
                        )
                    )
                except UnknownTopicOrPartitionError as error:
                    self._partitions.pop(place.topic, None)
                    raise _refused(error) from error
                except BaseException as error:
                    # What was not taken may have used up a number in the producer's sequence.
                    self._retire(line)
                    if isinstance(error, TopicAuthorizationFailedError):
                        raise _refused(error) from error
                    if not isinstance(error, MessageSizeTooLargeError):
                        raise
                    if count == 1:
                        raise TooLarge(f"{type(error).__name__}: {error}") from error
                    self._batch_bytes = max(1, self._batch_bytes // 8)
                else:
                    return [first._replace(offset=first.offset + n) for n in range(count)]

    @asynccontextmanager
    async def _producing(self) -> AsyncIterator[_Line]:
        """A producer that is kept for as long as it is used. Raises KafkaError."""
        line = self._line or await self._started()
        line.under_way += 1
        try:
            yield line
        finally:
            line.under_way -= 1
            if line.under_way == 0:
                line.idle.set()

    async def _started(self) -> _Line:
        """A new producer; whoever wants one meanwhile waits for the same. Raises KafkaError."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start())
        starting = self._starting
        try:
            return await asyncio.shield(starting)
        finally:
            if starting.done() and self._starting is starting:
                self._starting = None

    async def _start(self) -> _Line:
        producer = self._connect(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=self._timeout_ms,
            max_request_size=LARGEST_DEAD_LETTER,
            max_batch_size=self._batch_bytes,
            linger_ms=0,
            metadata_max_age_ms=_NEWS_MS,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._line = _Line(producer)
        return self._line

    def _retire(self, line: _Line) -> None:
        """Give it nothing more, and stop it once nothing is under way with it."""
        if self._line is line:
            self._line = None
            stopping = asyncio.ensure_future(_stop(line))
            self._stopping[stopping] = line
            stopping.add_done_callback(self._stopping.pop)


def _filled(
    producer: AIOKafkaProducer,
    records: Sequence[OutgoingRecord],
    begun: int,
    held: set[bytes | None],
) -> tuple[BatchBuilder, int]:
    """A closed batch of as many records as have room in one, and their number: one at least."""
    batch, count = producer.create_batch(), 0
    for record in records[begun:]:
        if record.key in held:
            break
        # aiokafka sends nothing that has neither; an empty key says no more than none.
        key = b"" if record.key is None and record.value is None else record.key
        headers: Any = list(record.headers)
        # The first one is taken, whatever its size: only the broker knows what is too large.
        if batch.append(timestamp=None, key=key, value=record.value, headers=headers) is None:
            break
        count += 1
    batch.close()
    return batch, count


async def _answer(handed: asyncio.Future[RecordMetadata]) -> RecordMetadata:
    """Wait for the answer on a batch. Raises KafkaError; one that was cancelled is nobody's."""
    await asyncio.wait({handed})
    if handed.cancelled():
        raise ProducerClosed("the producer ended before Kafka answered")
    return handed.result()


async def _stop(line: _Line) -> None:
    if line.under_way:
        line.idle.clear()
        await line.idle.wait()
    with suppress(KafkaError, OSError, TimeoutError):
        await asyncio.wait_for(line.producer.stop(), _STOP_SECONDS)


def _refused(error: KafkaError) -> TopicRefused:
    return TopicRefused(f"{type(error).__name__}: {error}")
