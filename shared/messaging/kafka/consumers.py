"""aiokafka's consumer, as this project needs it. Seen with aiokafka 0.14, each with a test:

A read that fails has already moved the positions of some partitions, and drops their records. So
the reader goes back to where the read began: no failure skips a record, and what a read skips
(aborted records, markers of transactions) is no gap (`OffsetSpan`).

One partition that cannot be read fails the reads of all. So `SteadyConsumer` sets aside whatever
makes a read fail, and goes on with the others.

If records stay unread for 0.1 s, aiokafka asks their broker for the other partitions only. If those
are idle, as a topic of replays is, the answer takes half a second (`fetch.max.wait.ms`), and that
broker gets no other request meanwhile: a consumer that takes longer than that over a batch gets the
next one in bursts. So `SteadyConsumer` asks for nothing while something is unread.

What is unread was fetched when the batch before was handed out. So it is only the first of what
came since, and the rest would wait for one more batch. So if something is unread, `SteadyConsumer`
reads it together with what came meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from shared.messaging.kafka.decoding import ForgivingRecords, NamedPartitionRecords

_log = structlog.get_logger(__name__)

_UNREAD_SECONDS: Final = 3_600.0  # in effect: as long as records are unread
_MEANWHILE_MS: Final = 5  # longer than a fetch of what is there already
_CALLBACK_SECONDS: Final = 0.5  # from one call of `on_offset_lost` to the next

OFFSET_ERRORS: Final = (OffsetOutOfRangeError, NoOffsetForPartitionError)
"""What a read raises if Kafka does not hold the reader's offset of a partition."""


Fetched: TypeAlias = dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class OffsetSpan:
    """What consecutive reads have covered of a partition: all offsets from `begin` up to `end`.

    `last` is the offset of the last record in it; None if it has only markers and aborted records,
    or nothing. A seek begins another span.
    """

    begin: int
    end: int
    last: int | None

    def covers(self, begin: int, last: int) -> bool:
        """Whether everything was read from the offset `begin` up to the record at `last`."""
        return self.begin <= begin and self.last is not None and last <= self.last


class ForgivingConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is untyped here
    """A consumer whose reads fail for what the broker answers, not for what a record contains.

    It reads only committed records. A read that fails skips nothing.
    """

    def __init__(self, *topics: str, **options: Any) -> None:
        # The fetcher looks these up for each answer.
        fetcher.MemoryRecords = ForgivingRecords
        fetcher.PartitionRecords = NamedPartitionRecords
        super().__init__(*topics, **{"isolation_level": "read_committed", **options})
        self._spans: dict[TopicPartition, OffsetSpan] = {}
        self._sought: set[TopicPartition] = set()  # since the last read began

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read a partition from an offset on, as aiokafka does. Raises IllegalStateError."""
        super().seek(partition, offset)
        self._sought.add(partition)
        self._spans[partition] = OffsetSpan(offset, offset, None)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Fetched:
        """Read as aiokafka does. Raises KafkaError, `decoding.Unreadable` for what is no record."""
        before = self._positions()
        self._sought.clear()
        try:
            found: Fetched = await super().getmany(
                *partitions, timeout_ms=timeout_ms, max_records=max_records
            )
        except KafkaError:
            self._go_back(before)
            raise
        self._spans = {
            partition: self._covered(partition, before.get(partition), end, found.get(partition))
            for partition, end in self._positions().items()
        }
        return found

    def _covered(
        self,
        partition: TopicPartition,
        before: int | None,
        end: int,
        records: list[ConsumerRecord[bytes, bytes]] | None,
    ) -> OffsetSpan:
        """What is covered now. Once it is known, an offset changes only by reads and seeks."""
        known = self._spans.get(partition)
        if known is None or (known.end != before and partition not in self._sought):
            begin = end if before is None else before
            known = OffsetSpan(records[0].offset if records else min(begin, end), end, None)
        return OffsetSpan(known.begin, end, records[-1].offset if records else known.last)

    def span(self, partition: TopicPartition) -> OffsetSpan | None:
        """What consecutive reads have covered of a partition; None if it was not assigned."""
        return self._spans.get(partition)

    def end(self, partition: TopicPartition) -> int | None:
        """The end of what is committed in a partition, as of its last read.

        None if it was not read yet, or was taken away: aiokafka fails an assertion then.
        """
        assigned = partition in self.assignment()
        return self.last_stable_offset(partition) if assigned else None

    def _positions(self) -> dict[TopicPartition, int]:
        """The offset to read next in each partition; those that have none yet are left out."""
        subscription = self._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        if assignment is None:
            return {}
        states = {partition: assignment.state_value(partition) for partition in assignment.tps}
        return {p: state.position for p, state in states.items() if state.has_valid_position}

    def _go_back(self, before: Mapping[TopicPartition, int]) -> None:
        for partition, position in self._positions().items():
            sought = partition in self._sought
            begun = self._spans[partition].end if sought else before.get(partition, position)
            if begun != position:
                with suppress(IllegalStateError):  # taken away meanwhile
                    self.seek(partition, begun)


class SteadyConsumer(ForgivingConsumer):
    """A consumer that reads all of its partitions together, except those that are set aside."""

    def __init__(
        self, *topics: str, on_offset_lost: Callable[[], None] = lambda: None, **options: Any
    ) -> None:
        """`on_offset_lost` is called if a partition was set aside and waits for a seek."""
        super().__init__(*topics, **options)
        self._on_offset_lost = on_offset_lost
        self._callback_at = 0.0  # by the loop's clock
        self._asked_to_pause: set[TopicPartition] = set()
        self._sought_since: set[TopicPartition] = set()  # the first of two reads
        self._aside: dict[TopicPartition, KafkaError | None] = {}
        self.failure: KafkaError | None = None
        """Why the latest read failed as a whole, such as a missing right on the group."""

    async def start(self) -> None:
        """Connect and begin to fetch, as aiokafka does."""
        await super().start()
        self._fetcher._prefetch_backoff = _UNREAD_SECONDS

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read a partition from an offset on, as aiokafka does. Raises IllegalStateError."""
        super().seek(partition, offset)
        self._sought_since.add(partition)

    # -- membership in the group ----------------------------------------------------------------

    @property
    def is_member(self) -> bool:
        """Whether it is a member of the group: it sends heartbeats, and need not join again.

        aiokafka sends no heartbeats while it joins.
        """
        subscription = self._subscription.subscription
        heartbeats = getattr(self._coordinator, "_heartbeat_task", None)
        return (
            subscription is not None
            and not self._coordinator.need_rejoin(subscription)
            and heartbeats is not None
            and not heartbeats.done()
        )

    async def commit(self, offsets: Mapping[TopicPartition, int] | None = None) -> None:
        """Commit as aiokafka does, except while the group is being joined. Raises KafkaError.

        A broker answers the requests of a connection one after the other. So a commit that is sent
        while joining is answered just after the join, and refused, since it has the former member
        id. aiokafka takes that for the loss of the new membership and joins again, with the next
        commit waiting behind. So a group that had lost its coordinator never became stable.
        """
        if not self.is_member:
            raise CommitFailedError("the group is being joined")
        await super().commit(offsets)

    # -- what is not read ---------------------------------------------------------------------

    def pause(self, *partitions: TopicPartition) -> None:
        """Stop reading partitions, as aiokafka does."""
        self._asked_to_pause |= set(partitions)
        super().pause(*partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Go on reading partitions; one that is set aside waits until it is taken back."""
        self._asked_to_pause -= set(partitions)
        super().resume(*(p for p in partitions if p not in self._aside))

    def aside(self) -> Mapping[TopicPartition, KafkaError | None]:
        """The partitions that are set aside, each with the error of its last read, if any."""
        assigned = self.assignment()
        return {p: error for p, error in self._aside.items() if p in assigned}

    def set_aside(self, partition: TopicPartition, error: KafkaError | None = None) -> None:
        """Stop reading a partition until it is taken back."""
        with suppress(IllegalStateError):  # taken away meanwhile
            super().pause(partition)
            self._aside[partition] = error

    def take_back(self, partition: TopicPartition) -> None:
        """Go on reading a partition that was set aside."""
        self._aside.pop(partition, None)
        if partition not in self._asked_to_pause:
            with suppress(IllegalStateError):
                super().resume(partition)

    # -- what is read -------------------------------------------------------------------------

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Fetched:
        """Read what is unread and what came meanwhile; if there is nothing, wait as aiokafka does.

        Raises KafkaError, and ValueError if partitions are named: they might wait for ever behind
        what is unread in the others.
        """
        if partitions:
            raise ValueError("a steady consumer reads all of its partitions")
        found = await self._read(timeout_ms=0, max_records=max_records)
        if not found:
            return await self._read(timeout_ms=timeout_ms, max_records=max_records)
        left = None if max_records is None else max_records - sum(map(len, found.values()))
        if left == 0:
            return found
        self._sought_since.clear()
        since: Fetched = {}
        with suppress(KafkaError):  # the next read meets it again if it persists
            since = await self._read(timeout_ms=_MEANWHILE_MS, max_records=left)
        for partition in self._sought_since:
            found.pop(partition, None)  # it is read from another offset now
        for partition, records in since.items():
            found.setdefault(partition, []).extend(records)
        return found

    async def _read(self, *, timeout_ms: int, max_records: int | None) -> Fetched:
        """Read, and set aside what makes it fail. Raises a KafkaError that names no partition."""
        while True:
            try:
                found: Fetched = await super().getmany(
                    timeout_ms=timeout_ms, max_records=max_records
                )
            except KafkaError as error:
                named = self._named_by(error)
                if not named:
                    self.failure = error
                    _log.warning("read failed", error=f"{type(error).__name__}: {error}")
                    raise
                faulty = {p for p in named - self._aside.keys() if not self._is_over(p, error)}
                for partition in faulty:
                    self._set_aside_for(partition, error)
                if not faulty:  # aiokafka reports a lost offset again and again
                    return {}
            else:
                self.failure = None
                return found

    def _is_over(self, partition: TopicPartition, error: KafkaError) -> bool:
        """Whether a partition was sought since its offset was found to be lost."""
        at = self._positions().get(partition)
        match error:
            case NoOffsetForPartitionError():
                return at is not None
            case OffsetOutOfRangeError():
                return at is not None and error.args[0].get(partition) != at
            case _:
                return False

    def _set_aside_for(self, partition: TopicPartition, error: KafkaError) -> None:
        self.set_aside(partition, error)
        _log.warning(
            "partition set aside",
            topic=partition.topic,
            partition=partition.partition,
            error=f"{type(error).__name__}: {error}",
        )
        now = asyncio.get_running_loop().time()
        if isinstance(error, OFFSET_ERRORS) and now >= self._callback_at:
            self._callback_at = now + _CALLBACK_SECONDS
            self._on_offset_lost()

    def _named_by(self, error: KafkaError) -> set[TopicPartition]:
        """The partitions of this consumer that an error of a read names."""
        named = error.args[0] if error.args else None
        mine: set[TopicPartition] = set(self.assignment())
        match named:
            case TopicPartition():
                return {partition for partition in mine if partition == named}
            case dict():
                return {partition for partition in mine if partition in named}
            case str():
                return {partition for partition in mine if partition.topic == named}
            case _:
                return set()
