"""The consumer wrapper: from Kafka's records to an effect that happens exactly once.

What happens to a batch, in this order (the names are those of `steps.Step`):

1. read: records before the stored position are dropped; a gap is read again before it is believed.
2. decided: the handler loads and decides, and says of each message what becomes of it.
3. dead-lettered: what was refused is acknowledged by Kafka in the dead-letter topic.
4. saved: state, events and position in one MongoDB transaction.
5. acknowledged: Kafka's own offset follows, for lag tools and autoscalers.

A crash between any two of them repeats from 1: at worst a dead letter is written twice, and it is
known by its origin. Transient failures are waited out in place. Where a batch fails for a permanent
reason it is halved until the guilty message stands alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.contracts.envelope import Unreadable, read
from shared.contracts.events import Invalid, UnknownType, parse
from shared.messaging.deadletters import DeadLetter, DeadLetters, Record
from shared.messaging.failures import AlreadyThere, PositionMoved
from shared.messaging.flood import FloodGauge, FloodLimit, Pause, Pauses
from shared.messaging.patience import patient
from shared.messaging.positions import Positions
from shared.messaging.records import (
    Answer,
    Cause,
    Decision,
    Message,
    Move,
    Origin,
    Outcome,
    Refusal,
    Verdict,
)
from shared.messaging.steps import Reach, Step, pass_by
from shared.messaging.watch import HistoryChanged
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import UNKNOWN, Metrics
from shared.runtime.mongo import Database

_log = structlog.get_logger(__name__)

C = TypeVar("C")

Handle: TypeAlias = Callable[[Sequence[Message]], Awaitable[Decision[C]]]
"""Loads what a batch concerns and decides; writes nothing. It may be called again for the same."""

Save: TypeAlias = Callable[[Sequence[C], Cause], Awaitable[None]]
"""Saves changes and cause in one transaction, or nothing."""

_FRESH_DECISIONS = 5  # before a collision that stays counts as a message's own fault
_RESUME_POLL_SECONDS = 1.0
_GIVE_UP_PAUSE_SECONDS = 5.0


class Collision(Exception):
    """A message collides with something that deciding about it anew does not see."""


class KafkaConsumer(Protocol):
    """What is needed of aiokafka's consumer."""

    def assignment(self) -> Collection[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def position(self, partition: TopicPartition) -> int: ...
    def highwater(self, partition: TopicPartition) -> int | None: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...
    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]: ...


@dataclass(slots=True)
class _Cursor:
    """Where this consumer stands in a partition."""

    stored: int | None  # what the database holds, as far as this consumer knows
    next: int  # the offset that it reads next
    gap: int | None = None  # the offset that followed it, seen once


@dataclass(frozen=True, slots=True)
class _Item:
    """A record with what could be read of it: a message, or a verdict without reading on."""

    record: Record
    content: Message | Verdict


