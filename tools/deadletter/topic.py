"""Reads the dead-letter topic of a service, up to its present end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from shared.contracts.topics import LARGEST_DEAD_LETTER
from shared.messaging.core.model import Origin
from shared.messaging.kafka.connection import KafkaConnection
from shared.messaging.kafka.consumers import ForgivingConsumer
from tools.deadletter.dead_letters import (
    DeadLetterNotes,
    RecordPosition,
    StoredDeadLetter,
    keep_latest,
    parse_dead_letter,
    parse_notes,
)

_POLL_MS: Final = 500
_WAIT_MS: Final = 20  # a request for offsets has to wait for a fetch that finds nothing


class DeadLetterTopicMissing(Exception):
    """The service has no dead-letter topic on this Kafka."""


class UnknownDeadLetter(Exception):
    """There is no dead letter with that origin."""


class DeadLetterTopic:
    """Reads the dead letters of one service; to use with `async with`."""

    def __init__(self, kafka: KafkaConnection, topic: str) -> None:
        self._topic = topic
        self._kafka = kafka
        self._consumer = ForgivingConsumer(
            topic,
            **kafka.options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=LARGEST_DEAD_LETTER,
            fetch_max_wait_ms=_WAIT_MS,
        )

    async def __aenter__(self) -> DeadLetterTopic:
        try:
            await self._kafka.start(self._consumer)
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def read_notes(self) -> dict[Origin, DeadLetterNotes]:
        """Return the notes of each dead letter. Raises DeadLetterTopicMissing and KafkaError."""
        found: dict[Origin, DeadLetterNotes] = {}
        async for record in self._records(None):
            keep_latest(found, parse_notes(record))
        return found

    async def read(self, notes: DeadLetterNotes) -> StoredDeadLetter:
        """Read the whole dead letter that has these notes.

        Raises UnknownDeadLetter if the topic no longer holds it, and as `read_notes` does.
        """
        async for record in self._records(notes.position):
            return parse_dead_letter(record)
        raise UnknownDeadLetter("the letter is no longer in its topic")

    async def _records(self, start: RecordPosition | None) -> AsyncIterator[Any]:
        """Yield the records up to the present end of the topic: all, or those from `start` on.

        `start` selects its own partition.
        """
        assigned = self._consumer.assignment()
        if not assigned:
            raise DeadLetterTopicMissing(f"there is no topic {self._topic}; see the tool `topics`")
        partitions = sorted(p for p in assigned if start is None or p.partition == start.partition)
        first_offsets = await self._consumer.beginning_offsets(partitions)
        end_offsets = await self._consumer.end_offsets(partitions)
        unread = set()
        for partition in partitions:
            offset = first_offsets[partition]
            if start is not None:
                offset = max(start.offset, offset)
            self._consumer.seek(partition, offset)
            if offset < end_offsets[partition]:
                unread.add(partition)
        while unread:
            for batch in (await self._consumer.getmany(*unread, timeout_ms=_POLL_MS)).values():
                for record in batch:
                    yield record
            for partition in list(unread):
                if await self._consumer.position(partition) >= end_offsets[partition]:
                    unread.discard(partition)
