"""The relay: sends the events of commit records to Kafka until it has acknowledged all.

A pass reads what is pending at one moment. That snapshot lacks no event that another one in it
builds on, but the order of its records is not reliable: a primary that was elected since has
applied some of them in parallel. So an aggregate's events are sent by their versions.

A partition that accepts nothing delays no other: its events stay in flight, or wait, and the others
are sent and marked (`lanes`). A crash between sending and marking sends again, with the same
`ce_id`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.publisher import Publisher
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
_PACE_SECONDS: Final = 0.05  # between two passes: one costs the same for one event as for many
_ANSWER_SECONDS: Final = 0.5  # a slower answer is collected by a later pass
_PAUSE_FACTOR: Final = 4.0  # times the seconds spent on reading what could not be sent
_LONGEST_PAUSE_SECONDS: Final = 5.0


class Relay:
    """Publishes the commit records of one database; active only while it holds the lease."""

    def __init__(
        self,
        database: Database,
        *,
        lease: Lease,
        publisher: Publisher,
        source: str,
        metrics: Metrics,
        clock: MachineClock,
        detector: RollbackDetector | None = None,
        stalls: Stalls | None = None,
        poll_seconds: float = 0.5,
        sign: Callable[[OutgoingRecord], OutgoingRecord] | None = None,
        failpoint: FailpointHook = no_faults,
    ) -> None:
        """`sign` adds this service's signature to what is sent."""
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
        self._rollback = detector or RollbackDetector(database)
        self._poll_seconds = poll_seconds
        self._sign = sign
        self._failpoint = failpoint
        self._wake_up = WakeUp()
        self._next_at = 0.0  # monotonic
        self._stuck: dict[str, float] = {}  # event id -> monotonic second of the next try
        self._places: dict[str, RecordMetadata] = {}  # of events that are not marked yet, by id
        self._published: dict[TopicPartition, TopicPosition] | None = None  # stored; None: not read
        self._number = 0  # of the lease when the state above was collected
        self._left: tuple[int, datetime | None] = (0, None)
        self._lanes = Lanes(
            publisher,
            self._outgoing,
            name=database.name,
            clock=clock,
            stalls=stalls or Stalls(metrics),
            on_free=self.wake,
        )

    def wake(self) -> None:
        """Say that something was committed; else the relay polls every `poll_seconds`."""
        self._wake_up.wake()

    async def rest(self) -> None:
        """Wait until it is woken, at most `poll_seconds`, and until the next pass is due."""
        await self._wake_up.wait(self._poll_seconds)
        early = self._next_at - self._clock.monotonic()
        if early > 0:
            await self._clock.sleep(early)

    def pending(self) -> tuple[int, datetime | None]:
        """How many events the last pass left, and when the oldest was committed (UTC).

        (0, None) if another process holds the lease.
        """
        return self._left if self._lease.held else (0, None)

    async def flush(self) -> int:
        """Make one pass over all pending events; return how many Kafka acknowledged.

        What a partition does not accept stays pending for the next pass. Raises LeaseLost, Stale,
        HistoryChanged and the driver's errors; what was not marked stays pending.
        """
        begun = self._clock.monotonic()
        self._next_at = begun + _PACE_SECONDS
        await self._rollback.check_if_suspected()
        self._begin()
        this = RelayPass()
        async for chunk in self._reader.chunks(this):
            self._failpoint(Failpoint.SEND_READ)
            await self._publish(chunk, this)
        self._left = (this.left, this.oldest)
        if this.early:
            self.wake()
        if this.left:  # each pass reads it again: that must stay a small share of the time
            wasted = this.reading_seconds * this.left / this.read
            pause = min(_LONGEST_PAUSE_SECONDS, _PAUSE_FACTOR * wasted)
            self._next_at = max(self._next_at, self._clock.monotonic() + pause)
        return this.published

    def _begin(self) -> None:
        """Forget the state of another number of the lease: another process was active since."""
        if self._number != self._lease.fence.number:
            self._number = self._lease.fence.number
            self._places.clear()
            self._stuck.clear()
            self._published = None
            self._lanes.forget()

    async def _publish(self, chunk: Sequence[PendingRecord], this: RelayPass) -> None:
        """Send a chunk, and mark what Kafka acknowledged."""
        self._lanes.locate({event.topic for record in chunk for event in record.events})
        this.published += await self._collect()
        self._lanes.send(self._due(chunk, this))
        await asyncio.sleep(0)  # the sends begin
        self._failpoint(Failpoint.SEND_HANDED)
        this.published += await self._collect()
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

    def _due(
        self, chunk: Sequence[PendingRecord], this: RelayPass
    ) -> Mapping[TopicPartition, Sequence[Event]]:
        """The events of a chunk that can be sent now, those of each aggregate by version."""
        due: defaultdict[TopicPartition, list[Event]] = defaultdict(list)
        for event in by_version([event for record in chunk for event in record.events]):
            aggregate = event.aggregate_id
            if event.id in self._places:
                this.following[aggregate] = event.version + 1
            elif (
                aggregate in this.held
                or self._is_stuck(event)
                or (place := self._lanes.free_place(event)) is None
            ):
                this.held.add(aggregate)  # what follows it would overtake it
            elif event.version == this.following.get(aggregate, event.version):
                this.following[aggregate] = event.version + 1
                due[place].append(event)
            else:
                this.early.add(event.id)
        return due

    async def _collect(self) -> int:
        """Note what Kafka has answered; return how many events it has acknowledged."""
        acknowledged: Counter[str] = Counter()
        for event, answer in await self._lanes.collect(_ANSWER_SECONDS):
            if isinstance(answer, RecordMetadata):
                self._places[event.id] = answer
                self._stuck.pop(event.id, None)
                acknowledged[event.type] += 1
            elif isinstance(answer, Unsendable):
                self._stuck[event.id] = self._clock.monotonic() + _RETRY_STUCK_SECONDS
                _log.error(
                    "event cannot be sent",
                    event_id=event.id,
                    topic=event.topic,
                    aggregate=event.aggregate_id,
                    error=str(answer),
                )
        for type_, count in acknowledged.items():
            self._metrics.events_published(type_, count)
        return acknowledged.total()

    def _is_stuck(self, event: Event) -> bool:
        return self._stuck.get(event.id, 0.0) > self._clock.monotonic()

    async def _mark(self, chunk: Sequence[PendingRecord]) -> None:
        """Mark what Kafka holds, if it is still unmarked and the lease is still ours."""
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
        # A mark says that our topics hold what this database knows: not true for another history.
        await self._rollback.check_if_suspected()
        done = [e.id for r in chunk for e in r.events if e.id in self._places]
        positions = await self._new_positions(self._places[id_] for id_ in done)
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
            await self._positions.store_highest(PUBLISHED, positions, session)
            self._failpoint(Failpoint.MARK_WRITTEN)
        self._rollback.note_positions(
            {position_id(PUBLISHED, *p): now for p, now in positions.items()}
        )
        assert self._published is not None
        self._published |= positions
        for id_ in done:
            del self._places[id_]
        self._failpoint(Failpoint.MARK_DONE)

    async def _new_positions(
        self, places: Iterable[RecordMetadata]
    ) -> Mapping[TopicPartition, TopicPosition]:
        """How far our topics hold what this database knows, including these places.

        What was sent under this lease comes after all that was stored before the lease was taken;
        if it does not, the topic was created again, and a new era begins.
        """
        furthest: dict[TopicPartition, int] = {}
        for place in places:
            partition = TopicPartition(place.topic, place.partition)
            furthest[partition] = max(furthest.get(partition, 0), place.offset + 1)
        if self._published is None:
            self._published = await self._positions.read_all(PUBLISHED)
        positions: dict[TopicPartition, TopicPosition] = {}
        for partition, next_ in furthest.items():
            before = self._published.get(partition, NOWHERE)
            created_again = next_ < before.next
            if created_again:
                _log.error("topic was made anew", topic=partition.topic, ended_at=before.next)
            positions[partition] = TopicPosition(before.era + created_again, next_)
        return positions

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
        record = OutgoingRecord(event.topic, event.key.encode(), value, headers)
        return record if self._sign is None else self._sign(record)


def _total(records: Iterable[PendingRecord]) -> Counter[Counted]:
    total: Counter[Counted] = Counter()
    for record in records:
        for counted, change in record.tally:
            total[counted] += change
    return total
