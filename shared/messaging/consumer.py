"""The consumer wrapper: from Kafka's records to an effect that happens exactly once.

What happens to a batch, in this order (the names are those of `steps.Step`):

1. read: records before the stored position are dropped; a gap is read again before it is believed.
2. decided: the handler loads and decides, and says of each message what becomes of it.
3. dead-lettered: what was refused is acknowledged by Kafka in the dead-letter topic, and what is
   somebody else's now in his.
4. saved: state, events and position in one MongoDB transaction.
5. acknowledged: Kafka's own offset follows, for lag tools and autoscalers.

A crash between any two of them repeats from 1: at worst a dead letter is written twice, and it is
known by its origin. Transient failures are waited out in place. Where a batch fails for a permanent
reason it is halved until the guilty message stands alone.

What came before what it is about is kept where the position is, and offered again and again, until
it is applied or has waited too long.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar

import structlog
from aiokafka import ConsumerRebalanceListener

from shared.contracts.envelope import Unreadable, read
from shared.contracts.events import Invalid, UnknownType, parse
from shared.messaging.deadletters import DeadLetter, DeadLetters
from shared.messaging.deferral import Deferral, DeferralLimit
from shared.messaging.failures import AlreadyThere, PositionMoved
from shared.messaging.flood import FloodGate, FloodLimit, Pauses
from shared.messaging.patience import patient
from shared.messaging.positions import Positions
from shared.messaging.records import (
    Answer,
    Cause,
    Decision,
    Defer,
    Deferred,
    Forward,
    Message,
    Origin,
    Outcome,
    Record,
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
    waited: Deferred | None = None  # where it is offered again


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
        deferral: DeferralLimit,
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
        self._deferral = Deferral(database)
        self._deferral_limit = deferral
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
        """Go where the database stands (`Standing.check`), and offer again what waits there.

        While a batch is in hand, it only shows the lag.
        Raises HistoryChanged, TopicWentBack, the driver's errors and KafkaError.
        """
        if self._turn.locked():
            await self._standing.show_lag(kafka)
            return
        paused = await self._gate.look()
        async with self._turn:
            await self._standing.check(kafka)
            await self._offer_again(kafka, paused=paused)

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

    async def _offer_again(self, kafka: KafkaConsumer, *, paused: bool) -> None:
        """Offer what waits once more, in the order in which it came."""
        waiting = await self._deferral.of(self.group, self._deferral_limit.most)
        self._metrics.set_deferred(self.group, len(waiting))
        if waiting and not paused:
            items = [self._read(deferred.record, deferred) for deferred in waiting]
            await self._apply(items, kafka, self._clock.monotonic())

    # -- 1. read ------------------------------------------------------------------------------

    def _read(self, record: Record, waited: Deferred | None = None) -> _Item:
        return _Item(record, self._content(record, waited is not None), waited)

    def _content(self, record: Record, deferred: bool) -> Message | Verdict:
        first = self._dead_letters.origin(record)
        if first.topic != record.topic and first.topic not in self._topics:
            return Outcome.IGNORED  # a replay meant for another group
        try:
            event = read(record.headers, record.value)
            origin = Origin(record.topic, record.partition, record.offset)
            return Message(origin, event, parse(event), first.topic, deferred)
        except Unreadable as error:
            return Refusal(error.reason, error.detail)
        except UnknownType as error:
            return Refusal("unknown-type", str(error))
        except Invalid as error:
            return Refusal("invalid", str(error))

    # -- 2. to 4. decided, dead-lettered, saved -----------------------------------------------

    async def _apply(self, items: Sequence[_Item], kafka: KafkaConsumer, started: float) -> None:
        """Apply a batch, halving it for as long as it fails for a permanent reason."""
        parts = list(_parts(items))
        while parts:
            await self._gate.wait()
            part = [
                item for item in parts.pop() if item.waited or self._standing.holds(item.record)
            ]
            if not part:
                continue
            try:
                verdicts = await self._attempt(part)
            except PositionMoved as moved:
                _log.info("position moved", group=self.group, why=str(moved))
                items_left = (item for rest in (part, *parts) for item in rest if not item.waited)
                in_hand = {partition_of(item.record) for item in items_left}
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
        return replace(item, content=Refusal("failed", told))

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
        moves = self._standing.moves(item.record for item in part if not item.waited)
        messages = [item.content for item in part if isinstance(item.content, Message)]
        decision: Decision[C] = await self._handle(messages) if messages else Decision(())
        decided = iter(decision.verdicts)
        verdicts = await self._judged(
            [
                (item, next(decided) if isinstance(item.content, Message) else item.content)
                for item in part
            ]
        )
        self._reach(Step.CONSUME_DECIDED)
        letters = [
            DeadLetter(item.record, verdict, tries)
            for item, verdict in zip(part, verdicts, strict=True)
            if isinstance(verdict, Refusal)
        ]
        forwards = [
            (item.record, verdict.topic)
            for item, verdict in zip(part, verdicts, strict=True)
            if isinstance(verdict, Forward)
        ]
        if letters or forwards:
            await self._dead_letters.forward(forwards)
            await self._dead_letters.send(letters)
            self._reach(Step.CONSUME_DEAD_LETTERED)
        cause = Cause(
            "event",
            self.group,
            moves=moves,
            answers=self._answers(part, verdicts),
            defers=self._defers(part, verdicts),
            ends=tuple(
                item.waited.id
                for item, verdict in zip(part, verdicts, strict=True)
                if item.waited and not isinstance(verdict, Defer)
            ),
        )
        if cause.moves or cause.ends:
            await self._save(decision.changes, cause)
        self._standing.step(moves)
        self._reach(Step.CONSUME_SAVED)
        return verdicts

    async def _judged(self, decided: Sequence[tuple[_Item, Verdict]]) -> Sequence[Verdict]:
        """Let wait what may; refuse what may not, or has waited long enough."""
        verdicts = [verdict for _, verdict in decided]
        new = [
            item.content.inbox_id
            for item, verdict in decided
            if isinstance(verdict, Defer) and isinstance(item.content, Message) and not item.waited
        ]
        known = set(await self._deferral.known(new)) if new else set()
        room = await self._deferral.room(self._deferral_limit) if new else 0
        for number, (item, verdict) in enumerate(decided):
            if not isinstance(verdict, Defer):
                continue
            assert isinstance(item.content, Message)
            id_ = item.content.inbox_id
            if item.waited:
                if item.waited.at + self._deferral_limit.longest <= self._clock.now():
                    verdicts[number] = verdict.refusal
            elif id_ in known:
                verdicts[number] = Outcome.DUPLICATE
            elif room <= 0 or item.record.topic not in self._topics:  # whoever replays gets answers
                verdicts[number] = verdict.refusal
            else:
                known.add(id_)
                room -= 1
        return verdicts

    def _defers(self, part: Sequence[_Item], verdicts: Sequence[Verdict]) -> tuple[Deferred, ...]:
        now = self._clock.now()
        return tuple(
            Deferred(item.content.inbox_id, self.group, verdict.about, now, item.record)
            for item, verdict in zip(part, verdicts, strict=True)
            if isinstance(verdict, Defer) and isinstance(item.content, Message) and not item.waited
        )

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
            answers.append(Answer(replay_id, _outcome(verdict), refusal))
        return tuple(answers)

    async def _note(
        self, part: Sequence[_Item], verdicts: Sequence[Verdict], started: float
    ) -> None:
        now, seconds = self._clock.now().timestamp(), self._clock.monotonic() - started
        outcomes: Counter[tuple[str, Outcome]] = Counter()
        delays: dict[str, list[float]] = defaultdict(list)
        for item, verdict in zip(part, verdicts, strict=True):
            type_ = item.content.event.type if isinstance(item.content, Message) else UNKNOWN
            if not item.waited:
                self._gate.note(refused=isinstance(verdict, Refusal))
                delays[type_].append(now - item.record.timestamp / 1000)
            if not (item.waited and isinstance(verdict, Defer)):
                outcomes[type_, _outcome(verdict)] += 1
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


def _outcome(verdict: Verdict) -> Outcome:
    match verdict:
        case Refusal():
            return Outcome.DEAD_LETTERED
        case Defer():
            return Outcome.DEFERRED
        case Forward():
            return Outcome.FORWARDED
        case _:
            return verdict


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