class Consumer(Generic[C]):
    """Consumes for one group; `consume` is given every batch and never raises."""

    def __init__(
        self,
        *,
        group: str,
        topics: Collection[str],
        handle: Handle[C],
        save: Save[C],
        database: Database,
        dead_letters: DeadLetters,
        metrics: Metrics,
        clock: MachineClock,
        limit: FloodLimit,
        reach: Reach = pass_by,
    ) -> None:
        self.group = group
        self._topics = frozenset(topics)
        self._handle = handle
        self._save = save
        self._positions = Positions(database)
        self._pauses = Pauses(database)
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._clock = clock
        self._flood = FloodGauge(limit)
        self._reach = reach
        self._paused = True  # until the database says otherwise
        self._cursors: dict[TopicPartition, _Cursor] = {}
        self._turn = asyncio.Lock()  # one at a time: a batch, or a look at the positions

    # -- what Kafka tells ---------------------------------------------------------------------

    @property
    def listener(self) -> ConsumerRebalanceListener:
        """Forgets where it stood in a partition that comes or goes; the next read asks anew."""
        return _Forgetting(self._cursors)

    async def consume(self, records: Sequence[Record], kafka: KafkaConsumer) -> None:
        """Bring about the effect of a batch, whatever it takes. Raises nothing but cancellation."""
        started = self._clock.monotonic()
        async with self._turn:
            try:
                await self._consume(records, kafka, started)
            except HistoryChanged:
                _log.exception("nothing is applied to another history", group=self.group)
                await asyncio.Future()  # until the process ends, which the host sees to

    async def _consume(
        self, records: Sequence[Record], kafka: KafkaConsumer, started: float
    ) -> None:
        self._reach(Step.CONSUME_READ)
        fresh = await self._fresh(records, kafka)
        await self._apply([self._read(record) for record in fresh], kafka, started)
        await self._acknowledge({_partition(record) for record in fresh}, kafka)

    async def check(self, kafka: KafkaConsumer) -> None:
        """Compare the stored positions with this consumer's, and go where the database stands.

        So a partition that was just assigned begins in the right place, without a new record
        coming. Passes over while a batch is in hand.
        Raises HistoryChanged, the driver's errors and KafkaError.
        """
        if self._turn.locked():
            return
        async with self._turn:
            assigned = list(kafka.assignment())
            stored = await self._positions.read(self.group, assigned)
            for partition in assigned:
                cursor = self._cursors.get(partition)
                if cursor is None or cursor.stored != stored.get(partition):
                    await self._go(partition, stored.get(partition), kafka)
                self._show_lag(partition, kafka)

    # -- 1. read ------------------------------------------------------------------------------

    async def _fresh(self, records: Sequence[Record], kafka: KafkaConsumer) -> list[Record]:
        """Return the records that stand where this consumer stands, in order."""
        by_partition: dict[TopicPartition, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[_partition(record)].append(record)
        unknown = by_partition.keys() - self._cursors.keys()
        if unknown:
            await self._synchronise(unknown, kafka)
        fresh: list[Record] = []
        for partition, batch in by_partition.items():
            cursor = self._cursors.get(partition)
            if cursor is None:  # taken away
                continue
            new = [record for record in batch if record.offset >= cursor.next]
            if not new:
                continue
            if new[0].offset == cursor.next or new[0].offset == cursor.gap:
                fresh += new
            else:  # real (transactions, retention) where a second read shows the same gap
                cursor.gap = new[0].offset
                _seek(kafka, partition, cursor.next)
        return fresh

    async def _synchronise(
        self, partitions: Collection[TopicPartition], kafka: KafkaConsumer
    ) -> None:
        """Stand where the database stands; what it stands behind is read again from Kafka."""
        async for attempt in patient(f"positions of {self.group}", self._clock):
            with attempt:
                stored = await self._positions.read(self.group, partitions)
                for partition in partitions:
                    await self._go(partition, stored.get(partition), kafka)

    async def _go(
        self, partition: TopicPartition, stored: int | None, kafka: KafkaConsumer
    ) -> None:
        """Stand at a stored position; where nothing is stored, at the beginning.

        Raises HistoryChanged where it lies before one that was stored already.
        """
        before = self._cursors.get(partition)
        if before is not None and (stored or 0) < (before.stored or 0):
            raise HistoryChanged(f"{self.group}: the position in {partition} went back")
        try:
            start = stored
            if start is None:
                start = (await kafka.beginning_offsets([partition]))[partition]
            if await kafka.position(partition) != start:
                kafka.seek(partition, start)
        except IllegalStateError:  # taken away meanwhile
            self._cursors.pop(partition, None)
        else:
            self._cursors[partition] = _Cursor(stored, start)

    def _read(self, record: Record) -> _Item:
        first = self._dead_letters.origin(record)
        if first.topic != record.topic and first.topic not in self._topics:
            return _Item(record, Outcome.IGNORED)  # a replay meant for another group
        try:
            event = read(record.headers, record.value)
            origin = Origin(record.topic, record.partition, record.offset)
            return _Item(record, Message(origin, event, parse(event), first.topic))
        except Unreadable as error:
            return _Item(record, Refusal(error.reason, error.detail))
        except UnknownType as error:
            return _Item(record, Refusal("unknown-type", str(error)))
        except Invalid as error:
            return _Item(record, Refusal("invalid", str(error)))

    # -- 2. to 4. decided, dead-lettered, saved -----------------------------------------------

    async def _apply(self, items: Sequence[_Item], kafka: KafkaConsumer, started: float) -> None:
        """Apply a batch, halving it for as long as it fails for a permanent reason."""
        parts = [list(items)]
        while parts:
            await self._wait_while_paused()
            part = [i for i in parts.pop() if _partition(i.record) in self._cursors]
            if not part:
                continue
            try:
                verdicts = await self._attempt(part)
            except PositionMoved as moved:
                _log.info("position moved", group=self.group, why=str(moved))
                in_hand = [item for rest in (part, *parts) for item in rest]
                await self._synchronise({_partition(i.record) for i in in_hand}, kafka)
                return  # whatever is still to be applied is read again
            except HistoryChanged:
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, it is dead-lettered or halved
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                else:
                    parts.append([await self._give_up(part[0], error)])
            else:
                await self._note(part, verdicts, started)

    async def _give_up(self, item: _Item, error: Exception) -> _Item:
        where = _where(item.record)
        _log.error("message cannot be applied", group=self.group, origin=where, exc_info=error)
        if isinstance(item.content, Refusal):  # not even giving it up works: ours to mend
            await self._clock.sleep(_GIVE_UP_PAUSE_SECONDS)
            return item
        return _Item(item.record, Refusal("failed", f"{type(error).__name__}: {error}"))

    async def _attempt(self, part: Sequence[_Item]) -> Sequence[Verdict]:
        """Decide, dead-letter and save one part; transient failures are waited out.

        Raises PositionMoved, and whatever is permanent.
        """
        collisions = 0
        async for attempt in patient(self.group, self._clock):
            with attempt:
                try:
                    return await self._once(part, attempt.retry_state.attempt_number)
                except AlreadyThere as error:
                    collisions += 1
                    if collisions == _FRESH_DECISIONS:
                        raise Collision(str(error)) from error
                    raise
        raise AssertionError("a retry without an end has ended")

    async def _once(self, part: Sequence[_Item], tries: int) -> Sequence[Verdict]:
        moves = self._moves(part)
        messages = [item.content for item in part if isinstance(item.content, Message)]
        decision: Decision[C] = await self._handle(messages) if messages else Decision(())
        decided = iter(decision.verdicts)
        verdicts = [
            next(decided) if isinstance(item.content, Message) else item.content for item in part
        ]
        self._reach(Step.CONSUME_DECIDED)
        letters = [
            DeadLetter(item.record, verdict, tries)
            for item, verdict in zip(part, verdicts, strict=True)
            if isinstance(verdict, Refusal)
        ]
        if letters:
            await self._dead_letters.send(letters)
            self._reach(Step.CONSUME_DEAD_LETTERED)
        answers = self._answers(part, verdicts)
        cause = Cause("event", self.group, moves=moves, answers=answers)
        await self._save(decision.changes, cause)
        for move in moves:
            cursor = self._cursors.get(TopicPartition(move.topic, move.partition))
            if cursor is not None:
                cursor.stored = cursor.next = move.next
        self._reach(Step.CONSUME_SAVED)
        return verdicts

    def _answers(self, part: Sequence[_Item], verdicts: Sequence[Verdict]) -> tuple[Answer, ...]:
        """What became of the dead letters that came back to this group."""
        answers = []
        for item, verdict in zip(part, verdicts, strict=True):
            replay_id = self._dead_letters.replay_id(item.record)
            mine = self._dead_letters.origin(item.record).topic in self._topics
            if replay_id is None or not mine:
                continue
            refusal = verdict if isinstance(verdict, Refusal) else None
            outcome = Outcome.DEAD_LETTERED if isinstance(verdict, Refusal) else verdict
            answers.append(Answer(replay_id, outcome, refusal))
        return tuple(answers)

    def _moves(self, part: Sequence[_Item]) -> tuple[Move, ...]:
        last = {_partition(item.record): item.record.offset for item in part}
        moves = []
        for partition, offset in last.items():
            cursor = self._cursors.get(partition)
            if cursor is None:
                raise PositionMoved(f"{partition} was taken away")
            topic, number = partition
            moves.append(Move(self.group, topic, number, cursor.stored, offset + 1))
        return tuple(moves)

    async def _note(
        self, part: Sequence[_Item], verdicts: Sequence[Verdict], started: float
    ) -> None:
        now, seconds = self._clock.now().timestamp(), self._clock.monotonic() - started
        outcomes: Counter[tuple[str, Outcome]] = Counter()
        delays: dict[str, list[float]] = defaultdict(list)
        for item, verdict in zip(part, verdicts, strict=True):
            refused = isinstance(verdict, Refusal)
            self._flood.note(refused=refused)
            outcome = Outcome.DEAD_LETTERED if isinstance(verdict, Refusal) else verdict
            type_ = item.content.event.type if isinstance(item.content, Message) else UNKNOWN
            outcomes[type_, outcome] += 1
            delays[type_].append(now - item.record.timestamp / 1000)
            if isinstance(verdict, Refusal):
                self._metrics.dead_letter(verdict.reason)
        for (type_, outcome), count in outcomes.items():
            self._metrics.event_consumed(type_, outcome.value, count)
        for type_, delayed in delays.items():
            self._metrics.events_committed(type_, seconds, delayed)
        if self._flood.over:
            await self._pause()

    async def _pause(self) -> None:
        reason = "over a fifth of the last events were refused; see tools.deadletter"
        _log.error("subscription paused", group=self.group, reason=reason)
        async for attempt in patient(f"pause of {self.group}", self._clock):
            with attempt:
                await self._pauses.pause(Pause(self.group, self._clock.now(), reason))
        self._paused = True

    async def _wait_while_paused(self) -> None:
        """Stay in place until somebody says to go on; a restart does not end a pause."""
        while self._paused:
            self._metrics.set_paused(self.group, True)
            async for attempt in patient(f"pause of {self.group}", self._clock):
                with attempt:
                    self._paused = await self._pauses.paused(self.group)
            if self._paused:
                await self._clock.sleep(_RESUME_POLL_SECONDS)
            else:
                self._flood.clear()
        self._metrics.set_paused(self.group, False)

    # -- 5. acknowledged ----------------------------------------------------------------------

    async def _acknowledge(
        self, partitions: Collection[TopicPartition], kafka: KafkaConsumer
    ) -> None:
        """Let Kafka's offsets follow. Nothing depends on it, so a failure is only noted."""
        offsets = {p: self._cursors[p].next for p in partitions if p in self._cursors}
        try:
            if offsets:
                await kafka.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            _log.info(
                "offset not committed", group=self.group, why=f"{type(error).__name__}: {error}"
            )
        self._reach(Step.CONSUME_ACKNOWLEDGED)
        for partition in offsets:
            self._show_lag(partition, kafka)

    def _show_lag(self, partition: TopicPartition, kafka: KafkaConsumer) -> None:
        cursor = self._cursors.get(partition)
        if cursor is None:
            return
        try:
            end = kafka.highwater(partition)
        except IllegalStateError:
            return
        if end is not None:
            lag = max(0, end - cursor.next)
            self._metrics.set_lag(partition.topic, partition.partition, lag)


class _Forgetting(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped here
    """Forgets where a consumer stood in a partition that comes or goes; the next read asks anew."""

    def __init__(self, cursors: dict[TopicPartition, _Cursor]) -> None:
        self._cursors = cursors

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._forget(revoked)

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._forget(assigned)

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._cursors.pop(partition, None)


def _partition(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def _seek(kafka: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    with suppress(IllegalStateError):  # taken away meanwhile
        kafka.seek(partition, offset)


def _where(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
