"""aiokafka's consumer, as this project needs it. Seen with aiokafka 0.14, each with a test:

A read that fails has moved positions of the partitions that it had come to, and drops their
records. So whoever reads goes back to where the read began: no record is ever passed over by a
failure, and what a read skips (aborted records, markers of transactions) is no gap (`Span`).

One partition that cannot be read fails the reads of all. So `SteadyConsumer` sets aside whatever
makes a read fail, and goes on with the others.

Where records lie unread for 0.1 s, it asks their broker for the other partitions alone. If those
are idle, as a topic of replays is, the answer takes half a second (`fetch.max.wait.ms`), and
nothing else is asked of that broker meanwhile: whoever takes longer than that over a batch gets
the next one in gusts. So `SteadyConsumer` asks for nothing while something lies unread.

What lies unread was fetched when the batch before was handed out, so it is the first that came
since, and the rest waits for one more batch to go by. So where something lies there,
`SteadyConsumer` reads it together with what came meanwhile.
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

_UNREAD_SECONDS: Final = 3_600.0  # for as long as records lie unread, in effect
_MEANWHILE_MS: Final = 5  # a fetch of what is there already takes less
_TELL_SECONDS: Final = 0.5  # at most so often

OFFSET_ERRORS: Final = (OffsetOutOfRangeError, NoOffsetForPartitionError)
"""What a read says of a partition where the reader stands nowhere that Kafka holds."""


Fetched: TypeAlias = dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class OffsetSpan:
    """What reads in a row have covered of a partition: everything from `begin` up to `end`.

    `last` is the offset of the last record in it; None where there is none, but at most markers
    and aborted records. A reader that is put elsewhere begins another one.
    """

    begin: int
    end: int
    last: int | None

    def covers(self, begin: int, last: int) -> bool:
        """Whether everything was read from an offset on up to that of a record."""
        return self.begin <= begin and self.last is not None and last <= self.last


class ForgivingConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is untyped here
    """A consumer whose reads fail for what the broker says, not for what a record holds.

    It takes what was committed alone. A read that fails passes over nothing.
    """

    def __init__(self, *topics: str, **options: Any) -> None:
        # The fetcher looks these up for each answer.
        fetcher.MemoryRecords = ForgivingRecords
        fetcher.PartitionRecords = NamedPartitionRecords
        super().__init__(*topics, **{"isolation_level": "read_committed", **options})
        self._spans: dict[TopicPartition, OffsetSpan] = {}
        self._sought: set[TopicPartition] = set()  # since the last read began

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read a partition from there on, as aiokafka does. Raises IllegalStateError."""
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
        """What is covered now. A partition's place moves by reads and seeks alone, but at first."""
        known = self._spans.get(partition)
        if known is None or (known.end != before and partition not in self._sought):
            begin = end if before is None else before
            known = OffsetSpan(records[0].offset if records else min(begin, end), end, None)
        return OffsetSpan(known.begin, end, records[-1].offset if records else known.last)

    def span(self, partition: TopicPartition) -> OffsetSpan | None:
        """What reads in a row have covered of a partition; None where it was not assigned."""
        return self._spans.get(partition)

    def end(self, partition: TopicPartition) -> int | None:
        """Where what was committed ends in a partition, by its last read.

        None where it was not read, or taken away: aiokafka's own fails an assertion there.
        """
        assigned = partition in self.assignment()
        return self.last_stable_offset(partition) if assigned else None

    def _positions(self) -> dict[TopicPartition, int]:
        """Where it stands in each partition; those that have no place yet are left out."""
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
    """A consumer that reads all of its partitions together, but for those that it set aside."""

    def __init__(
        self, *topics: str, tell: Callable[[], None] = lambda: None, **options: Any
    ) -> None:
        """`tell` is called where a partition waits for somebody to say where it is to be read."""
        super().__init__(*topics, **options)
        self._tell = tell
        self._tell_at = 0.0  # by the loop's clock
        self._asked_to_pause: set[TopicPartition] = set()
        self._put_elsewhere: set[TopicPartition] = set()  # since something was found
        self._aside: dict[TopicPartition, KafkaError | None] = {}

    async def start(self) -> None:
        """Connect and begin to fetch, as aiokafka does."""
        await super().start()
        self._fetcher._prefetch_backoff = _UNREAD_SECONDS

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read a partition from there on, as aiokafka does. Raises IllegalStateError."""
        super().seek(partition, offset)
        self._put_elsewhere.add(partition)

    # -- its place in the group -----------------------------------------------------------------

    @property
    def is_member(self) -> bool:
        """Whether the group counts on it as it is: it is sending heartbeats, and not to join anew.

        While it joins, aiokafka sends none.
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
        """Commit as aiokafka does, but while the group is being joined. Raises KafkaError.

        A broker answers one request of a connection after the other. So a commit that is sent
        meanwhile is answered just behind the joining, and refused, since it is of the member as it
        was before; aiokafka takes that for the loss of what it has just become, and joins again,
        with the next commit behind it. A group whose coordinator was lost never came to rest so.
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
        """Go on reading partitions; one that was set aside waits on until it is taken back."""
        self._asked_to_pause -= set(partitions)
        super().resume(*(p for p in partitions if p not in self._aside))

    def aside(self) -> Mapping[TopicPartition, KafkaError | None]:
        """The partitions that were set aside, each with the error that a read of it met."""
        assigned = self.assignment()
        return {p: error for p, error in self._aside.items() if p in assigned}

    def set_aside(self, partition: TopicPartition, error: KafkaError | None = None) -> None:
        """Read no more of a partition until it is taken back."""
        with suppress(IllegalStateError):  # taken away meanwhile
            super().pause(partition)
            self._aside[partition] = error

    def take_back(self, partition: TopicPartition) -> None:
        """Read a partition again that was set aside."""
        self._aside.pop(partition, None)
        if partition not in self._asked_to_pause:
            with suppress(IllegalStateError):
                super().resume(partition)

    # -- what is read -------------------------------------------------------------------------

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Fetched:
        """Read what lies there and what came meanwhile; where nothing does, wait as aiokafka does.

        Raises KafkaError, and ValueError where partitions are named: what lies unread in others
        would keep them waiting for ever.
        """
        if partitions:
            raise ValueError("a steady consumer reads all of its partitions")
        found = await self._read(timeout_ms=0, max_records=max_records)
        if not found:
            return await self._read(timeout_ms=timeout_ms, max_records=max_records)
        left = None if max_records is None else max_records - sum(map(len, found.values()))
        if left == 0:
            return found
        self._put_elsewhere.clear()
        since: Fetched = {}
        with suppress(KafkaError):  # it comes again where it is not over
            since = await self._read(timeout_ms=_MEANWHILE_MS, max_records=left)
        for partition in self._put_elsewhere:
            found.pop(partition, None)  # it is read from another place now
        for partition, records in since.items():
            found.setdefault(partition, []).extend(records)
        return found

    async def _read(self, *, timeout_ms: int, max_records: int | None) -> Fetched:
        """Read, and set aside whatever makes that fail. Raises KafkaError that names nothing."""
        while True:
            try:
                return await super().getmany(timeout_ms=timeout_ms, max_records=max_records)
            except KafkaError as error:
                named = self._named_by(error)
                if not named:
                    _log.warning("read failed", error=f"{type(error).__name__}: {error}")
                    raise
                faulty = {p for p in named - self._aside.keys() if not self._is_over(p, error)}
                for partition in faulty:
                    self._set_aside_for(partition, error)
                if not faulty:  # aiokafka tells of a place that is none again and again
                    return {}

    def _is_over(self, partition: TopicPartition, error: KafkaError) -> bool:
        """Whether a partition was put elsewhere since its place was found to be none."""
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
        if isinstance(error, OFFSET_ERRORS) and now >= self._tell_at:
            self._tell_at = now + _TELL_SECONDS
            self._tell()

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
