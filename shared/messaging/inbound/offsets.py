"""Where a consumer stands in each of its partitions, by what its database holds.

A partition where that cannot be told, or where Kafka does not hold what would have to be read, is
set aside: its cause is shown, the others go on, and it is looked at again and again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from pymongo.errors import PyMongoError

from shared.messaging.core.errors import HistoryChanged, PositionMoved
from shared.messaging.core.model import OffsetAdvance, Record
from shared.messaging.core.stalls import StallCause, StalledPart, Stalls, cause_of
from shared.messaging.core.wake_up import WakeUp
from shared.messaging.kafka.consumers import OFFSET_ERRORS, OffsetSpan
from shared.messaging.ledger.positions import Positions
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

_ACKNOWLEDGE_SECONDS: Final = 0.5
_COMMIT_SECONDS: Final = 0.1  # that a commit of Kafka's offsets is waited for
_COMMIT_MOST_SECONDS: Final = 5.0  # that one may take: aiokafka's own tries for ever
_ASK_SECONDS: Final = 5.0  # for where a partition begins and ends
_SURE_AFTER: Final = 2  # looks at a topic that ends too early: then it is no passing state


class KafkaConsumer(Protocol):
    """What is needed of aiokafka's consumer, as `reading.SteadyConsumer` mends it."""

    def assignment(self) -> Collection[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    def aside(self) -> Mapping[TopicPartition, KafkaError | None]: ...
    def set_aside(self, partition: TopicPartition, error: KafkaError | None = None) -> None: ...
    def take_back(self, partition: TopicPartition) -> None: ...
    def span(self, partition: TopicPartition) -> OffsetSpan | None: ...
    def end(self, partition: TopicPartition) -> int | None: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...
    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]: ...
    async def end_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]: ...


@dataclass(slots=True)
class _Cursor:
    """Where this consumer stands in a partition."""

    stored: int | None  # what the database holds, as far as this consumer knows
    next: int  # the offset that it reads next
    sure: bool = True  # False: somebody else has moved the stored position


