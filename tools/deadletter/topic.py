"""The dead-letter topic, read as it stands now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from shared.contracts.topics import LARGEST_DEAD_LETTER
from shared.messaging.core.model import Origin
from shared.messaging.kafka.consumers import ForgivingConsumer
from tools.deadletter.letters import Letter, Notes, Place, add, letter_of, notes_of

_POLL_MS: Final = 500
_WAIT_MS: Final = 20  # a question for offsets waits behind a fetch that finds nothing


class NoTopic(Exception):
    """The service has no dead-letter topic on this Kafka."""


class UnknownLetter(Exception):
    """There is no dead letter of that origin."""


class DeadLetterTopic:
    """Reads the letters of one service; opened with `async with`."""

    def __init__(self, bootstrap: Sequence[str], topic: str) -> None:
        self._topic = topic
        self._consumer = ForgivingConsumer(
            topic,
            bootstrap_servers=list(bootstrap),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=LARGEST_DEAD_LETTER,
            fetch_max_wait_ms=_WAIT_MS,
        )

    async def __aenter__(self) -> DeadLetterTopic:
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def all(self) -> dict[Origin, Notes]:
        """The notes of each letter, once. Raises NoTopic and KafkaError."""
        found: dict[Origin, Notes] = {}
        async for record in self._records(None):
            add(found, notes_of(record))
        return found

    async def letter(self, notes: Notes) -> Letter:
        """A letter with its body, from the place in its notes. Raises UnknownLetter."""
        async for record in self._records(notes.place):
            return letter_of(record)
        raise UnknownLetter("the letter is no longer in its topic")

    async def _records(self, start: Place | None) -> AsyncIterator[Any]:
        """The records up to the end that the topic has now; from a place on, or all."""
        assigned = self._consumer.assignment()
        if not assigned:
            raise NoTopic(f"there is no topic {self._topic}; see the tool `topics`")
        partitions = sorted(p for p in assigned if start is None or p.partition == start.partition)
        begins = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        left = set()
        for partition in partitions:
            begin = begins[partition] if start is None else max(start.offset, begins[partition])
            self._consumer.seek(partition, begin)
            if begin < ends[partition]:
                left.add(partition)
        while left:
            for batch in (await self._consumer.getmany(*left, timeout_ms=_POLL_MS)).values():
                for record in batch:
                    yield record
            for partition in list(left):
                if await self._consumer.position(partition) >= ends[partition]:
                    left.discard(partition)
