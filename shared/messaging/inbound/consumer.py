"""The consumer: from Kafka's records to an effect that happens exactly once.

What happens to a batch, in this order (the names are those of `Failpoint`):

1. read: records before the stored position are dropped; after a gap the partition is read again.
   Records of a paused topic are held back: their partitions are paused and read again later.
2. decided: the handler loads and decides, and returns a verdict on each message. If that floods a
   topic, the records after the flood are left for later.
3. dead-lettered: once the database is known to accept the new position, Kafka acknowledges the
   dead letters of what was refused, and what is forwarded to another topic.
4. saved: state, events and position in one MongoDB transaction.
5. acknowledged: Kafka's own offset follows, for lag tools and autoscalers.

A crash between any two steps repeats the batch from 1. At worst a dead letter is written twice, and
its origin identifies it. Transient failures are retried in place; what Kafka acknowledged in 3 is
not sent again meanwhile. A batch that fails for another reason is halved until the guilty message
is alone.

An event that arrives before the aggregate it refers to is stored together with the position. It is
offered again and again, until it is applied or has waited too long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Generic, TypeAlias, TypeVar

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition

from shared.messaging.core.errors import AlreadyExists, HistoryChanged, PositionMoved
from shared.messaging.core.failpoints import Failpoint, FailpointHook, no_faults
from shared.messaging.core.model import CommitContext, Decision, Message, Record, Refusal
from shared.messaging.core.retrying import retry_transient
from shared.messaging.core.sources import SourceRule
from shared.messaging.core.stalls import Stalls
from shared.messaging.core.wake_up import WakeUp
from shared.messaging.inbound.batches import BatchItem, Judged, RecordReader, parts_of
from shared.messaging.inbound.deadletters import DeadLetters
from shared.messaging.inbound.dispatch import VerdictDispatch
from shared.messaging.inbound.doubts import DoubtfulFailures
from shared.messaging.inbound.flood import FloodGate, FloodLimit, Pauses
from shared.messaging.inbound.kafka_consumer import KafkaConsumer, partition_of
from shared.messaging.inbound.offsets import PartitionOffsets
from shared.messaging.inbound.outcomes import OutcomeMetrics
from shared.messaging.inbound.pausing import Flooded, TopicPausing
from shared.messaging.inbound.stall_reporter import StallReporter
from shared.messaging.inbound.verdicts import VerdictRules
from shared.messaging.ledger.deferral import DeferralLimit, DeferredMessages
from shared.messaging.ledger.majority import catch_up
from shared.messaging.ledger.positions import Positions
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database

_log = structlog.get_logger(__name__)

C = TypeVar("C")

Handle: TypeAlias = Callable[[Sequence[Message]], Awaitable[Decision[C]]]
"""Loads what a batch concerns and decides; writes nothing. It may get the same messages again."""

Save: TypeAlias = Callable[[Sequence[C], CommitContext], Awaitable[None]]
"""Saves the changes and what the context holds in one transaction, or nothing."""

_GIVE_UP_PAUSE_SECONDS: Final = 5.0


class Consumer(Generic[C]):
    """Consumes for one group: `consume` gets every batch."""

    # long: it wires what one group consists of
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
        on_history_change: Callable[[HistoryChanged], None],
        stalls: Stalls | None = None,
        rule: SourceRule | None = None,
        failpoint: FailpointHook = no_faults,
    ) -> None:
        """`on_history_change` is called if the database turns out to be restored from a copy.

        `rule` says which sources are believed; without it all are.
        """
        self.group = group
        stalls = stalls or Stalls(metrics)
        self._stalls = StallReporter(group, stalls, clock=clock)
        self._handle = handle
        self._save = save
        self._positions = Positions(database)
        self._offsets = PartitionOffsets(
            group, self._positions, metrics=metrics, clock=clock, stalls=stalls
        )
        self._gate = FloodGate(
            group,
            {*topics, dead_letters.replay},
            limit,
            Pauses(database),
            metrics=metrics,
            clock=clock,
        )
        self._pausing = TopicPausing(self._gate)
        self._deferral = DeferredMessages(database)
        self._deferral_limit = deferral
        self._reader = RecordReader(topics, dead_letters, rule)
        self._rules = VerdictRules(
            group,
            topics,
            deferral=self._deferral,
            limit=deferral,
            dead_letters=dead_letters,
            clock=clock,
        )
        self._dispatch = VerdictDispatch(dead_letters)
        self._outcomes = OutcomeMetrics(group, metrics=metrics, clock=clock)
        self._catch_up = partial(catch_up, database)
        self._metrics = metrics
        self._clock = clock
        self._on_history_change = on_history_change
        self._failpoint = failpoint
        self._lock = asyncio.Lock()  # held by a batch, or by a check of the positions

    # -- what Kafka calls ---------------------------------------------------------------------

    @property
    def listener(self) -> ConsumerRebalanceListener:
        """For Kafka's consumer: hears of partitions that come and go."""
        return self._offsets.listener

    @property
    def wake_up(self) -> WakeUp:
        """Woken if `check` has something to do before its time."""
        return self._offsets.wake_up

    async def check(self, kafka: KafkaConsumer) -> None:
        """Seek to the stored positions (`PartitionOffsets.check`), and offer deferred messages.

        While a batch is in hand, it only shows the lag and applies pauses. Raises HistoryChanged,
        the driver's errors and KafkaError.
        """
        if self._lock.locked():
            await self._offsets.show_lag(kafka)
            await self._pausing.apply(kafka)
            return
        async with self._lock:  # free, since nothing was awaited after the test above
            paused = await self._pausing.apply(kafka)
            await self._offsets.check(kafka)
            await self._offer_again(kafka)
            if paused:  # nothing is fetched that would say where these end
                await self._offsets.show_lag(kafka)

    async def consume(self, records: Sequence[Record], kafka: KafkaConsumer) -> None:
        """Apply a batch, whatever it takes. Raises only cancellation."""
        started = self._clock.monotonic()
        async with self._lock:
            try:
                await self._consume(records, kafka, started)
            except HistoryChanged as changed:
                _log.exception("nothing is applied to another history", group=self.group)
                self._stalls.note(changed)
                self._on_history_change(changed)
                await asyncio.Future()  # until the process ends: the callback sees to that

    async def _consume(
        self, records: Sequence[Record], kafka: KafkaConsumer, started: float
    ) -> None:
        self._failpoint(Failpoint.CONSUME_READ)
        await self._gate.load()
        unprocessed = await self._offsets.unprocessed(records, kafka)
        await self._apply([self._reader.item(record) for record in unprocessed], kafka, started)
        await self._offsets.commit_offsets({partition_of(r) for r in unprocessed}, kafka)
        self._failpoint(Failpoint.CONSUME_ACKNOWLEDGED)

    async def _offer_again(self, kafka: KafkaConsumer) -> None:
        """Offer deferred messages again; those of a paused topic wait on."""
        deferred = await self._deferral.of(self.group, self._deferral_limit.most)
        self._metrics.set_deferred(self.group, len(deferred))
        items = [self._reader.item(message.record, message) for message in deferred]
        await self._apply(items, kafka, self._clock.monotonic())

    # -- 2. to 4. decided, dead-lettered, saved -----------------------------------------------

    async def _apply(
        self, items: Sequence[BatchItem], kafka: KafkaConsumer, started: float
    ) -> None:
        """Apply a batch; halve it as long as it fails for a permanent reason."""
        parts: list[Sequence[BatchItem]] = list(parts_of(items))
        held: dict[TopicPartition, int] = {}  # of paused topics: the first offset held back
        while parts:
            assigned = [i for i in parts.pop() if i.deferred or self._offsets.is_assigned(i.record)]
            part = self._pausing.filter(assigned, held)
            if not part:
                continue
            try:
                judged = await self._attempt(part)
            except PositionMoved as moved:
                _log.info("position moved", group=self.group, why=str(moved))
                items_left = (item for rest in (part, *parts) for item in rest if not item.deferred)
                in_hand = {partition_of(item.record) for item in items_left}
                await self._offsets.synchronise(in_hand, kafka)
                break  # whatever is still to be applied is read again
            except HistoryChanged:
                raise
            except Flooded as flooded:
                parts += [flooded.rest, flooded.first]
            except Exception as error:  # noqa: BLE001  # whatever it is: halved or dead-lettered
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                else:
                    parts.append([await self._give_up(part[0], error)])
            else:
                self._pausing.count(judged)
                self._outcomes.note(judged, started)
        self._pausing.rewind(held, kafka)

    async def _give_up(self, item: BatchItem, error: Exception) -> BatchItem:
        _log.error("message cannot be applied", group=self.group, origin=item.place, exc_info=error)
        if isinstance(item.content, Refusal):  # even its dead letter fails: a person must repair it
            self._stalls.note(error)
            await self._clock.sleep(_GIVE_UP_PAUSE_SECONDS)
            return item
        # Its text may show what else the database holds; integrators read the refusal.
        detail = f"{type(error).__name__}; the log of {item.place} has more"
        return replace(item, content=Refusal("failed", detail))

    async def _attempt(self, part: Sequence[BatchItem]) -> Sequence[Judged]:
        """Decide, dead-letter and save one part; transient failures are retried.

        Raises PositionMoved, Flooded, and permanent failures.
        """
        doubts = DoubtfulFailures(self._catch_up, self._clock, alone=len(part) == 1)
        with self._stalls.watched():
            async for attempt in retry_transient(
                self.group, self._clock, should_retry=doubts.should_retry
            ):
                with attempt, self._stalls.shown():
                    try:
                        return await self._once(part, attempt.retry_state.attempt_number)
                    except AlreadyExists as error:
                        await doubts.note_collision(error)
                        raise
        raise AssertionError("a retry without an end has ended")

    async def _once(self, part: Sequence[BatchItem], tries: int) -> Sequence[Judged]:
        advances = self._offsets.advances(item.record for item in part if not item.deferred)
        judged, changes = await self._decide_finally(part)
        await self._pausing.check_flood(judged)
        self._failpoint(Failpoint.CONSUME_DECIDED)
        context = self._rules.context(judged, advances)
        if not self._dispatch.is_done(judged):
            await self._check_positions(context)
            await self._dispatch.send(judged, tries)
            self._failpoint(Failpoint.CONSUME_DEAD_LETTERED)
        if context.advances or context.ends:
            await self._save(changes, context)
        self._offsets.advance(advances)
        self._dispatch.forget(item for item, verdict in judged)
        self._failpoint(Failpoint.CONSUME_SAVED)
        return judged

    async def _decide_finally(
        self, part: Sequence[BatchItem]
    ) -> tuple[Sequence[Judged], Sequence[C]]:
        """Decide; if that brings a dead letter or a forward, decide again on the newest data.

        A change that was decided on old data is stopped when it is saved, a dead letter is not.
        """
        judged, changes = await self._decide(part)
        by_handler = [one for one in judged if isinstance(one[0].content, Message)]
        if self._dispatch.is_done(by_handler):
            return judged, changes
        await self._catch_up()
        return await self._decide(part)

    async def _decide(self, part: Sequence[BatchItem]) -> tuple[Sequence[Judged], Sequence[C]]:
        """Return a verdict on each; one that was sent before stays."""
        known = [(item, self._dispatch.final_verdict(item) or item.content) for item in part]
        messages = [content for _, content in known if isinstance(content, Message)]
        decision: Decision[C] = await self._handle(messages) if messages else Decision(())
        if len(decision.verdicts) != len(messages):
            raise ValueError(f"{len(decision.verdicts)} verdicts on {len(messages)} messages")
        verdicts = iter(decision.verdicts)
        judged = await self._rules.judge(
            [
                (item, next(verdicts) if isinstance(content, Message) else content)
                for item, content in known
            ]
        )
        return judged, decision.changes

    async def _check_positions(self, context: CommitContext) -> None:
        """Check that the database accepts the new positions, before anything is sent for good.

        Raises PositionMoved and the driver's errors.
        """
        stored = await self._positions.read(
            self.group, [(move.topic, move.partition) for move in context.advances]
        )
        for move in context.advances:
            at = stored.get((move.topic, move.partition))
            if at != move.expected:
                raise PositionMoved(f"{move.topic}/{move.partition} at {at}, not {move.expected}")
        if len(await self._deferral.known(context.ends)) < len(context.ends):
            raise PositionMoved("what waited was taken by another process")
