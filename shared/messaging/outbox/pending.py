"""Reading of the commit records that are not published yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from shared.messaging.core.model import Counted, Event
from shared.messaging.ledger.counts import recorded
from shared.messaging.ledger.ledger import PENDING, loaded
from shared.runtime.clocks import MachineClock
from shared.runtime.mongo import ClientSession, Database, snapshot

_CHUNK: Final = 2_000  # events sent and marked at once
_CHUNK_BYTES: Final = 4_000_000

_NAMED: Final = ("id", "aggregate_id", "version")
_IS_UNSENT: Final = {"$in": ["$events.id", {"$ifNull": ["$unsent", ["$events.id"]]}]}
_LEAST_VERSIONS: Final = {
    "_id": "$events.aggregate_id",
    "least": {"$min": "$events.version"},
    "n": {"$sum": 1},
}

Versions: TypeAlias = dict[str, int]
"""The least pending version of each aggregate that has several."""


@dataclass(slots=True)
class PendingRecord:
    """A pending commit record with its unsent events."""

    id: Any
    at: datetime
    events: list[Event]
    tally: Sequence[tuple[Counted, int]]

    def unsent(self, places: Collection[str]) -> list[str]:
        """The ids of its events that are not in `places`: those that Kafka does not hold yet."""
        return [event.id for event in self.events if event.id not in places]


@dataclass(slots=True)
class RelayPass:
    """What one pass over all pending records has found."""

    held: set[str] = field(default_factory=set)  # aggregates with an event that cannot be sent now
    following: Versions = field(default_factory=dict)  # next version to send, of some aggregates
    early: set[str] = field(default_factory=set)  # events that were read before an earlier version
    published: int = 0
    left: int = 0  # events that could not be sent
    read: int = 0
    oldest: datetime | None = None  # when the oldest of what is left was committed
    reading_seconds: float = 0.0


class PendingReader:
    """Reads the pending records of one database."""

    def __init__(self, database: Database, clock: MachineClock) -> None:
        self._client = database.client
        self._commits = database["commits"]
        self._clock = clock

    async def chunks(self, this: RelayPass) -> AsyncIterator[list[PendingRecord]]:
        """Yield what is pending at one moment, in chunks."""
        chunk: list[PendingRecord] = []
        size = bytes_ = 0
        first = True
        begun = self._clock.monotonic()
        async with snapshot(self._client) as moment:
            cursor = self._commits.find(
                {"pending": True}, {"at": 1, "events": 1, "tally": 1, "unsent": 1}, session=moment
            )
            async for entry in cursor.hint(PENDING).batch_size(_CHUNK):
                if size >= _CHUNK or bytes_ >= _CHUNK_BYTES:
                    if first:  # a later chunk may hold earlier versions
                        this.following = await self._versions(moment)
                        first = False
                    this.reading_seconds += self._clock.monotonic() - begun
                    yield chunk
                    chunk, size, bytes_ = [], 0, 0
                    begun = self._clock.monotonic()
                record = pending_record(entry)
                chunk.append(record)
                size += len(record.events)
                bytes_ += sum(len(event.data) for event in record.events)
        this.reading_seconds += self._clock.monotonic() - begun
        if chunk:
            yield chunk

    async def _versions(self, moment: ClientSession) -> Versions:
        """The least pending version of each aggregate that has several, at that moment."""
        rows = self._commits.aggregate(
            [
                {"$match": {"pending": True}},
                {"$project": {"unsent": 1, **{f"events.{name}": 1 for name in _NAMED}}},
                {"$unwind": "$events"},
                {"$match": {"$expr": _IS_UNSENT}},
                {"$group": _LEAST_VERSIONS},
                {"$match": {"n": {"$gt": 1}}},
            ],
            hint=PENDING,
            allowDiskUse=True,
            session=moment,
        )
        return {row["_id"]: row["least"] async for row in rows}


def pending_record(entry: Mapping[str, Any]) -> PendingRecord:
    """Load a pending commit record."""
    events = [loaded(stored) for stored in entry["events"]]
    left = entry.get("unsent")  # set if a part of the record was sent before
    if left is not None:
        events = [event for event in events if event.id in left]
    return PendingRecord(entry["_id"], entry["at"], events, list(recorded(entry)))


def by_version(events: Sequence[Event]) -> Iterable[Event]:
    """The events in their order, but those of each aggregate sorted by version."""
    own: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        own[event.aggregate_id].append(event)
    sorted_ = {id_: iter(sorted(of, key=lambda e: e.version)) for id_, of in own.items()}
    return (next(sorted_[event.aggregate_id]) for event in events)
