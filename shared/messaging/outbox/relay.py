"""The relay: from the commit records to Kafka, until Kafka has acknowledged all.

A pass reads what is pending at one moment. Within that moment nothing is missing that something
else builds on, but records stand in no order that could be relied on: a primary that was elected
since has applied some of them side by side. So an aggregate's events leave by their versions.

What a partition does not take holds up nobody else: its events stay under way, or wait, and the
others are sent and marked (`lanes`). A crash between sending and marking sends again, with the same
`ce_id`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.structs import RecordMetadata

from shared.contracts.envelope import CloudEvent, write
from shared.messaging.core.errors import Stale, Unsendable
from shared.messaging.core.failpoints import Failpoint, FailpointHook, no_faults
from shared.messaging.core.model import Counted, Event
from shared.messaging.core.stalls import Stalls
from shared.messaging.core.wake_up import WakeUp
from shared.messaging.kafka.publisher import OutgoingRecord, Publisher
from shared.messaging.ledger.counts import Counts
from shared.messaging.ledger.leases import Lease, Leases
from shared.messaging.ledger.positions import (
    NOWHERE,
    PUBLISHED,
    Positions,
    TopicPosition,
    position_id,
)
from shared.messaging.ledger.rollback import RollbackDetector
from shared.messaging.outbox.lanes import Lanes
from shared.messaging.outbox.pending import PendingReader, PendingRecord, RelayPass, by_version
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database, transaction

_log = structlog.get_logger(__name__)

_RETRY_STUCK_SECONDS: Final = 30.0
_PACE_SECONDS: Final = 0.05  # from one pass to the next: a pass costs the same for one as for many
_ANSWER_SECONDS: Final = 0.5  # what takes longer is waited for beside the next
_REST_SHARE: Final = 4.0  # of the time that went into reading what could not be sent
_LONGEST_REST_SECONDS: Final = 5.0


class Relay:
    """Publishes one database's commit records; active only while it holds the lease."""

    def __init__(
        self,
        database: Database,
        *,
        lease: Lease,
        publisher: Publisher,
        source: str,
        metrics: Metrics,
        clock: MachineClock,
        watch: RollbackDetector | None = None,
        stalls: Stalls | None = None,
        poll_seconds: float = 0.5,
        failpoint: FailpointHook = no_faults,
    ) -> None:
        self._database = database
        self._commits = database["commits"]
        self._reader = PendingReader(database, clock)
        self._counts = Counts(database)
        self._positions = Positions(database)
        self._lease = lease
        self._leases = Leases(database)
        self._source = source
        self._metrics = metrics
        self._clock = clock
        self._rollback = watch or RollbackDetector(database)
        self._poll_seconds = poll_seconds
        self._failpoint = failpoint
        self._wake_up = WakeUp()
        self._next_at = 0.0  # monotonic
        self._stuck: dict[str, float] = {}  # event id -> monotonic second of the next try
        self._places: dict[str, RecordMetadata] = {}  # of events that are not marked yet, by id
        self._reached: dict[TopicPartition, TopicPosition] | None = None  # as noted; None: not read
        self._number = 0  # of the lease, under which all that is remembered here was done
        self._left: tuple[int, datetime | None] = (0, None)
        self._lanes = Lanes(
            publisher,
            self._outgoing,
            name=database.name,
            clock=clock,
            stalls=stalls or Stalls(metrics),
            freed=self.wake,
        )

    def wake(self) -> None:
        """Say that something was committed; without it the relay looks every `poll_seconds`."""
        self._wake_up.wake()

    async def rest(self) -> None:
        """Wait for the bell, `poll_seconds` at most, and until the next pass is due."""
        await self._wake_up.wait(self._poll_seconds)
        early = self._next_at - self._clock.monotonic()
        if early > 0:
            await self._clock.sleep(early)

    def pending(self) -> tuple[int, datetime | None]:
        """How many events the last pass left, and when the oldest was committed (UTC).

        Nothing, where another process holds the lease.
        """
        return self._left if self._lease.held else (0, None)

    async def flush(self) -> int:
        """Make one pass over all that is pending; return how many events Kafka acknowledged.

        What a partition does not take is left, and comes again. Raises LeaseLost, Stale,
        HistoryChanged and the driver's errors; what was not marked stays pending.
        """
        begun = self._clock.monotonic()
        self._next_at = begun + _PACE_SECONDS
        await self._rollback.sure()
        self._begin()
        this = RelayPass()
        async for chunk in self._reader.chunks(this):
            self._failpoint(Failpoint.SEND_READ)
            await self._publish(chunk, this)
        self._left = (this.left, this.oldest)
        if this.early:
            self.wake()
        if this.left:  # it is read again each time, so that has to stay a small share
            wasted = this.reading_seconds * this.left / this.read
            rest = min(_LONGEST_REST_SECONDS, _REST_SHARE * wasted)
            self._next_at = max(self._next_at, self._clock.monotonic() + rest)
        return this.published

    def _begin(self) -> None:
        """Forget what was done under another number of the lease: others have gone on since."""
        if self._number != self._lease.fence.number:
            self._number = self._lease.fence.number
            self._places.clear()
            self._stuck.clear()
            self._reached = None
            self._lanes.forget()

    async def _publish(self, chunk: Sequence[PendingRecord], this: RelayPass) -> None:
        """Send a chunk, mark what went whole, note what is left of the rest."""
        self._lanes.locate({event.topic for record in chunk for event in record.events})
        this.published += await self._hear()
        self._lanes.send(self._due(chunk, this))
        await asyncio.sleep(0)  # they set out
        self._failpoint(Failpoint.SEND_HANDED)
        this.published += await self._hear()
        self._failpoint(Failpoint.SEND_ACKNOWLEDGED)
        for record in chunk:
            unsent = record.unsent(self._places)
            this.read += len(record.events)
            this.left += len(unsent)
            if unsent:
                this.oldest = min(this.oldest or record.at, record.at)
                left = set(unsent) - this.early
                this.held |= {e.aggregate_id for e in record.events if e.id in left}
        await self._mark(chunk)

    def _due(self, chunk: Sequence[PendingRecord], this: RelayPass) -> list[Event]:
        """Those events of a chunk that can be sent now, each aggregate's by their versions."""
        due: list[Event] = []
        for event in by_version([event for record in chunk for event in record.events]):
            about = event.aggregate_id
            if event.id in self._places:
                this.following[about] = event.version + 1
            elif about in this.held or self._is_stuck(event) or not self._lanes.takes(event):
                this.held.add(about)  # what follows it would overtake it
            elif event.version == this.following.get(about, event.version):
                this.following[about] = event.version + 1
                due.append(event)
            else:
                this.early.add(event.id)
        return due

    async def _hear(self) -> int:
        """Take in what Kafka has answered; return how many events it has acknowledged."""
        taken: Counter[str] = Counter()
        for event, answer in await self._lanes.heard(_ANSWER_SECONDS):
            if isinstance(answer, RecordMetadata):
                self._places[event.id] = answer
                self._stuck.pop(event.id, None)
                taken[event.type] += 1
            elif isinstance(answer, Unsendable):
                self._stuck[event.id] = self._clock.monotonic() + _RETRY_STUCK_SECONDS
                _log.error(
                    "event cannot be sent",
                    event_id=event.id,
                    topic=event.topic,
                    aggregate=event.aggregate_id,
                    error=str(answer),
                )
        for type_, count in taken.items():
            self._metrics.events_published(type_, count)
        return taken.total()

    def _is_stuck(self, event: Event) -> bool:
        return self._stuck.get(event.id, 0.0) > self._clock.monotonic()

    async def _mark(self, chunk: Sequence[PendingRecord]) -> None:
        """Mark what Kafka holds, if that is still to be done and still ours to do."""
        whole: list[PendingRecord] = []
        partly: list[tuple[PendingRecord, list[str]]] = []
        for record in chunk:
            unsent = record.unsent(self._places)
            if not unsent:
                whole.append(record)
            elif len(unsent) < len(record.events):
                partly.append((record, unsent))
        if not (whole or partly):
            return
        # A mark says that our topics hold all that this database knows: another history's do not.
        await self._rollback.sure()
        done = [e.id for r in chunk for e in r.events if e.id in self._places]
        reached = await self._now_reached(self._places[id_] for id_ in done)
        async with self._lease.fenced() as fence, transaction(self._database.client) as session:
            await self._leases.touch(fence, session)
            marked = await self._commits.update_many(
                {"_id": {"$in": [record.id for record in whole]}, "pending": True},
                {"$unset": {"pending": "", "unsent": ""}},
                session=session,
            )
            matched = marked.matched_count
            for record, unsent in partly:
                noted = await self._commits.update_one(
                    {"_id": record.id, "pending": True},
                    {"$set": {"unsent": unsent}},
                    session=session,
                )
                matched += noted.matched_count
            if matched < len(whole) + len(partly):
                raise Stale("of what was read as pending, some is not")
            await self._counts.add(_total(whole), session)
            await self._positions.reach(PUBLISHED, reached, session)
            self._failpoint(Failpoint.MARK_WRITTEN)
        self._rollback.moved({position_id(PUBLISHED, *p): now for p, now in reached.items()})
        assert self._reached is not None
        self._reached |= reached
        for id_ in done:
            del self._places[id_]
        self._failpoint(Failpoint.MARK_DONE)

    async def _now_reached(
        self, places: Iterable[RecordMetadata]
    ) -> Mapping[TopicPartition, TopicPosition]:
        """How far our topics hold what this database knows, with these places of just now.

        What was sent under this lease stands behind all that was noted before it was taken; where
        it does not, the topic was made anew, and a new count begins.
        """
        furthest: dict[TopicPartition, int] = {}
        for place in places:
            partition = TopicPartition(place.topic, place.partition)
            furthest[partition] = max(furthest.get(partition, 0), place.offset + 1)
        if self._reached is None:
            self._reached = await self._positions.reached(PUBLISHED)
        now: dict[TopicPartition, TopicPosition] = {}
        for partition, next_ in furthest.items():
            before = self._reached.get(partition, NOWHERE)
            anew = next_ < before.next
            if anew:
                _log.error("topic was made anew", topic=partition.topic, ended_at=before.next)
            now[partition] = TopicPosition(before.era + anew, next_)
        return now

    def _outgoing(self, event: Event) -> OutgoingRecord:
        headers, value = write(
            CloudEvent(
                id=event.id,
                source=self._source,
                type=event.type,
                data=event.data,
                subject=event.aggregate_id,
                time=event.time,
                dataschema=event.dataschema,
                sequence=event.version,
                traceparent=event.trace,
            )
        )
        return OutgoingRecord(event.topic, event.key.encode(), value, headers)


def _total(records: Iterable[PendingRecord]) -> Counter[Counted]:
    total: Counter[Counted] = Counter()
    for record in records:
        for counted, change in record.tally:
            total[counted] += change
    return total
