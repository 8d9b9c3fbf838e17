"""The offsets of a consumer in each of its partitions, by what its database holds.

A partition is set aside if its position is not known now, or if Kafka does not hold what would have
to be read. Its cause is shown, the others go on, and it is looked at again and again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from pymongo.errors import PyMongoError

from shared.messaging.core.errors import HistoryChanged, PositionMoved
from shared.messaging.core.model import OffsetAdvance, Record
from shared.messaging.core.stalls import StallCause, Stalls, cause_of
from shared.messaging.core.wake_up import WakeUp
from shared.messaging.inbound.kafka_consumer import KafkaConsumer, partition_of, seek
from shared.messaging.inbound.offset_commits import OffsetCommits
from shared.messaging.inbound.partition_stalls import PartitionStalls
from shared.messaging.kafka.consumers import OFFSET_ERRORS, OffsetSpan
from shared.messaging.ledger.positions import Positions
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Lag, Metrics

_log = structlog.get_logger(__name__)

_ASK_SECONDS: Final = 5.0  # how long Kafka may take to say where a partition begins and ends
_TOO_SHORT_CHECKS: Final = 2  # checks that find a topic too short: then it is no passing state


@dataclass(slots=True)
class _Cursor:
    """The offsets of this consumer in a partition."""

    stored: int | None  # the position in the database, as far as this consumer knows
    next: int  # the offset to read next
    valid: bool = True  # False: another process has moved the stored position
    behind_since: float | None = None  # UTC seconds, as `_show_lag` says; None: nothing is unread


class PartitionOffsets:
    """The cursors of one group in one process. The positions in the database are the truth."""

    def __init__(
        self,
        group: str,
        positions: Positions,
        *,
        metrics: Metrics,
        clock: MachineClock,
        stalls: Stalls | None = None,
    ) -> None:
        self.wake_up = WakeUp()
        """Woken if `check` has something to do before its time."""
        self._group = group
        self._positions = positions
        self._metrics = metrics
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._stalls = PartitionStalls(group, stalls or Stalls(metrics))
        self._too_short: dict[TopicPartition, int] = {}  # how many checks found it so
        self._clock = clock
        self._stamps: dict[TopicPartition, float] = {}  # UTC seconds, of what is being processed
        self._commits = OffsetCommits(group, clock, self._next_of)

    @property
    def listener(self) -> ConsumerRebalanceListener:
        """Forgets the cursors of partitions that come or go; the next read asks the database."""
        return _Forgetting(self._forget)

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        self._commits.forget(partitions)
        for partition in partitions:
            self._too_short.pop(partition, None)
            self._stalls.note(partition, None)
            if self._cursors.pop(partition, None) is not None:
                self._metrics.forget_lag(self._group, *partition)
        self.wake_up.wake()

    def is_assigned(self, record: Record) -> bool:
        """Whether this consumer still has a record's partition, at a known offset."""
        return self._cursor(partition_of(record)) is not None

    def _cursor(self, partition: TopicPartition) -> _Cursor | None:
        cursor = self._cursors.get(partition)
        return cursor if cursor is not None and cursor.valid else None

    def _next_of(self, partition: TopicPartition) -> int | None:
        cursor = self._cursors.get(partition)
        return None if cursor is None else cursor.next

    # -- seeking to the stored positions ------------------------------------------------------

    async def check(self, kafka: KafkaConsumer) -> None:
        """Compare the stored positions with the cursors, and seek to them if they differ.

        So a partition that was just assigned begins at the right offset without waiting for a new
        record, and Kafka's offset follows to the end of the partition.
        Raises HistoryChanged and the driver's errors.
        """
        assigned = list(kafka.assignment())
        if gone := self._cursors.keys() - set(assigned):  # noted while a rebalance was on its way
            self._forget(gone)
        stored = await self._positions.read(self._group, assigned)
        aside = kafka.aside()
        for partition, error in aside.items():
            if error is not None and _is_faulty(error):  # shown until a read of it succeeds
                self._stalls.note(partition, cause_of(error))
        await self._seek_all(
            [p for p in assigned if p in aside or not self._is_at(p, stored.get(p))],
            stored,
            kafka,
        )
        for partition in self._stalls.partitions - aside.keys() - kafka.aside().keys():
            self._stalls.note(partition, None)
        self._pass_over(kafka)
        await self._commits.commit(kafka)
        self._show_lag(assigned, kafka.end)

    def _is_at(self, partition: TopicPartition, stored: int | None) -> bool:
        cursor = self._cursor(partition)
        return cursor is not None and cursor.stored == stored

    async def synchronise(
        self,
        partitions: Collection[TopicPartition],
        kafka: KafkaConsumer,
        in_hand: Mapping[TopicPartition, OffsetSpan] = MappingProxyType({}),
    ) -> None:
        """Seek to the stored positions; Kafka reads again what follows them.

        What is in hand was just read, and is not read again. Partitions whose position cannot be
        read now are set aside until `check` can. Raises HistoryChanged.
        """
        for partition in partitions:
            kafka.set_aside(partition)
            if (cursor := self._cursors.get(partition)) is not None:
                cursor.valid = False
        try:
            stored = await self._positions.read(self._group, partitions)
        except PyMongoError as error:
            _log.warning("waiting", what=f"positions of {self._group}", error=repr(error))
            self.wake_up.wake()
        else:
            await self._seek_all(partitions, stored, kafka, in_hand)

    async def _seek_all(
        self,
        partitions: Collection[TopicPartition],
        stored: Mapping[TopicPartition, int],
        kafka: KafkaConsumer,
        in_hand: Mapping[TopicPartition, OffsetSpan] = MappingProxyType({}),
    ) -> None:
        """Seek to the stored positions, or to the beginning if nothing is stored.

        Raises HistoryChanged if a position is lower than what was stored before.
        """
        for partition in partitions:
            before = self._cursors.get(partition)
            if before is not None and stored.get(partition, 0) < (before.stored or 0):
                raise HistoryChanged(f"{self._group}: the position in {partition} went back")
        await asyncio.gather(
            *(self._seek(p, stored.get(p), kafka, in_hand.get(p)) for p in partitions)
        )

    async def _seek(
        self,
        partition: TopicPartition,
        stored: int | None,
        kafka: KafkaConsumer,
        in_hand: OffsetSpan | None,
    ) -> None:
        """Seek to a position, or set the partition aside if Kafka does not hold it."""
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                begin = (await kafka.beginning_offsets([partition]))[partition]
                end = (await kafka.end_offsets([partition]))[partition]
        except IllegalStateError:  # taken away meanwhile
            self._forget([partition])
            return
        except (KafkaError, OSError, TimeoutError) as error:
            detail = f"{type(error).__name__}: {error}"
            self._stalls.set_aside(partition, cause_of(error), kafka, detail)
            return
        if partition not in kafka.assignment():  # taken away while Kafka was asked
            self._forget([partition])
        elif stored is not None and self._is_too_short(partition, stored, end):
            detail = f"ends at {end}, {self._group} stands at {stored}"
            self._stalls.set_aside(partition, StallCause.TOPIC_WENT_BACK, kafka, detail)
        elif stored is not None and begin > stored:
            detail = f"begins at {begin}, {self._group} stands at {stored}"
            self._stalls.set_aside(partition, StallCause.RECORDS_GONE, kafka, detail)
        else:
            start = begin if stored is None else stored
            with suppress(IllegalStateError):
                if in_hand is None or not in_hand.begin <= start <= in_hand.end:
                    kafka.seek(partition, start)
                if not _is_faulty(kafka.aside().get(partition)):
                    self._stalls.note(partition, None)
                kafka.take_back(partition)
                self._cursors[partition] = _Cursor(stored, start)
                self._commits.note([partition])

    def _is_too_short(self, partition: TopicPartition, stored: int, end: int) -> bool:
        """Whether a topic was created again, or Kafka was restored from an older copy.

        Reading on would skip what was published since. So nothing of it is read any more, even if
        it has grown again, until a person has looked and cleared the position (the runbook).
        """
        checks = self._too_short.get(partition, 0)
        if end < stored:
            self._too_short[partition] = checks + 1
            return True
        if checks < _TOO_SHORT_CHECKS:
            self._too_short.pop(partition, None)
        return checks >= _TOO_SHORT_CHECKS

    # -- advancing behind what was read -------------------------------------------------------

    async def unprocessed(self, records: Sequence[Record], kafka: KafkaConsumer) -> list[Record]:
        """Return the records that follow the cursors without a gap, in order.

        Raises HistoryChanged.
        """
        by_partition: dict[TopicPartition, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[partition_of(record)].append(record)
        unknown = {partition for partition in by_partition if self._cursor(partition) is None}
        if unknown:
            in_hand = {p: span for p in unknown if (span := kafka.span(p)) is not None}
            await self.synchronise(unknown, kafka, in_hand)
        unprocessed: list[Record] = []
        for partition, batch in by_partition.items():
            cursor, span = self._cursor(partition), kafka.span(partition)
            if cursor is None or partition in kafka.aside():
                continue
            if span is not None and span.covers(cursor.next, batch[-1].offset):
                unprocessed += [record for record in batch if record.offset >= cursor.next]
            else:  # the consumer has been sent to another offset meanwhile
                seek(kafka, partition, cursor.next)
        return unprocessed

    def advances(self, records: Iterable[Record]) -> tuple[OffsetAdvance, ...]:
        """How the positions advance if these records are processed. Raises PositionMoved."""
        last = {partition_of(record): record for record in records}
        advances = []
        for partition, record in last.items():
            cursor = self._cursor(partition)
            if cursor is None:
                raise PositionMoved(f"{partition} was taken away")
            topic, number = partition
            next_ = record.offset + 1
            advances.append(OffsetAdvance(self._group, topic, number, cursor.stored, next_))
            self._stamps[partition] = record.timestamp / 1000
        return tuple(advances)

    def advance(self, advances: Iterable[OffsetAdvance]) -> None:
        """Advance the cursors as a committed transaction has advanced the positions."""
        for advance in advances:
            partition = TopicPartition(advance.topic, advance.partition)
            cursor, stamp = self._cursors.get(partition), self._stamps.pop(partition, None)
            if cursor is not None:
                cursor.stored = cursor.next = advance.next
                cursor.behind_since = stamp

    def _pass_over(self, kafka: KafkaConsumer) -> None:
        """Pass over what the last read has skipped: markers of transactions, aborted records."""
        for partition, cursor in self._cursors.items():
            span = kafka.span(partition)
            if span is None or not span.begin <= cursor.next < span.end:
                continue
            if span.last is None or span.last < cursor.next:
                cursor.next = span.end
                self._commits.note([partition])

    # -- offsets and lag, for others ----------------------------------------------------------

    async def commit_offsets(
        self, partitions: Collection[TopicPartition], kafka: KafkaConsumer
    ) -> None:
        """Commit to Kafka, at most twice per second; `check` commits the last ones."""
        self._commits.note(self._cursors.keys() & partitions)
        self._pass_over(kafka)
        if self._commits.is_due:
            await self._commits.commit(kafka)
        self._show_lag(partitions, kafka.end)

    async def show_lag(self, kafka: KafkaConsumer) -> None:
        """Show the lag while nothing is read: Kafka is asked where its partitions end."""

        async def ask(partition: TopicPartition) -> None:
            with suppress(KafkaError, OSError, TimeoutError):  # one without a leader has no end
                async with asyncio.timeout(_ASK_SECONDS):
                    ends.update(await kafka.end_offsets([partition]))

        ends: dict[TopicPartition, int] = {}
        await asyncio.gather(*map(ask, self._cursors))
        self._show_lag(ends, ends.get)

    def _show_lag(
        self,
        partitions: Iterable[TopicPartition],
        end_of: Callable[[TopicPartition], int | None],
    ) -> None:
        """Show how many records are unread, and for how long at most.

        The oldest unread record is not older than the last one that was processed; after a time
        without any, not older than when it was first seen to be unread.
        """
        now = self._clock.now().timestamp()
        for partition in partitions:
            cursor, end = self._cursors.get(partition), end_of(partition)
            if cursor is not None and end is not None:
                lag = max(0, end - cursor.next)
                since = cursor.behind_since if cursor.behind_since is not None else now
                cursor.behind_since = since if lag else None
                seconds = max(0.0, now - since) if lag else 0.0
                topic, number = partition
                self._metrics.set_lag(self._group, topic, number, Lag(lag, seconds))


class _Forgetting(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
    def __init__(self, forget: Callable[[Collection[TopicPartition]], None]) -> None:
        self._forget = forget

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._forget(revoked)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._forget(assigned)


def _is_faulty(error: KafkaError | None) -> bool:
    """Whether a read of a partition has failed for another reason than its offset."""
    return error is not None and not isinstance(error, OFFSET_ERRORS)
