"""The ledger: one append-only record a transaction, which is outbox, history and audit at once.

A service's whole effect is one MongoDB transaction: its state, the consumer's position, the lease
where one is needed, and one commit record that lists the events. Nothing is sent in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, Final

from pymongo import ASCENDING, IndexModel
from pymongo.errors import PyMongoError

from shared.messaging.core.classification import conflict_in
from shared.messaging.core.failpoints import Failpoint, FailpointHook, no_faults
from shared.messaging.core.model import RECOVERY, CommitContext, Effects, Entry, Event
from shared.messaging.ledger.counts import Counts, include, written
from shared.messaging.ledger.deferral import DeferredMessages
from shared.messaging.ledger.leases import Leases
from shared.messaging.ledger.positions import Positions, TopicPosition, position_id
from shared.messaging.ledger.replays import Replays
from shared.messaging.ledger.replies import MongoReplies
from shared.messaging.ledger.rollback import RollbackDetector
from shared.runtime.clocks import MachineClock
from shared.runtime.mongo import (
    ClientSession,
    Database,
    Document,
    ensure_indexes,
    snapshot,
    transaction,
)

EVENTS_A_RECORD: Final = 500
BYTES_A_RECORD: Final = 8_000_000
"""Where a transaction brings about more, its record is cut, so that none nears 16 MB."""

PENDING: Final = "pending"
"""The partial index over the records not yet published, in the order of their insertion."""

_INDEXES = (
    IndexModel([("pending", ASCENDING)], name=PENDING, partialFilterExpression={"pending": True}),
    IndexModel(
        [("events.aggregate_id", ASCENDING), ("events.version", ASCENDING)],
        name="history",
        unique=True,
    ),
)


class Ledger:
    """Writes the commit records of one database and reads them back as history."""

    def __init__(
        self,
        database: Database,
        *,
        clock: MachineClock,
        watch: RollbackDetector | None = None,
        wake: Callable[[], None] | None = lambda: None,
        failpoint: FailpointHook = no_faults,
    ) -> None:
        """`watch` may refuse a commit and notes each one.

        `wake` is called after a commit that has events; None if no relay publishes them: then
        such a commit is refused.
        """
        self._database = database
        self._records = database["commits"]
        self._counts = Counts(database)
        self._positions = Positions(database)
        self._leases = Leases(database)
        self._replays = Replays(database)
        self.replies = MongoReplies(database, clock)
        self._deferral = DeferredMessages(database)
        self._clock = clock
        self._rollback = watch or RollbackDetector(database)
        self._wake = wake
        self._failpoint = failpoint

    @property
    def database(self) -> Database:
        return self._database

    def now(self) -> datetime:
        """Machine time (UTC), by which what is written here is dated."""
        return self._clock.now()

    async def sure(self) -> None:
        """Look whether the database went back in time, where there is a doubt.

        What was read before may be trusted then with what cannot be taken back. Raises
        HistoryChanged and the driver's errors.
        """
        await self._rollback.sure()

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        await ensure_indexes(self._records, _INDEXES)
        await self._replays.prepare()
        await self.replies.prepare()
        await self._deferral.prepare()

    @asynccontextmanager
    async def commit(self, cause: CommitContext, effects: Effects) -> AsyncIterator[ClientSession]:
        """Open the one transaction; the block writes its state with the session that it gets.

        On leaving, the record is written and all of it is committed, or nothing is. Position,
        lease and reply go first, so that whoever comes late fails before it has written anything.
        Raises PositionMoved, LeaseLost, AlreadyReplied, BeingReplied, Stale, HistoryChanged, and
        the driver's errors (`failures.sort`).
        """
        await self._rollback.sure()
        self._failpoint(Failpoint.COMMIT_BEGUN)
        try:
            async with transaction(self._database.client) as session:
                if cause.fence is not None:
                    await self._leases.touch(cause.fence, session)
                await self._positions.move(cause.moves, session)
                if cause.reply is not None:
                    await self.replies.add(cause.reply, session)
                await self._replays.note(cause.answers, cause.by, self._clock.now(), session)
                await self._deferral.keep(cause.defers, session)
                await self._deferral.end(cause.ends, session)
                self._failpoint(Failpoint.COMMIT_CLAIMED)
                yield session
                self._failpoint(Failpoint.COMMIT_WRITTEN)
                records = list(self._cut(cause, effects))
                if records:
                    await self._records.insert_many(records, session=session)
                if cause.kind == RECOVERY.kind:  # no relay will pass by to add it up
                    await self._counts.add(effects.tally, session)
                self._failpoint(Failpoint.COMMIT_RECORDED)
        except PyMongoError as error:
            raise conflict_in(error) or error from error
        self._failpoint(Failpoint.COMMIT_DONE)
        self._rollback.moved(
            {
                position_id(m.group, m.topic, m.partition): TopicPosition(0, m.next)
                for m in cause.moves
            }
        )
        if records:
            self._rollback.wrote(records[-1]["_id"])
            if self._wake is not None:
                self._wake()

    async def join(
        self,
        cause: CommitContext,
        effects: Effects,
        history: Sequence[Entry],
        session: ClientSession,
    ) -> None:
        """Write into a transaction that another database's ledger has opened.

        `history`: what happened there to what comes over; it is published here before the effects,
        each by whom it was. Of the cause only who and by which authority counts. Raises the
        driver's errors.
        """
        records = [*map(_adopted, history), *self._cut(cause, effects)]
        if records:
            await self._records.insert_many(records, session=session)

    def _cut(self, cause: CommitContext, effects: Effects) -> Iterable[Document]:
        if effects.events and self._wake is None:
            raise ValueError(f"nothing publishes the events of {self._database.name}")
        for number, events in enumerate(_cuts(effects.events)):
            record: Document = {
                "at": self._clock.now(),
                "kind": cause.kind,
                "by": cause.by,
                "roles": list(cause.roles),
                "read": [
                    [move.topic, move.partition, move.expected, move.next] for move in cause.moves
                ],
                "events": [_stored(event) for event in events],
            }
            if number == 0 and effects.tally:
                record["tally"] = written(effects.tally)
            if cause.kind != RECOVERY.kind:  # what is taken in from the topic stands there already
                record["pending"] = True
            yield record

    async def history(self, aggregate_id: str) -> list[Entry]:
        """Return everything that ever happened to an aggregate, by version."""
        found = self._records.find({"events.aggregate_id": aggregate_id})
        entries = [
            Entry(event, record["by"], tuple(record["roles"]), record["at"])
            async for record in found
            for event in map(loaded, record["events"])
            if event.aggregate_id == aggregate_id
        ]
        return sorted(entries, key=lambda entry: entry.event.version)

    async def pending(self) -> tuple[int, datetime | None]:
        """Return how many events are not yet published, and when the oldest was committed."""
        cursor = self._records.aggregate(
            [
                {"$match": {"pending": True}},
                {"$group": {"_id": None, "n": {"$sum": _SIZE}, "oldest": {"$min": "$at"}}},
            ],
            hint=PENDING,
        )
        async for row in cursor:
            return int(row["n"]), row["oldest"]
        return 0, None

    async def counts(self, kind: str, until: date | None = None) -> Mapping[str, Counter[str]]:
        """Return the counters of each subject of a kind, changes not yet published included.

        `until`: as they stood at the end of that day (Asia/Tehran).
        """
        async with snapshot(self._database.client) as session:  # both of one moment
            counts = await self._counts.read(kind, until, session)
            async for record in self._records.find(
                {"pending": True, "tally": {"$exists": True}}, {"tally": 1}, session=session
            ).hint(PENDING):
                include(counts, record, kind, until)
        return counts


_SIZE: Final = {"$size": {"$ifNull": ["$unsent", "$events"]}}  # what is left of a record


def _cuts(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """Cut events into the shares of one record each."""
    share: list[Event] = []
    size = 0
    for event in events:
        if share and (len(share) == EVENTS_A_RECORD or size + len(event.data) > BYTES_A_RECORD):
            yield share
            share, size = [], 0
        share.append(event)
        size += len(event.data)
    if share:
        yield share


def _adopted(entry: Entry) -> Document:
    return {
        "at": entry.at,
        "kind": "adopted",
        "by": entry.by,
        "roles": list(entry.roles),
        "read": [],
        "events": [_stored(entry.event)],
        "pending": True,
    }


def _stored(event: Event) -> Document:
    return {
        "id": event.id,
        "type": event.type,
        "topic": event.topic,
        "key": event.key,
        "aggregate_id": event.aggregate_id,
        "version": event.version,
        "time": event.time,
        "dataschema": event.dataschema,
        "data": event.data,
        "trace": event.trace,
    }


def loaded(stored: Mapping[str, Any]) -> Event:
    """Read an event back from a commit record."""
    return Event(**stored)
