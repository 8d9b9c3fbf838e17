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
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import structlog
from aiokafka import ConsumerRebalanceListener

from shared.contracts.envelope import Unreadable, read
from shared.contracts.events import Invalid, UnknownType, parse
from shared.messaging.deadletters import DeadLetter, DeadLetters, Record
from shared.messaging.failures import AlreadyThere, PositionMoved
from shared.messaging.flood import FloodGate, FloodLimit, Pauses
from shared.messaging.patience import patient
from shared.messaging.positions import Positions
from shared.messaging.records import (
    Answer,
    Cause,
    Decision,
    Message,
    Origin,
    Outcome,
    Refusal,
    Verdict,
)
from shared.messaging.standing import KafkaConsumer, Standing, partition_of
from shared.messaging.steps import Reach, Step, pass_by
from shared.messaging.watch import HistoryChanged
from shared.runtime.clocks import MachineClock
from shared.runtime.logs import bind_event
from shared.runtime.metrics import UNKNOWN, Metrics
from shared.runtime.mongo import Database

_log = structlog.get_logger(__name__)

C = TypeVar("C")

Handle: TypeAlias = Callable[[Sequence[Message]], Awaitable[Decision[C]]]
"""Loads what a batch concerns and decides; writes nothing. It may be called again for the same."""

Save: TypeAlias = Callable[[Sequence[C], Cause], Awaitable[None]]
"""Saves changes and cause in one transaction, or nothing."""

_FRESH_DECISIONS = 5  # before a collision that stays counts as a message's own fault
_GIVE_UP_PAUSE_SECONDS = 5.0
_BYTES_A_PART = 8_000_000


class Collision(Exception):
    """A message collides with something that deciding about it anew does not see."""


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
        tell: Callable[[HistoryChanged], None],
        reach: Reach = pass_by,
    ) -> None:
        """`tell` is called where the database turns out to be another history."""
        self.group = group
        self._topics = frozenset(topics)
        self._handle = handle
        self._save = save
        self._standing = Standing(group, Positions(database), metrics=metrics, clock=clock)
        self._gate = FloodGate(group, limit, Pauses(database), metrics=metrics, clock=clock)
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._clock = clock
        self._tell = tell
        self._reach = reach
        self._turn = asyncio.Lock()  # one at a time: a batch, or a look at the positions

    # -- what Kafka tells ---------------------------------------------------------------------

    @property
    def listener(self) -> ConsumerRebalanceListener:
        """To be told of partitions that come and go."""
        return self._standing.listener

    async def check(self, kafka: KafkaConsumer) -> None:
        """Go where the database stands (`Standing.check`); while a batch is in hand, show the lag.

        Raises HistoryChanged, TopicWentBack, the driver's errors and KafkaError.
        """
        if self._turn.locked():
            await self._standing.show_lag(kafka)
            return
        await self._gate.look()
        async with self._turn:
            await self._standing.check(kafka)

    async def consume(self, records: Sequence[Record], kafka: KafkaConsumer) -> None:
        """Bring about the effect of a batch, whatever it takes. Raises nothing but cancellation."""
        started = self._clock.monotonic()
        async with self._turn:
            try:
                await self._consume(records, kafka, started)
            except HistoryChanged as changed:
                _log.exception("nothing is applied to another history", group=self.group)
                self._tell(changed)
                await asyncio.Future()  # until the process ends, which whoever was told sees to

    async def _consume(
        self, records: Sequence[Record], kafka: KafkaConsumer, started: float
    ) -> None:
        self._reach(Step.CONSUME_READ)
        fresh = await self._standing.fresh(records, kafka)
        await self._apply([self._read(record) for record in fresh], kafka, started)
        await self._standing.acknowledge({partition_of(record) for record in fresh}, kafka)
        self._reach(Step.CONSUME_ACKNOWLEDGED)

    # -- 1. read ------------------------------------------------------------------------------

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
        parts = list(_parts(items))
        while parts:
            await self._gate.wait()
            part = [item for item in parts.pop() if self._standing.holds(item.record)]
            if not part:
                continue
            try:
                verdicts = await self._attempt(part)
            except PositionMoved as moved:
                _log.info("position moved", group=self.group, why=str(moved))
                in_hand = {partition_of(i.record) for rest in (part, *parts) for i in rest}
                await self._standing.synchronise(in_hand, kafka)
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
        # Its text may show what else the database holds; integrators read the refusal.
        told = f"{type(error).__name__}; the log of {where} has more"
        return _Item(item.record, Refusal("failed", told))

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
        moves = self._standing.moves(item.record for item in part)
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
        self._standing.step(moves)
        self._reach(Step.CONSUME_SAVED)
        return verdicts

    def _answers(self, part: Sequence[_Item], verdicts: Sequence[Verdict]) -> tuple[Answer, ...]:
        """What became of the dead letters that came back to this group."""
        answers = []
        for item, verdict in zip(part, verdicts, strict=True):
            if item.record.topic in self._topics:
                continue  # nobody's replay
            replay_id = self._dead_letters.replay_id(item.record)
            mine = self._dead_letters.origin(item.record).topic in self._topics
            if replay_id is None or not mine:
                continue
            refusal = verdict if isinstance(verdict, Refusal) else None
            outcome = Outcome.DEAD_LETTERED if isinstance(verdict, Refusal) else verdict
            answers.append(Answer(replay_id, outcome, refusal))
        return tuple(answers)

    async def _note(
        self, part: Sequence[_Item], verdicts: Sequence[Verdict], started: float
    ) -> None:
        now, seconds = self._clock.now().timestamp(), self._clock.monotonic() - started
        outcomes: Counter[tuple[str, Outcome]] = Counter()
        delays: dict[str, list[float]] = defaultdict(list)
        for item, verdict in zip(part, verdicts, strict=True):
            refused = isinstance(verdict, Refusal)
            self._gate.note(refused=refused)
            outcome = Outcome.DEAD_LETTERED if isinstance(verdict, Refusal) else verdict
            type_ = item.content.event.type if isinstance(item.content, Message) else UNKNOWN
            outcomes[type_, outcome] += 1
            delays[type_].append(now - item.record.timestamp / 1000)
            if isinstance(verdict, Refusal):
                self._metrics.dead_letter(verdict.reason)
                self._tell_of(item, verdict)
        for (type_, outcome), count in outcomes.items():
            self._metrics.event_consumed(type_, outcome.value, count)
        for type_, delayed in delays.items():
            self._metrics.events_committed(type_, seconds, delayed)
        await self._gate.shut_if_flooded()

    def _tell_of(self, item: _Item, refusal: Refusal) -> None:
        event = item.content.event if isinstance(item.content, Message) else None
        with bind_event(event.id, event.traceparent) if event else nullcontext():
            _log.warning(
                "dead-lettered",
                group=self.group,
                origin=_where(item.record),
                reason=refusal.reason,
                detail=refusal.detail,
            )


def _parts(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    """Cut a batch from its end into parts that a transaction takes in its time; the first last."""
    part: list[_Item] = []
    size = 0
    for item in reversed(items):
        bytes_ = len(item.record.value or b"")
        if part and size + bytes_ > _BYTES_A_PART:
            yield part[::-1]
            part, size = [], 0
        part.append(item)
        size += bytes_
    yield part[::-1]


def _where(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"