class PartitionOffsets:
    """The cursors of one group in one process. The database's positions are the truth."""

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
        """Rung where `check` has something to do before its time."""
        self._group = group
        self._positions = positions
        self._metrics = metrics
        self._clock = clock
        self._stalls = stalls or Stalls(metrics)
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._causes: dict[TopicPartition, StallCause] = {}  # why partitions of it are set aside
        self._too_short: dict[TopicPartition, int] = {}  # how often a look found it so
        self._ahead: set[TopicPartition] = set()  # of Kafka's offset
        self._acknowledge_at = 0.0  # monotonic
        self._committing: asyncio.Task[None] | None = None  # Kafka's offsets

    @property
    def listener(self) -> ConsumerRebalanceListener:
        """Forgets where it stood in a partition that comes or goes; the next read asks anew."""
        return _Forgetting(self._forget)

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        self._ahead -= set(partitions)
        for partition in partitions:
            self._too_short.pop(partition, None)
            self._tell(partition, None)
            if self._cursors.pop(partition, None) is not None:
                self._metrics.forget_lag(self._group, *partition)
        self.wake_up.wake()

    def holds(self, record: Record) -> bool:
        """Whether a record's partition is still this consumer's."""
        return self._cursor(partition_of(record)) is not None

    def _cursor(self, partition: TopicPartition) -> _Cursor | None:
        cursor = self._cursors.get(partition)
        return cursor if cursor is not None and cursor.sure else None

    # -- going where the database stands ------------------------------------------------------

    async def check(self, kafka: KafkaConsumer) -> None:
        """Compare the stored positions with this consumer's, and go where the database stands.

        So a partition that was just assigned begins in the right place, without a new record
        coming, and Kafka's offset follows to where it ends.
        Raises HistoryChanged and the driver's errors.
        """
        assigned = list(kafka.assignment())
        if gone := self._cursors.keys() - set(assigned):  # noted while a rebalance was on its way
            self._forget(gone)
        stored = await self._positions.read(self._group, assigned)
        aside = kafka.aside()
        for partition, error in aside.items():
            if error is not None and _is_faulty(error):  # shown until a read of it succeeds
                self._tell(partition, cause_of(error))
        await self._go(
            [p for p in assigned if p in aside or not self._stands(p, stored.get(p))],
            stored,
            kafka,
        )
        for partition in self._causes.keys() - aside.keys() - kafka.aside().keys():
            self._tell(partition, None)
        self._pass_over(kafka)
        await self._acknowledge(kafka)
        self._show_lag(assigned, kafka.end)

    def _stands(self, partition: TopicPartition, stored: int | None) -> bool:
        cursor = self._cursor(partition)
        return cursor is not None and cursor.stored == stored

    async def synchronise(
        self,
        partitions: Collection[TopicPartition],
        kafka: KafkaConsumer,
        in_hand: Mapping[TopicPartition, OffsetSpan] = MappingProxyType({}),
    ) -> None:
        """Stand where the database stands; what it stands behind is read again from Kafka.

        But for what is in hand: that was just read, and is not given up. Where the position cannot
        be told now, partitions are set aside until `check` can. Raises HistoryChanged.
        """
        for partition in partitions:
            kafka.set_aside(partition)
            if (cursor := self._cursors.get(partition)) is not None:
                cursor.sure = False
        try:
            stored = await self._positions.read(self._group, partitions)
        except PyMongoError as error:
            _log.warning("waiting", what=f"positions of {self._group}", error=repr(error))
            self.wake_up.wake()
        else:
            await self._go(partitions, stored, kafka, in_hand)

    async def _go(
        self,
        partitions: Collection[TopicPartition],
        stored: Mapping[TopicPartition, int],
        kafka: KafkaConsumer,
        in_hand: Mapping[TopicPartition, OffsetSpan] = MappingProxyType({}),
    ) -> None:
        """Stand at the stored positions; where nothing is stored, at the beginning.

        Raises HistoryChanged where one lies before what was stored already.
        """
        for partition in partitions:
            before = self._cursors.get(partition)
            if before is not None and stored.get(partition, 0) < (before.stored or 0):
                raise HistoryChanged(f"{self._group}: the position in {partition} went back")
        await asyncio.gather(
            *(self._stand(p, stored.get(p), kafka, in_hand.get(p)) for p in partitions)
        )

    async def _stand(
        self,
        partition: TopicPartition,
        stored: int | None,
        kafka: KafkaConsumer,
        in_hand: OffsetSpan | None,
    ) -> None:
        """Stand at a position, or set the partition aside where Kafka does not hold it."""
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                begin = (await kafka.beginning_offsets([partition]))[partition]
                end = (await kafka.end_offsets([partition]))[partition]
        except IllegalStateError:  # taken away meanwhile
            self._forget([partition])
            return
        except (KafkaError, OSError, TimeoutError) as error:
            self._set_aside(partition, cause_of(error), kafka, f"{type(error).__name__}: {error}")
            return
        if partition not in kafka.assignment():  # taken away while Kafka was asked
            self._forget([partition])
        elif stored is not None and self._is_too_short(partition, stored, end):
            told = f"ends at {end}, {self._group} stands at {stored}"
            self._set_aside(partition, StallCause.TOPIC_WENT_BACK, kafka, told)
        elif stored is not None and begin > stored:
            told = f"begins at {begin}, {self._group} stands at {stored}"
            self._set_aside(partition, StallCause.RECORDS_GONE, kafka, told)
        else:
            start = begin if stored is None else stored
            with suppress(IllegalStateError):
                if in_hand is None or not in_hand.begin <= start <= in_hand.end:
                    kafka.seek(partition, start)
                if not _is_faulty(kafka.aside().get(partition)):
                    self._tell(partition, None)
                kafka.take_back(partition)
                self._cursors[partition] = _Cursor(stored, start)
                self._ahead.add(partition)

    def _is_too_short(self, partition: TopicPartition, stored: int, end: int) -> bool:
        """Whether a topic was made anew, or Kafka restored from an older copy.

        What was published since would be passed over, so nothing of it is read any more, also not
        when it has grown again, until a person has looked and cleared the position (the runbook).
        """
        seen = self._too_short.get(partition, 0)
        if end < stored:
            self._too_short[partition] = seen + 1
            return True
        if seen < _SURE_AFTER:
            self._too_short.pop(partition, None)
        return seen >= _SURE_AFTER

    def _set_aside(
        self, partition: TopicPartition, cause: StallCause, kafka: KafkaConsumer, told: str
    ) -> None:
        if self._causes.get(partition) is not cause:
            _log.error(
                "partition waits",
                group=self._group,
                topic=partition.topic,
                partition=partition.partition,
                cause=cause.value,
                told=told,
            )
        kafka.set_aside(partition)
        self._tell(partition, cause)

    def _tell(self, partition: TopicPartition, cause: StallCause | None) -> None:
        """Show why a topic waits: the cause of any of its partitions."""
        if self._causes.pop(partition, None) is None and cause is None:
            return
        if cause is not None:
            self._causes[partition] = cause
        of_topic = [c for p, c in self._causes.items() if p.topic == partition.topic]
        what = StalledPart("consumer", self._group, partition.topic)
        self._stalls.note(what, of_topic[-1] if of_topic else None)

    # -- going on with what was read ----------------------------------------------------------

    async def fresh(self, records: Sequence[Record], kafka: KafkaConsumer) -> list[Record]:
        """Return the records that stand where this consumer stands, in order.

        Raises HistoryChanged.
        """
        by_partition: dict[TopicPartition, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[partition_of(record)].append(record)
        unknown = {partition for partition in by_partition if self._cursor(partition) is None}
        if unknown:
            in_hand = {p: span for p in unknown if (span := kafka.span(p)) is not None}
            await self.synchronise(unknown, kafka, in_hand)
        fresh: list[Record] = []
        for partition, batch in by_partition.items():
            cursor, span = self._cursor(partition), kafka.span(partition)
            if cursor is None or partition in kafka.aside():
                continue
            if span is not None and span.covers(cursor.next, batch[-1].offset):
                fresh += [record for record in batch if record.offset >= cursor.next]
            else:  # the reader has been put elsewhere meanwhile
                _seek(kafka, partition, cursor.next)
        return fresh

    def moves(self, records: Iterable[Record]) -> tuple[OffsetAdvance, ...]:
        """The steps that taking these records would be. Raises PositionMoved."""
        last = {partition_of(record): record.offset for record in records}
        moves = []
        for partition, offset in last.items():
            cursor = self._cursor(partition)
            if cursor is None:
                raise PositionMoved(f"{partition} was taken away")
            topic, number = partition
            moves.append(OffsetAdvance(self._group, topic, number, cursor.stored, offset + 1))
        return tuple(moves)

    def step(self, moves: Iterable[OffsetAdvance]) -> None:
        """Stand where a committed transaction has moved to."""
        for move in moves:
            cursor = self._cursors.get(TopicPartition(move.topic, move.partition))
            if cursor is not None:
                cursor.stored = cursor.next = move.next

    def _pass_over(self, kafka: KafkaConsumer) -> None:
        """Step over what the last read has skipped: markers of transactions, aborted records."""
        for partition, cursor in self._cursors.items():
            span = kafka.span(partition)
            if span is None or not span.begin <= cursor.next < span.end:
                continue
            if span.last is None or span.last < cursor.next:
                cursor.next = span.end
                self._ahead.add(partition)

    # -- what others see of it ----------------------------------------------------------------

    async def acknowledge(
        self, partitions: Collection[TopicPartition], kafka: KafkaConsumer
    ) -> None:
        """Let Kafka's offsets follow, twice a second at most; the last ones follow by `check`."""
        self._ahead |= self._cursors.keys() & partitions
        self._pass_over(kafka)
        if self._clock.monotonic() >= self._acknowledge_at:
            await self._acknowledge(kafka)
        self._show_lag(partitions, kafka.end)

    async def _acknowledge(self, kafka: KafkaConsumer) -> None:
        """Nothing depends on Kafka's offsets, so nothing waits long for them."""
        self._acknowledge_at = self._clock.monotonic() + _ACKNOWLEDGE_SECONDS
        if self._committing is None or self._committing.done():
            offsets = {partition: self._cursors[partition].next for partition in self._ahead}
            if not offsets:
                return
            self._committing = asyncio.ensure_future(self._commit(offsets, kafka))
        await asyncio.wait({self._committing}, timeout=_COMMIT_SECONDS)

    async def _commit(self, offsets: dict[TopicPartition, int], kafka: KafkaConsumer) -> None:
        """A failure is only noted, until the next time."""
        try:
            async with asyncio.timeout(_COMMIT_MOST_SECONDS):
                await kafka.commit(offsets)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            _log.info(
                "offset not committed", group=self._group, why=f"{type(error).__name__}: {error}"
            )
        else:
            self._ahead -= {p for p, offset in offsets.items() if self._stands_at(p, offset)}

    def _stands_at(self, partition: TopicPartition, offset: int) -> bool:
        cursor = self._cursors.get(partition)
        return cursor is not None and cursor.next == offset

    async def show_lag(self, kafka: KafkaConsumer) -> None:
        """Show how far it lags while nothing is read: Kafka is asked where its partitions end."""

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
        for partition in partitions:
            cursor, end = self._cursors.get(partition), end_of(partition)
            if cursor is not None and end is not None:
                lag = max(0, end - cursor.next)
                self._metrics.set_lag(self._group, partition.topic, partition.partition, lag)


class _Forgetting(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
    """Forgets where a consumer stood in a partition that comes or goes; the next read asks anew."""

    def __init__(self, forget: Callable[[Collection[TopicPartition]], None]) -> None:
        self._forget = forget

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._forget(revoked)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._forget(assigned)


def _is_faulty(error: KafkaError | None) -> bool:
    """Whether a read of a partition has failed for another reason than where it stood."""
    return error is not None and not isinstance(error, OFFSET_ERRORS)


def partition_of(record: Record) -> TopicPartition:
    """The partition that a record came from."""
    return TopicPartition(record.topic, record.partition)


def _seek(kafka: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    with suppress(IllegalStateError):  # taken away meanwhile
        kafka.seek(partition, offset)
