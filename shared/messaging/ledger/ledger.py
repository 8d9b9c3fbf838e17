"""The ledger: one append-only record per transaction: outbox, history and audit trail in one.

The whole effect of a change is one MongoDB transaction: the state, the consumer's position, the
lease if one is needed, and a commit record that lists the events. Nothing is sent in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from itertools import zip_longest
from typing import Any, Final

from pymongo import ASCENDING, IndexModel
from pymongo.errors import PyMongoError

from shared.messaging.core.classification import conflict_in
from shared.messaging.core.failpoints import Failpoint, FailpointHook, no_faults
from shared.messaging.core.model import RECOVERY, CommitContext, Effects, Entry, Event
from shared.messaging.ledger.chain import (
    Heads,
    Provenance,
    authority_document,
    chained,
    provenance_of,
)
from shared.messaging.ledger.counts import Counts, include, written
from shared.messaging.ledger.deferral import DeferredMessages
from shared.messaging.ledger.leases import Leases
from shared.messaging.ledger.positions import Positions, TopicPosition, position_id
from shared.messaging.ledger.replays import Replays
from shared.messaging.ledger.replies import MongoReplies
from shared.messaging.ledger.rollback import RollbackDetector
from shared.runtime.clocks import MachineClock, milliseconds
from shared.runtime.mongo import (
    ClientSession,
    Database,
    Document,
    ensure_indexes,
    snapshot,
    transaction,
)

EVENTS_PER_RECORD: Final = 500
BYTES_PER_RECORD: Final = 8_000_000
"""A transaction with more gets several records, so that none comes near 16 MB."""

PENDING: Final = "pending"
"""The partial index of the records not yet published, in the order of their insertion."""

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
        detector: RollbackDetector | None = None,
        wake: Callable[[], None] | None = lambda: None,
        failpoint: FailpointHook = no_faults,
    ) -> None:
        """`detector` refuses commits after a rollback and notes each one.

        `wake` is called after a commit that has events; None if no relay publishes them: then
        such a commit is refused.
        """
        self._database = database
        self._records = database["commits"]
        self._heads = Heads(self._records)
        self._counts = Counts(database)
        self._positions = Positions(database)
        self._leases = Leases(database)
        self._replays = Replays(database)
        self.replies = MongoReplies(database, clock)
        self._deferral = DeferredMessages(database)
        self._clock = clock
        self._rollback = detector or RollbackDetector(database)
        self._wake = wake
        self._failpoint = failpoint

    @property
    def database(self) -> Database:
        return self._database

    def now(self) -> datetime:
        """Machine time (UTC), as in the commit records."""
        return self._clock.now()

    async def check_history(self) -> None:
        """Check that the database did not go back in time, if that is suspected.

        Call it after reading and before an effect that cannot be undone. Raises HistoryChanged and
        the driver's errors.
        """
        await self._rollback.check_if_suspected()

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        await ensure_indexes(self._records, _INDEXES)
        await self._replays.prepare()
        await self.replies.prepare()
        await self._deferral.prepare()

    @asynccontextmanager
    async def commit(
        self, context: CommitContext, effects: Effects
    ) -> AsyncIterator[ClientSession]:
        """Open the transaction; the block writes its state with the session that it gets.

        At the end of the block the record is written, and all of it is committed, or nothing.
        Position, lease and reply are written first, so that a late process fails before it writes
        state. Raises PositionMoved, LeaseLost, AlreadyReplied, BeingReplied, Stale, HistoryChanged,
        and the driver's errors (`classification.classify`).
        """
        await self._rollback.check_if_suspected()
        self._failpoint(Failpoint.COMMIT_BEGUN)
        try:
            async with transaction(self._database.client) as session:
                if context.fence is not None:
                    await self._leases.touch(context.fence, session)
                await self._positions.advance(context.advances, session)
                if context.reply is not None:
                    await self.replies.add(context.reply, session)
                await self._replays.add(
                    context.replay_outcomes, context.by, self._clock.now(), session
                )
                await self._deferral.keep(context.defers, session)
                await self._deferral.end(context.ends, session)
                self._failpoint(Failpoint.COMMIT_CLAIMED)
                yield session
                self._failpoint(Failpoint.COMMIT_WRITTEN)
                heads = dict(await self._heads.before(effects.events, session))
                records = list(self._cut(context, effects, heads))
                if records:
                    await self._records.insert_many(records, session=session)
                if context.kind == RECOVERY.kind:  # no relay will add it up
                    await self._counts.add(effects.tally, session)
                self._failpoint(Failpoint.COMMIT_RECORDED)
        except PyMongoError as error:
            raise conflict_in(error) or error from error
        self._failpoint(Failpoint.COMMIT_DONE)
        self._rollback.note_positions(
            {
                position_id(m.group, m.topic, m.partition): TopicPosition(0, m.next)
                for m in context.advances
            }
        )
        if records:
            self._heads.remember(heads)
            self._rollback.note_commit(records[-1]["_id"])
            if self._wake is not None:
                self._wake()

    async def join(
        self,
        context: CommitContext,
        effects: Effects,
        history: Sequence[Entry],
        session: ClientSession,
    ) -> None:
        """Write into a transaction that the ledger of another database has opened.

        `history`: the former events of what moves here. They are published here before the effects,
        each with who caused it. Of the context only who, when and by which authority count. Raises
        the driver's errors.
        """
        heads = dict(await self._heads.before(effects.events, session))
        for entry in history:
            if entry.hash is not None:
                heads[entry.event.aggregate_id] = (entry.event.version, entry.hash)
        records = [*map(_adopted, history), *self._cut(context, effects, heads)]
        if records:
            await self._records.insert_many(records, session=session)

    def _cut(
        self, context: CommitContext, effects: Effects, heads: dict[str, tuple[int, bytes]]
    ) -> Iterable[Document]:
        """The records of a commit; `heads` become those after it."""
        if effects.events and self._wake is None:
            raise ValueError(f"nothing publishes the events of {self._database.name}")
        at = milliseconds(context.at or self._clock.now())
        provenance = Provenance(at, context.by, context.roles, context.authority)
        for number, events in enumerate(_cuts(effects.events)):
            record: Document = {
                "at": at,
                "kind": context.kind,
                "by": context.by,
                "roles": list(context.roles),
                "read": [[a.topic, a.partition, a.expected, a.next] for a in context.advances],
                "events": [_stored(event) for event in events],
                "chain": chained(events, provenance, heads),
            }
            if context.authority is not None:
                record["authority"] = authority_document(context.authority)
            if number == 0 and effects.tally:
                record["tally"] = written(effects.tally)
            if context.kind != RECOVERY.kind:  # what comes from the topic need not be published
                record["pending"] = True
            yield record

    async def history(self, aggregate_id: str) -> list[Entry]:
        """Return all events of an aggregate, by version."""
        found = self._records.find({"events.aggregate_id": aggregate_id})
        entries = [
            entry
            async for record in found
            for entry in entries_of(record)
            if entry.event.aggregate_id == aggregate_id
        ]
        return sorted(entries, key=lambda entry: entry.event.version)

    async def pending(self) -> tuple[int, datetime | None]:
        """Return how many events are not yet published, and when (UTC) the oldest was committed."""
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
        """Return the counters of each subject of a kind, including unpublished changes.

        `until`: their values at the end of that day (Asia/Tehran); None for now.
        """
        async with snapshot(self._database.client) as session:  # both reads see the same moment
            counts = await self._counts.read(kind, until, session)
            async for record in self._records.find(
                {"pending": True, "tally": {"$exists": True}}, {"tally": 1}, session=session
            ).hint(PENDING):
                include(counts, record, kind, until)
        return counts


_SIZE: Final = {"$size": {"$ifNull": ["$unsent", "$events"]}}  # the unsent events of a record


def _cuts(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """Cut events into parts of one record each."""
    part: list[Event] = []
    size = 0
    for event in events:
        if part and (len(part) == EVENTS_PER_RECORD or size + len(event.data) > BYTES_PER_RECORD):
            yield part
            part, size = [], 0
        part.append(event)
        size += len(event.data)
    if part:
        yield part


def entries_of(record: Mapping[str, Any]) -> Iterator[Entry]:
    """Read the events of a commit record, each with who caused it and its hash."""
    who = provenance_of(record)
    hashes = record.get("chain", ())
    for stored, hashed in zip_longest(record["events"], hashes[: len(record["events"])]):
        hash_ = None if hashed is None else bytes(hashed)
        yield Entry(loaded(stored), who.by, tuple(who.roles), who.at, who.authority, hash_)


def _adopted(entry: Entry) -> Document:
    record: Document = {
        "at": entry.at,
        "kind": "adopted",
        "by": entry.by,
        "roles": list(entry.roles),
        "read": [],
        "events": [_stored(entry.event)],
        "pending": True,
    }
    if entry.authority is not None:
        record["authority"] = authority_document(entry.authority)
    if entry.hash is not None:
        record["chain"] = [entry.hash]
    return record


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
