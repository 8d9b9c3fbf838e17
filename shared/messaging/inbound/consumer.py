"""The consumer wrapper: from Kafka's records to an effect that happens exactly once.

What happens to a batch, in this order (the names are those of `steps.Step`):

1. read: records before the stored position are dropped; a gap is read again before it is believed.
   Records of a topic that is paused are held back: their partitions are paused and read again.
2. decided: the handler loads and decides, and says of each message what becomes of it. Where that
   floods a topic, what stands behind the flood is left for later.
3. dead-lettered: once it is known that the database can take the position, what was refused is
   acknowledged by Kafka in the dead-letter topic, and what is somebody else's now in his.
4. saved: state, events and position in one MongoDB transaction.
5. acknowledged: Kafka's own offset follows, for lag tools and autoscalers.

A crash between any two of them repeats from 1: at worst a dead letter is written twice, and it is
known by its origin. Transient failures are waited out in place; what Kafka acknowledged in 3 is not
sent again meanwhile. Where a batch fails for another reason it is halved until the guilty message
stands alone.

What came before what it is about is kept where the position is, and offered again and again, until
it is applied or has waited too long.
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
"""Loads what a batch concerns and decides; writes nothing. It may be called again for the same."""

Save: TypeAlias = Callable[[Sequence[C], CommitContext], Awaitable[None]]
"""Saves changes and cause in one transaction, or nothing."""

_GIVE_UP_PAUSE_SECONDS: Final = 5.0


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
        stalls: Stalls | None = None,
        failpoint: FailpointHook = no_faults,
    ) -> None:
        """`tell` is called where the database turns out to be another history."""
        self.group = group
        stalls = stalls or Stalls(metrics)
        self._stalling = StallReporter(group, stalls, clock=clock)
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
        self._reading = RecordReader(topics, dead_letters)
        self._judging = VerdictRules(
            group,
            topics,
            deferral=self._deferral,
            limit=deferral,
            dead_letters=dead_letters,
            clock=clock,
        )
        self._dispatch = VerdictDispatch(dead_letters)
        self._accounts = OutcomeMetrics(group, metrics=metrics, clock=clock)
        self._catch_up = partial(catch_up, database)
        self._metrics = metrics
        self._clock = clock
        self._tell = tell
        self._failpoint = failpoint
        self._turn = asyncio.Lock()  # one at a time: a batch, or a look at the positions

    # -- what Kafka tells ---------------------------------------------------------------------

    @property
    def listener(self) -> ConsumerRebalanceListener:
        """To be told of partitions that come and go."""
        return self._offsets.listener

    @property
    def wake_up(self) -> WakeUp:
        """Rung where `check` has something to do before its time."""
        return self._offsets.wake_up

    async def check(self, kafka: KafkaConsumer) -> None:
        """Go where the database stands (`Standing.check`), and offer again what waits there.

        While a batch is in hand, it only shows the lag and heeds what is paused. Raises
        HistoryChanged, the driver's errors and KafkaError.
        """
        if self._turn.locked():
            await self._offsets.show_lag(kafka)
            await self._pausing.heed(kafka)
            return
        async with self._turn:  # nothing may be awaited between the look at it and taking it
            paused = await self._pausing.heed(kafka)
            await self._offsets.check(kafka)
            await self._offer_again(kafka)
            if paused:  # nobody fetches what would tell where these end
                await self._offsets.show_lag(kafka)

    async def consume(self, records: Sequence[Record], kafka: KafkaConsumer) -> None:
        """Bring about the effect of a batch, whatever it takes. Raises nothing but cancellation."""
        started = self._clock.monotonic()
        async with self._turn:
            try:
                await self._consume(records, kafka, started)
            except HistoryChanged as changed:
                _log.exception("nothing is applied to another history", group=self.group)
                self._stalling.note(changed)
                self._tell(changed)
                await asyncio.Future()  # until the process ends, which whoever was told sees to

    async def _consume(
        self, records: Sequence[Record], kafka: KafkaConsumer, started: float
    ) -> None:
        self._failpoint(Failpoint.CONSUME_READ)
        await self._gate.hear()
        fresh = await self._offsets.unprocessed(records, kafka)
        await self._apply([self._reading.item(record) for record in fresh], kafka, started)
        await self._offsets.commit_offsets({partition_of(record) for record in fresh}, kafka)
        self._failpoint(Failpoint.CONSUME_ACKNOWLEDGED)

    async def _offer_again(self, kafka: KafkaConsumer) -> None:
        """Offer what waits once more; what came from a paused topic waits on."""
        waiting = await self._deferral.of(self.group, self._deferral_limit.most)
        self._metrics.set_deferred(self.group, len(waiting))
        items = [self._reading.item(deferred.record, deferred) for deferred in waiting]
        await self._apply(items, kafka, self._clock.monotonic())

    # -- 2. to 4. decided, dead-lettered, saved -----------------------------------------------

    async def _apply(
        self, items: Sequence[BatchItem], kafka: KafkaConsumer, started: float
    ) -> None:
        """Apply a batch, halving it for as long as it fails for a reason that stays."""
        parts: list[Sequence[BatchItem]] = list(parts_of(items))
        held: dict[TopicPartition, int] = {}  # by paused topics, from these offsets on
        while parts:
            mine = [i for i in parts.pop() if i.waited or self._offsets.is_assigned(i.record)]
            part = self._pausing.let_through(mine, held)
            if not part:
                continue
            try:
                judged = await self._attempt(part)
            except PositionMoved as moved:
                _log.info("position moved", group=self.group, why=str(moved))
                items_left = (item for rest in (part, *parts) for item in rest if not item.waited)
                in_hand = {partition_of(item.record) for item in items_left}
                await self._offsets.synchronise(in_hand, kafka)
                break  # whatever is still to be applied is read again
            except HistoryChanged:
                raise
            except Flooded as flooded:
                parts += [flooded.rest, flooded.first]
            except Exception as error:  # noqa: BLE001  # whatever it is, it is dead-lettered or halved
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                else:
                    parts.append([await self._give_up(part[0], error)])
            else:
                self._pausing.note(judged)
                self._accounts.note(judged, started)
        self._pausing.read_again(held, kafka)

    async def _give_up(self, item: BatchItem, error: Exception) -> BatchItem:
        _log.error("message cannot be applied", group=self.group, origin=item.where, exc_info=error)
        if isinstance(item.content, Refusal):  # not even giving it up works: ours to mend
            self._stalling.note(error)
            await self._clock.sleep(_GIVE_UP_PAUSE_SECONDS)
            return item
        # Its text may show what else the database holds; integrators read the refusal.
        told = f"{type(error).__name__}; the log of {item.where} has more"
        return replace(item, content=Refusal("failed", told))

    async def _attempt(self, part: Sequence[BatchItem]) -> Sequence[Judged]:
        """Decide, dead-letter and save one part; transient failures are waited out.

        Raises PositionMoved, Flooded, and whatever is permanent.
        """
        doubts = DoubtfulFailures(self._catch_up, self._clock, alone=len(part) == 1)
        with self._stalling.watched():
            async for attempt in retry_transient(self.group, self._clock, helps=doubts.helps):
                with attempt, self._stalling.shown():
                    try:
                        return await self._once(part, attempt.retry_state.attempt_number)
                    except AlreadyExists as error:
                        await doubts.collided(error)
                        raise
        raise AssertionError("a retry without an end has ended")

    async def _once(self, part: Sequence[BatchItem], tries: int) -> Sequence[Judged]:
        moves = self._offsets.advances(item.record for item in part if not item.waited)
        judged, changes = await self._decide_for_good(part)
        await self._pausing.admit(judged)
        self._failpoint(Failpoint.CONSUME_DECIDED)
        cause = self._judging.cause(judged, moves)
        if not self._dispatch.is_done(judged):
            await self._make_sure(cause)
            await self._dispatch.send(judged, tries)
            self._failpoint(Failpoint.CONSUME_DEAD_LETTERED)
        if cause.moves or cause.ends:
            await self._save(changes, cause)
        self._offsets.advance(moves)
        self._dispatch.forget(item for item, verdict in judged)
        self._failpoint(Failpoint.CONSUME_SAVED)
        return judged

    async def _decide_for_good(
        self, part: Sequence[BatchItem]
    ) -> tuple[Sequence[Judged], Sequence[C]]:
        """Decide; and where a letter or a forward would stay for good, decide on data as new.

        A change that was decided on older data is stopped when it is saved, a letter is not.
        """
        judged, changes = await self._decide(part)
        by_handler = [one for one in judged if isinstance(one[0].content, Message)]
        if self._dispatch.is_done(by_handler):
            return judged, changes
        await self._catch_up()
        return await self._decide(part)

    async def _decide(self, part: Sequence[BatchItem]) -> tuple[Sequence[Judged], Sequence[C]]:
        """Say what becomes of each; what was told of one before is not decided anew."""
        known = [(item, self._dispatch.final(item) or item.content) for item in part]
        messages = [content for _, content in known if isinstance(content, Message)]
        decision: Decision[C] = await self._handle(messages) if messages else Decision(())
        if len(decision.verdicts) != len(messages):
            raise ValueError(f"{len(decision.verdicts)} verdicts on {len(messages)} messages")
        verdicts = iter(decision.verdicts)
        judged = await self._judging.judge(
            [
                (item, next(verdicts) if isinstance(content, Message) else content)
                for item, content in known
            ]
        )
        return judged, decision.changes

    async def _make_sure(self, cause: CommitContext) -> None:
        """Look whether the database takes these steps, before anything is sent that stays.

        Raises PositionMoved and the driver's errors.
        """
        stored = await self._positions.read(
            self.group, [(move.topic, move.partition) for move in cause.moves]
        )
        for move in cause.moves:
            at = stored.get((move.topic, move.partition))
            if at != move.expected:
                raise PositionMoved(f"{move.topic}/{move.partition} at {at}, not {move.expected}")
        if len(await self._deferral.known(cause.ends)) < len(cause.ends):
            raise PositionMoved("what waited was taken by another process")
