"""Kafka out: one idempotent producer a process, built anew when it is beyond repair."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from shared.contracts.topics import LARGEST_DEAD_LETTER, LARGEST_RECORD
from shared.messaging.failures import Unsendable

_ONE_TOPICS_FAULT: Final = (UnknownTopicOrPartitionError, TopicAuthorizationFailedError)
_ROOM_FOR_THE_REST: Final = 65_536  # bytes of a record that are not its value
_BATCH_BYTES: Final = LARGEST_RECORD // 2  # a topic's largest record is its largest batch too
_STOP_SECONDS: Final = 5.0


class TooLarge(Unsendable):
    """A record that is larger than its topic takes, which no operator can mend."""


class BatchTooLarge(OSError):
    """Records that a topic takes one by one only; the next try puts fewer together."""


class Overtaking(Unsendable):
    """A record that would overtake one of its key that cannot be sent."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record as Kafka takes it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(slots=True)
class _Batch:
    """Records of one partition that go together, in their order."""

    size: int = 0
    answer: asyncio.Future[RecordMetadata] | Exception | None = None  # of the first; None: not sent


_Way: TypeAlias = tuple[_Batch, int] | Exception
"""A record's batch and its place there, or the error that kept it from setting out."""


@dataclass(frozen=True, slots=True)
class Handed:
    """Records on their way."""

    producer: AIOKafkaProducer
    ways: Sequence[_Way]


