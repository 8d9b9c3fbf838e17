"""One batch of records on its way, and the producer that sends it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

STOP_SECONDS: Final = 5.0
"""How long a producer that is stopped may take."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to send."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(slots=True)
class ProducerInUse:
    """A producer, and how many uses of it are in progress."""

    producer: AIOKafkaProducer
    in_use: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


def filled(
    producer: AIOKafkaProducer,
    records: Sequence[OutgoingRecord],
    begun: int,
    held: set[bytes | None],
) -> tuple[BatchBuilder, int]:
    """A closed batch of as many records as fit, at least one, and their number."""
    batch, count = producer.create_batch(), 0
    for record in records[begun:]:
        if record.key in held:
            break
        # aiokafka sends no record without key and value; an empty key means the same as none.
        key = b"" if record.key is None and record.value is None else record.key
        headers: Any = list(record.headers)
        # The first one is accepted whatever its size: only the broker knows what is too large.
        if batch.append(timestamp=None, key=key, value=record.value, headers=headers) is None:
            break
        count += 1
    batch.close()
    return batch, count


async def answer_of(sent: asyncio.Future[RecordMetadata]) -> RecordMetadata:
    """Wait for the answer to a batch. Raises KafkaError, also if the producer has ended."""
    await asyncio.wait({sent})
    if sent.cancelled():
        raise ProducerClosed("the producer ended before Kafka answered")
    return sent.result()


async def stop(connection: ProducerInUse) -> None:
    """Stop a producer once nothing uses it."""
    if connection.in_use:
        connection.idle.clear()
        await connection.idle.wait()
    with suppress(KafkaError, OSError, TimeoutError):
        await asyncio.wait_for(connection.producer.stop(), STOP_SECONDS)
