"""The relay: from the commit records to Kafka, in order, until Kafka has acknowledged all.

A pass reads what is pending at one moment, in the order of insertion. A commit that builds on
another was inserted after that one was committed, so within a snapshot this order is causal: an
aggregate's versions leave in order. A crash between sending and marking sends again, with the
same `ce_id`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka.structs import RecordMetadata

from shared.contracts.envelope import CloudEvent, write
from shared.messaging.bell import Bell
from shared.messaging.counts import Counts, recorded
from shared.messaging.failures import Unsendable
from shared.messaging.leases import Lease, Leases
from shared.messaging.ledger import PENDING, loaded
from shared.messaging.positions import Positions, position_id
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.records import Counted, Event
from shared.messaging.steps import Reach, Step, pass_by
from shared.messaging.watch import Watch
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database, snapshot, transaction

_log = structlog.get_logger(__name__)

_CHUNK: Final = 2_000  # events sent and marked at once
PUBLISHED: Final = "published"  # the group name of "how far our own topics hold what we know"
_RETRY_STUCK_SECONDS: Final = 30.0
_PACE_SECONDS: Final = 0.05  # from one pass to the next: a pass costs the same for one as for many


@dataclass(slots=True)
class _Record:
    """A pending commit record and what is left of it to send."""

    id: Any
    events: list[Event]
    tally: Sequence[tuple[Counted, int]]
    unsent: list[str] = field(default_factory=list)


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
        watch: Watch | None = None,
        poll_seconds: float = 0.5,
        reach: Reach = pass_by,
    ) -> None:
        self._database = database
        self._commits = database["commits"]
        self._counts = Counts(database)
        self._positions = Positions(database)
        self._lease = lease
        self._leases = Leases(database)
        self._publisher = publisher
        self._source = source
        self._metrics = metrics
        self._clock = clock
        self._watch = watch or Watch(database)
        self._poll_seconds = poll_seconds
        self._reach = reach
        self._bell = Bell()
        self._next_at = 0.0  # monotonic
        self._stuck: dict[str, float] = {}  # event id -> monotonic second of the next try

    def ring(self) -> None:
        """Say that something was committed; without it the relay looks every `poll_seconds`."""
        self._bell.ring()

    async def rest(self) -> None:
        """Wait for the bell, `poll_seconds` at most, and until the next pass is due."""
        await self._bell.wait(self._poll_seconds)
        early = self._next_at - self._clock.monotonic()
        if early > 0:
            await self._clock.sleep(early)

    async def flush(self) -> int:
        """Make one pass over all that is pending; return how many events Kafka acknowledged.

        Raises LeaseLost, HistoryChanged, KafkaError and the driver's errors; what was not marked
        stays pending.
        """
        self._next_at = self._clock.monotonic() + _PACE_SECONDS
        await self._watch.sure()
        published = 0
        held: set[str] = set()
        async for chunk in self._chunks():
            self._reach(Step.SEND_READ)
            published += await self._publish(chunk, held)
        return published

    async def _chunks(self) -> AsyncIterator[list[_Record]]:
        chunk: list[_Record] = []
        size = 0
        async with snapshot(self._database.client) as moment:
            cursor = self._commits.find(
                {"pending": True}, {"events": 1, "tally": 1, "unsent": 1}, session=moment
            )
            async for entry in cursor.hint(PENDING).batch_size(_CHUNK):
                record = _record(entry)
                chunk.append(record)
                size += len(record.events)
                if size >= _CHUNK:
                    yield chunk
                    chunk, size = [], 0
        if chunk:
            yield chunk

    async def _publish(self, chunk: Sequence[_Record], held: set[str]) -> int:
        """Send a chunk, mark what went whole, note what is left of the rest."""
        sent: list[Event] = []
        for record in chunk:
            for event in record.events:
                if event.aggregate_id in held or self._is_stuck(event):
                    held.add(event.aggregate_id)  # what follows it would overtake it
                    record.unsent.append(event.id)
                else:
                    sent.append(event)
        handed = await self._publisher.hand([_outgoing(e, self._source) for e in sent])
        self._reach(Step.SEND_HANDED)
        answers = await self._publisher.answers(handed)
        places = dict(zip((event.id for event in sent), answers, strict=True))
        self._reach(Step.SEND_ACKNOWLEDGED)
        failure = self._settle(chunk, places, held)
        await self._mark(chunk, places)
        done = Counter(e.type for e in sent if isinstance(places[e.id], RecordMetadata))
        for type_, count in done.items():
            self._metrics.events_published(type_, count)
        if failure is not None:
            raise failure
        return done.total()

    def _settle(
        self,
        chunk: Sequence[_Record],
        places: Mapping[str, RecordMetadata | Exception],
        held: set[str],
    ) -> Exception | None:
        failure = None
        for record in chunk:
            for event in record.events:
                place = places.get(event.id)
                if not isinstance(place, Exception):
                    if place is not None:
                        self._stuck.pop(event.id, None)
                    continue
                record.unsent.append(event.id)
                held.add(event.aggregate_id)
                if isinstance(place, Unsendable):
                    self._stuck[event.id] = self._clock.monotonic() + _RETRY_STUCK_SECONDS
                    _log.error(
                        "event cannot be sent",
                        event_id=event.id,
                        topic=event.topic,
                        aggregate=event.aggregate_id,
                        error=str(place),
                    )
                else:
                    failure = place
        return failure

    def _is_stuck(self, event: Event) -> bool:
        return self._stuck.get(event.id, 0.0) > self._clock.monotonic()

    async def _mark(
        self, chunk: Sequence[_Record], places: Mapping[str, RecordMetadata | Exception]
    ) -> None:
        whole = [record for record in chunk if not record.unsent]
        partly = [
            record for record in chunk if record.unsent and len(record.unsent) < len(record.events)
        ]
        reached = _reached(place for place in places.values() if isinstance(place, RecordMetadata))
        if not (whole or partly):
            return
        # A mark says that our topics hold all that this database knows: another history's do not.
        await self._watch.sure()
        moved = {position_id(PUBLISHED, *place): offset + 1 for place, offset in reached.items()}
        async with self._lease.fenced() as fence, transaction(self._database.client) as session:
            await self._leases.touch(fence, session)
            await self._commits.update_many(
                {"_id": {"$in": [record.id for record in whole]}},
                {"$unset": {"pending": "", "unsent": ""}},
                session=session,
            )
            for record in partly:
                await self._commits.update_one(
                    {"_id": record.id}, {"$set": {"unsent": record.unsent}}, session=session
                )
            await self._counts.add(_total(whole), session)
            if moved:
                await self._positions.reach(moved, session)
            self._reach(Step.MARK_WRITTEN)
        self._watch.moved(moved)
        self._reach(Step.MARK_DONE)


def _record(entry: Mapping[str, Any]) -> _Record:
    events = [loaded(stored) for stored in entry["events"]]
    left = entry.get("unsent")  # set where a part of the record went before
    if left is not None:
        events = [event for event in events if event.id in left]
    return _Record(entry["_id"], events, list(recorded(entry)))


def _total(records: Iterable[_Record]) -> Counter[Counted]:
    total: Counter[Counted] = Counter()
    for record in records:
        for counted, change in record.tally:
            total[counted] += change
    return total


def _outgoing(event: Event, source: str) -> Outgoing:
    headers, value = write(
        CloudEvent(
            id=event.id,
            source=source,
            type=event.type,
            data=event.data,
            subject=event.aggregate_id,
            time=event.time,
            dataschema=event.dataschema,
            sequence=event.version,
            traceparent=event.trace,
        )
    )
    return Outgoing(event.topic, event.key.encode(), value, headers)


def _reached(places: Iterable[RecordMetadata]) -> dict[tuple[str, int], int]:
    reached: dict[tuple[str, int], int] = {}
    for place in places:
        partition = (place.topic, place.partition)
        reached[partition] = max(reached.get(partition, -1), place.offset)
    return reached