class Publisher:
    """Sends records, keeping their order in each partition (idempotent, acks=all).

    The producer is started by the first send, and thrown away after an error that is not one
    record's own: an idempotent producer that lost its sequence never recovers (aiokafka#1017).
    """

    def __init__(self, bootstrap: str, *, client_id: str, timeout_seconds: float = 10.0) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._timeout_ms = int(timeout_seconds * 1000)
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._batch_bytes = _BATCH_BYTES

    async def hand(self, records: Sequence[Outgoing]) -> Handed:
        """Hand all to the producer, in order, waiting for no answer but those on the largest.

        What follows a record of its key that did not set out does not set out either: it would
        overtake. A topic that could not be reached is not tried again for the rest, since each
        try may last as long as a request. Raises KafkaError where there is no broker to begin with.
        """
        producer = await self._ready()
        handing = _Handing(producer)
        for record in records:
            await handing.add(record)
        await handing.submit_all()
        return Handed(producer, handing.ways)

    async def answers(self, handed: Handed) -> list[RecordMetadata | Exception]:
        """Wait until Kafka has answered for each record: its place there, or its error.

        `Unsendable` marks what is that record's own fault. While the broker is away this waits.
        """
        batches = {id(way[0]): way[0] for way in handed.ways if isinstance(way, tuple)}
        heard = await asyncio.gather(
            *(b.answer for b in batches.values() if isinstance(b.answer, asyncio.Future)),
            return_exceptions=True,
        )
        results = [_answer(way) for way in handed.ways]
        faults = [result for result in results if isinstance(result, Exception)]
        if any(isinstance(fault, BatchTooLarge) for fault in faults):
            self._batch_bytes = max(1, self._batch_bytes // 8)
        # What the broker refused has used up a number in the producer's sequence.
        refused = any(isinstance(answer, Exception) for answer in heard)
        if refused or any(not isinstance(fault, Unsendable) for fault in faults):
            await self._discard(handed.producer)
        return results

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        """Send all and wait for the answers, or raise the first error."""
        for result in await self.answers(await self.hand(records)):
            if isinstance(result, Exception):
                raise result

    async def topics(self, timeout_seconds: float = 2.0) -> set[str]:
        """Ask the broker which topics there are. Raises KafkaError, OSError or TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            producer = await self._ready()
            metadata = await producer.client.fetch_all_metadata()
        return set(metadata.topics())

    async def stop(self) -> None:
        """Let what is under way finish, for some seconds, and close."""
        if self._producer is not None:
            await self._discard(self._producer)

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._client_id,
                    acks="all",
                    enable_idempotence=True,
                    request_timeout_ms=self._timeout_ms,
                    max_request_size=LARGEST_DEAD_LETTER,
                    max_batch_size=self._batch_bytes,
                    linger_ms=0,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
        with suppress(KafkaError, OSError, TimeoutError):
            await asyncio.wait_for(producer.stop(), _STOP_SECONDS)


class _Handing:
    """Puts records into batches, one partition's in each, and hands these to the producer.

    A batch costs the producer as much as a record does.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.ways: list[_Way] = []
        self._producer = producer
        self._partition_of = DefaultPartitioner()
        self._partitions: dict[str, list[int]] = {}
        self._open: dict[tuple[str, int], tuple[BatchBuilder, _Batch]] = {}
        self._closed: dict[str, Exception] = {}
        self._held: set[tuple[str, bytes | None]] = set()

    async def add(self, record: Outgoing) -> None:
        """Put a record into a batch; those that became full set out."""
        if record.topic in self._closed:
            self.ways.append(self._closed[record.topic])
        elif (record.topic, record.key) in self._held:
            self.ways.append(Overtaking("waits for one before it, which cannot be sent"))
        else:
            try:
                self.ways.append(await self._add(record))
            except MessageSizeTooLargeError as error:
                self._held.add((record.topic, record.key))
                self.ways.append(error)
            except (KafkaError, OSError, TimeoutError) as error:
                self._closed[record.topic] = error
                self.ways.append(error)

    async def submit_all(self) -> None:
        """Let all that is open set out."""
        for place in list(self._open):
            with suppress(KafkaError, OSError, TimeoutError):  # it is its batch's answer
                await self._submit(place)

    async def _add(self, record: Outgoing) -> _Way:
        partitions = self._partitions.get(record.topic)
        if partitions is None:
            partitions = sorted(await self._producer.partitions_for(record.topic))
            self._partitions[record.topic] = partitions
        # aiokafka sends nothing that has neither; an empty key says no more than none.
        key = b"" if record.key is None and record.value is None else record.key
        place = record.topic, self._partition_of(key, partitions, partitions)
        if len(record.value or b"") + _ROOM_FOR_THE_REST > LARGEST_RECORD:
            await self._submit(place)
            return await self._add_alone(place, key, record)
        opened = self._open.get(place)
        if opened is None or not _has_taken(opened[0], key, record):
            await self._submit(place)
            opened = self._open[place] = self._producer.create_batch(), _Batch()
            _has_taken(opened[0], key, record)  # the first one is taken, whatever its size
        batch = opened[1]
        batch.size += 1
        return batch, batch.size - 1

    async def _add_alone(
        self, place: tuple[str, int], key: bytes | None, record: Outgoing
    ) -> tuple[_Batch, int]:
        """Send one of which only the broker knows whether it is too large, and wait for that."""
        answer: asyncio.Future[RecordMetadata] = await self._producer.send(
            record.topic,
            value=record.value,
            key=key,
            partition=place[1],
            headers=list(record.headers),
        )
        await asyncio.wait({answer})
        if not answer.cancelled() and isinstance(answer.exception(), MessageSizeTooLargeError):
            self._held.add((record.topic, record.key))
        return _Batch(1, answer), 0

    async def _submit(self, place: tuple[str, int]) -> None:
        """Let the open batch of a partition set out, if there is one.

        Raises what keeps it from that; the batch has it for its answer.
        """
        opened = self._open.pop(place, None)
        if opened is None:
            return
        builder, batch = opened
        topic, partition = place
        batch.answer = self._closed.get(topic)
        if batch.answer is not None:
            return
        builder.close()
        try:
            batch.answer = await self._producer.send_batch(builder, topic, partition=partition)
        except (KafkaError, OSError, TimeoutError) as error:
            batch.answer = self._closed[topic] = error
            raise


def _has_taken(builder: BatchBuilder, key: bytes | None, record: Outgoing) -> bool:
    """Whether a batch had room for the record."""
    headers = list(record.headers)
    taken = builder.append(timestamp=None, key=key, value=record.value, headers=headers)
    return taken is not None


def _answer(way: _Way) -> RecordMetadata | Exception:
    """What has become of a record, by the answer on its batch. Raises what is no answer."""
    if isinstance(way, Exception):
        return _sorted(way, 1)
    batch, number = way
    answer = batch.answer
    if isinstance(answer, Exception):
        return _sorted(answer, batch.size)
    assert answer is not None, "it was handed over"
    error = answer.exception()  # raises where it was cancelled, which is nobody's answer
    if isinstance(error, Exception):
        return _sorted(error, batch.size)
    first = answer.result()
    return first._replace(offset=first.offset + number) if number else first


def _sorted(error: Exception, together: int) -> Exception:
    """An error by whose fault it is; `together` is how many records it is the answer for."""
    if isinstance(error, MessageSizeTooLargeError):
        told = f"{type(error).__name__}: {error}"
        return BatchTooLarge(told) if together > 1 else TooLarge(told)
    if isinstance(error, _ONE_TOPICS_FAULT):
        return Unsendable(f"{type(error).__name__}: {error}")
    return error
