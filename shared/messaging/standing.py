"""Where a consumer stands in each of its partitions, by what its database holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.messaging.failures import PositionMoved
from shared.messaging.patience import patient
from shared.messaging.positions import Positions
from shared.messaging.records import Move, Record
from shared.messaging.watch import HistoryChanged
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

_ACKNOWLEDGE_SECONDS: Final = 0.5


class KafkaConsumer(Protocol):
    """What is needed of aiokafka's consumer, and how many of its reads failed."""

    failed_reads: int

    def assignment(self) -> Collection[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def position(self, partition: TopicPartition) -> int: ...
    def highwater(self, partition: TopicPartition) -> int | None: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...
    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]: ...
    async def end_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]: ...


class TopicWentBack(OSError):
    """A topic ends before a stored position: it was made anew, or Kafka was restored.

    What was published since then would be passed over, so nothing is read until a person has
    looked: see the runbook.
    """


@dataclass(slots=True)
class _Cursor:
    """Where this consumer stands in a partition."""

    stored: int | None  # what the database holds, as far as this consumer knows
    next: int  # the offset that it reads next
    gap: tuple[int, int] | None = None  # the offset that followed it, seen once; reads failed then


class Standing:
    """The cursors of one group in one process. The database's positions are the truth."""

    def __init__(
        self, group: str, positions: Positions, *, metrics: Metrics, clock: MachineClock
    ) -> None:
        self._group = group
        self._positions = positions
        self._metrics = metrics
        self._clock = clock
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._ahead: set[TopicPartition] = set()  # of Kafka's offset
        self._acknowledge_at = 0.0  # monotonic

    @property
    def listener(self) -> ConsumerRebalanceListener:
        """Forgets where it stood in a partition that comes or goes; the next read asks anew."""
        return _Forgetting(self._forget)

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        self._ahead -= set(partitions)
        for partition in partitions:
            if self._cursors.pop(partition, None) is not None:
                self._metrics.forget_lag(self._group, *partition)

    def holds(self, record: Record) -> bool:
        """Whether a record's partition is still this consumer's."""
        return partition_of(record) in self._cursors

    async def check(self, kafka: KafkaConsumer) -> None:
        """Compare the stored positions with this consumer's, and go where the database stands.

        So a partition that was just assigned begins in the right place, without a new record
        coming, and Kafka's offset follows to where it ends.
        Raises HistoryChanged, the driver's errors and KafkaError.
        """
        assigned = list(kafka.assignment())
        stored = await self._positions.read(self._group, assigned)
        cursors = {partition: self._cursors.get(partition) for partition in assigned}
        await self._go(
            [p for p, c in cursors.items() if c is None or c.stored != stored.get(p)],
            stored,
            kafka,
        )
        await self._acknowledge(kafka)
        self._show_lag(assigned, kafka.highwater)

    async def show_lag(self, kafka: KafkaConsumer) -> None:
        """Show how far it lags while nothing is read: Kafka is asked where its partitions end."""
        ends = await kafka.end_offsets(list(self._cursors))
        self._show_lag(ends, ends.get)

    async def fresh(self, records: Sequence[Record], kafka: KafkaConsumer) -> list[Record]:
        """Return the records that stand where this consumer stands, in order."""
        by_partition: dict[TopicPartition, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[partition_of(record)].append(record)
        unknown = by_partition.keys() - self._cursors.keys()
        if unknown:
            await self.synchronise(unknown, kafka)
        fresh: list[Record] = []
        for partition, batch in by_partition.items():
            cursor = self._cursors.get(partition)
            if cursor is None:  # taken away
                continue
            new = [record for record in batch if record.offset >= cursor.next]
            if not new:
                continue
            gap = (new[0].offset, kafka.failed_reads)  # a read that failed drops records
            if new[0].offset == cursor.next or gap == cursor.gap:
                fresh += new
            else:  # real (transactions, retention) where a second read shows the same gap
                cursor.gap = gap
                _seek(kafka, partition, cursor.next)
        return fresh

    async def synchronise(
        self, partitions: Collection[TopicPartition], kafka: KafkaConsumer
    ) -> None:
        """Stand where the database stands; what it stands behind is read again from Kafka."""
        async for attempt in patient(f"positions of {self._group}", self._clock):
            with attempt:
                stored = await self._positions.read(self._group, partitions)
                await self._go(partitions, stored, kafka)

    async def _go(
        self,
        partitions: Collection[TopicPartition],
        stored: Mapping[TopicPartition, int],
        kafka: KafkaConsumer,
    ) -> None:
        """Stand at the stored positions; where nothing is stored, at the beginning.

        Raises HistoryChanged where one lies before what was stored already, and TopicWentBack.
        """
        if not partitions:
            return
        for partition in partitions:
            before = self._cursors.get(partition)
            if before is not None and stored.get(partition, 0) < (before.stored or 0):
                raise HistoryChanged(f"{self._group}: the position in {partition} went back")
        ends = await kafka.end_offsets([p for p in partitions if p in stored])
        for partition, end in ends.items():
            if end < stored[partition]:
                raise TopicWentBack(
                    f"{partition} ends at {end}, {self._group} stands at {stored[partition]}"
                )
        starts = {
            **await kafka.beginning_offsets([p for p in partitions if p not in stored]),
            **stored,
        }
        for partition in partitions:
            try:
                if await kafka.position(partition) != starts[partition]:
                    kafka.seek(partition, starts[partition])
            except IllegalStateError:  # taken away meanwhile
                self._forget([partition])
            else:
                self._cursors[partition] = _Cursor(stored.get(partition), starts[partition])
                self._ahead.add(partition)

    def moves(self, records: Iterable[Record]) -> tuple[Move, ...]:
        """The steps that taking these records would be. Raises PositionMoved."""
        last = {partition_of(record): record.offset for record in records}
        moves = []
        for partition, offset in last.items():
            cursor = self._cursors.get(partition)
            if cursor is None:
                raise PositionMoved(f"{partition} was taken away")
            topic, number = partition
            moves.append(Move(self._group, topic, number, cursor.stored, offset + 1))
        return tuple(moves)

    def step(self, moves: Iterable[Move]) -> None:
        """Stand where a committed transaction has moved to."""
        for move in moves:
            cursor = self._cursors.get(TopicPartition(move.topic, move.partition))
            if cursor is not None:
                cursor.stored = cursor.next = move.next

    async def acknowledge(
        self, partitions: Collection[TopicPartition], kafka: KafkaConsumer
    ) -> None:
        """Let Kafka's offsets follow, twice a second at most; the last ones follow by `check`."""
        self._ahead |= self._cursors.keys() & partitions
        if self._clock.monotonic() >= self._acknowledge_at:
            await self._acknowledge(kafka)
        self._show_lag(partitions, kafka.highwater)

    async def _acknowledge(self, kafka: KafkaConsumer) -> None:
        """Nothing depends on Kafka's offsets, so a failure is only noted, until the next time."""
        self._acknowledge_at = self._clock.monotonic() + _ACKNOWLEDGE_SECONDS
        offsets = {partition: self._cursors[partition].next for partition in self._ahead}
        if not offsets:
            return
        try:
            await kafka.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            _log.info(
                "offset not committed", group=self._group, why=f"{type(error).__name__}: {error}"
            )
        else:
            self._ahead -= offsets.keys()

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


def partition_of(record: Record) -> TopicPartition:
    """The partition that a record came from."""
    return TopicPartition(record.topic, record.partition)


def _seek(kafka: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    with suppress(IllegalStateError):  # taken away meanwhile
        kafka.seek(partition, offset)
