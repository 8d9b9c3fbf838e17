"""Kafka's own offsets of a group: they follow the stored positions, for lag tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.messaging.inbound.kafka_consumer import KafkaConsumer
from shared.runtime.clocks import MachineClock

_log = structlog.get_logger(__name__)

_PAUSE_SECONDS: Final = 0.5  # from one commit to the next
_WAIT_SECONDS: Final = 0.1  # how long a commit is waited for
_TIMEOUT_SECONDS: Final = 5.0  # of a commit: aiokafka itself tries for ever


class OffsetCommits:
    """Commits offsets to Kafka. Nothing depends on them, so nothing waits long for them."""

    def __init__(
        self, group: str, clock: MachineClock, next_of: Callable[[TopicPartition], int | None]
    ) -> None:
        """`next_of` gives the offset to commit of a partition; None if it is not assigned."""
        self._group = group
        self._clock = clock
        self._next_of = next_of
        self._behind: set[TopicPartition] = set()  # partitions whose offset in Kafka is too low
        self._next_at = 0.0  # monotonic
        self._committing: asyncio.Task[None] | None = None

    def note(self, partitions: Iterable[TopicPartition]) -> None:
        """Note that the offsets of these have to be committed."""
        self._behind.update(partitions)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Commit nothing more of these."""
        self._behind.difference_update(partitions)

    @property
    def is_due(self) -> bool:
        """Whether the last commit is half a second ago."""
        return self._clock.monotonic() >= self._next_at

    async def commit(self, kafka: KafkaConsumer) -> None:
        """Commit what was noted, and wait for a tenth of a second. Raises nothing."""
        self._next_at = self._clock.monotonic() + _PAUSE_SECONDS
        if self._committing is None or self._committing.done():
            offsets = {p: next_ for p in self._behind if (next_ := self._next_of(p)) is not None}
            if not offsets:
                return
            self._committing = asyncio.ensure_future(self._commit(offsets, kafka))
        await asyncio.wait({self._committing}, timeout=_WAIT_SECONDS)

    async def _commit(self, offsets: dict[TopicPartition, int], kafka: KafkaConsumer) -> None:
        """A failure is only logged; the next commit has these offsets too."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await kafka.commit(offsets)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            _log.info(
                "offset not committed", group=self._group, why=f"{type(error).__name__}: {error}"
            )
        else:
            self._behind -= {p for p, offset in offsets.items() if self._next_of(p) == offset}
