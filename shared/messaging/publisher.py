"""Kafka out: one idempotent producer a process, built anew when it is beyond repair."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import RecordMetadata

from shared.contracts.topics import LARGEST_DEAD_LETTER, LARGEST_RECORD
from shared.messaging.failures import Unsendable

_ONE_TOPICS_FAULT = (UnknownTopicOrPartitionError, TopicAuthorizationFailedError)
_ROOM_FOR_THE_REST = 65_536  # bytes of a record that are not its value
_STOP_SECONDS = 5.0


class TooLarge(Unsendable):
    """A record that is larger than its topic takes, which no operator can mend."""


class Overtaking(Unsendable):
    """A record that would overtake one of its key that cannot be sent."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record as Kafka takes it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Handed:
    """Records on their way: a future each, or the error that kept one from setting out."""

    producer: AIOKafkaProducer
    futures: Sequence[asyncio.Future[RecordMetadata] | Exception]


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

    async def hand(self, records: Sequence[Outgoing]) -> Handed:
        """Hand all to the producer, in order, waiting for no answer but those on the largest.

        What follows a record of its key that did not set out does not set out either: it would
        overtake. A topic that could not be reached is not tried again for the rest, since each
        try may last as long as a request. Raises KafkaError where there is no broker to begin with.
        """
        producer = await self._ready()
        closed: dict[str, Exception] = {}
        held: set[tuple[str, bytes | None]] = set()
        futures: list[asyncio.Future[RecordMetadata] | Exception] = []
        for record in records:
            answer: asyncio.Future[RecordMetadata] | Exception
            if record.topic in closed:
                answer = closed[record.topic]
            elif (record.topic, record.key) in held:
                answer = Overtaking("waits for one before it, which cannot be sent")
            else:
                answer = await _handed(producer, record)
                if await _is_too_large(answer, record):
                    held.add((record.topic, record.key))
                elif isinstance(answer, Exception):
                    closed[record.topic] = answer
            futures.append(answer)
        return Handed(producer, futures)

    async def answers(self, handed: Handed) -> list[RecordMetadata | Exception]:
        """Wait until Kafka has answered for each record: its place there, or its error.

        `Unsendable` marks what is that record's own fault. While the broker is away this waits.
        """
        waiting = [future for future in handed.futures if not isinstance(future, Exception)]
        heard = await asyncio.gather(*waiting, return_exceptions=True)
        answers = iter(heard)
        results = [
            _sorted(future if isinstance(future, Exception) else next(answers))
            for future in handed.futures
        ]
        faults = [result for result in results if isinstance(result, Exception)]
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
                    max_batch_size=131_072,
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


async def _is_too_large(
    answer: asyncio.Future[RecordMetadata] | Exception, record: Outgoing
) -> bool:
    """Whether a record is refused for its size; where only the broker knows, it is waited for."""
    if isinstance(answer, Exception):
        return isinstance(answer, MessageSizeTooLargeError)
    if len(record.value or b"") + _ROOM_FOR_THE_REST <= LARGEST_RECORD:
        return False
    await asyncio.wait({answer})
    return not answer.cancelled() and isinstance(answer.exception(), MessageSizeTooLargeError)


async def _handed(
    producer: AIOKafkaProducer, record: Outgoing
) -> asyncio.Future[RecordMetadata] | Exception:
    # aiokafka sends nothing that has neither; an empty key says no more than none.
    key = b"" if record.key is None and record.value is None else record.key
    try:
        future: asyncio.Future[RecordMetadata] = await producer.send(
            record.topic, value=record.value, key=key, headers=list(record.headers)
        )
    except (KafkaError, OSError, TimeoutError) as error:
        return error
    return future


def _sorted(answer: RecordMetadata | BaseException) -> RecordMetadata | Exception:
    if isinstance(answer, MessageSizeTooLargeError):
        return TooLarge(f"{type(answer).__name__}: {answer}")
    if isinstance(answer, _ONE_TOPICS_FAULT):
        return Unsendable(f"{type(answer).__name__}: {answer}")
    if isinstance(answer, Exception):
        return answer
    if isinstance(answer, BaseException):  # cancellation and the like are nobody's answer
        raise answer
    return answer
