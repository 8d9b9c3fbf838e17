"""Expectations with their reports, and circulars, on MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, IndexModel, UpdateOne

from services.reports.domain.circulars import Circular
from services.reports.domain.reads import RestrictedRead
from services.reports.domain.records import (
    AxisCount,
    Expectation,
    Lost,
    Paragraph,
    Report,
    Session,
)
from services.reports.events import restricted_aggregate
from services.reports.handlers import Change
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Effects, Event
from shared.messaging.ledger.chain import authority_document
from shared.messaging.ledger.inbox import Inbox
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.scheduling.due_queue import INDEX, DueQueue
from shared.runtime import mongo
from shared.runtime.list_queries import ListQuery
from shared.runtime.mongo import Document, ensure_indexes
from shared.runtime.mongo_pages import Stored

_SCHEMA: Final = 1  # of a stored document; a reader takes older ones too

_INDEXES = (
    IndexModel([("report_id", ASCENDING)], name="report", unique=True),
    IndexModel(
        [("next_due", ASCENDING)],
        name=INDEX,
        partialFilterExpression={"next_due": {"$type": "date"}},
    ),
    IndexModel([("session.province", ASCENDING), ("_id", ASCENDING)], name="province"),
    IndexModel([("state", ASCENDING), ("_id", ASCENDING)], name="state"),
    *(
        IndexModel([(path, ASCENDING), ("_id", ASCENDING)], name=path)
        for path in (
            "session.due_at",
            "session.starts_at",
            "changed_at",
            "report.due_at",
            "report.submitted_at",
        )
    ),
)
_EXPECTED: Final = Stored(
    at={
        "session_id": "_id",
        "province": "session.province",
        "due_at": "session.due_at",
        "starts_at": "session.starts_at",
    }
)
_REPORTS: Final = Stored(
    at={
        "session_id": "_id",
        "province": "session.province",
        "late": "report.late",
        "due_at": "report.due_at",
        "submitted_at": "report.submitted_at",
    }
)
_CIRCULARS: Final = Stored(at={"circular_id": "_id"})
_IS_EXPECTED: Final[Document] = {"session.province": {"$type": "string"}}


class MongoExpectationRepository:
    """Implements `handlers.ExpectationRepository` and `api.ReadableExpectations`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.replies = ledger.replies
        self.due_queue = DueQueue(ledger, "expectations", "next_due")
        self._expectations = ledger.database["expectations"]
        self._inbox = Inbox(ledger.database)

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        await self._ledger.prepare()
        await self._inbox.prepare()
        await ensure_indexes(self._expectations, _INDEXES)

    async def of_sessions(self, ids: Collection[str]) -> Mapping[str, Expectation]:
        found = self._expectations.find({"_id": {"$in": list(ids)}})
        return {document["_id"]: _loaded(document) async for document in found}

    async def get(self, session_id: str) -> Expectation | None:
        document = await self._expectations.find_one({"_id": session_id})
        return None if document is None else _loaded(document)

    async def of_report(self, report_id: str) -> Expectation | None:
        """Return the expectation whose report has this id, or None if there is no such report."""
        document = await self._expectations.find_one({"report_id": report_id})
        if document is None or document["report"] is None:
            return None
        return _loaded(document)

    async def due(self, now: datetime, limit: int) -> Sequence[Expectation]:
        return [_loaded(document) async for document in self.due_queue.due(now, limit)]

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        return await self._inbox.seen(ids)

    async def page(self, query: ListQuery) -> Sequence[Expectation]:
        """Return one page of expectations, without gatherings that have no report."""
        found = await _EXPECTED.page(self._expectations, query, _IS_EXPECTED)
        return [_loaded(document) for document in found]

    async def page_of_reports(self, query: ListQuery) -> Sequence[Expectation]:
        """Return one page of expectations with a report."""
        has_report = {"report": {"$type": "object"}}
        found = await _REPORTS.page(self._expectations, query, _IS_EXPECTED, has_report)
        return [_loaded(document) for document in found]

    async def keep_orphans(self, events: Sequence[Event], cause: CommitContext) -> None:
        async with self._ledger.commit(cause, Effects(events)):
            pass  # the ledger's record of the commit holds the events; nothing else is stored

    async def orphan_outcomes(self, ids: Collection[str]) -> Mapping[str, Sequence[Event]]:
        """The events that `keep_orphans` put into the ledger, for the sessions that have some."""
        found = {id_: await self._kept_events(id_) for id_ in ids}
        return {id_: events for id_, events in found.items() if events}

    async def _kept_events(self, session_id: str) -> list[Event]:
        aggregates = (session_id, restricted_aggregate(session_id))
        entries = [entry for id_ in aggregates for entry in await self._ledger.history(id_)]
        return [entry.event for entry in entries]

    async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
        effects = Effects([event for change in changes for event in change.events])
        async with self._ledger.commit(cause, effects) as session:
            await self._insert([c for c in changes if c.before is None], session)
            await self._replace([c for c in changes if c.before is not None], session)
            inbox = [id_ for change in changes for id_ in change.inbox]
            if inbox:
                await self._inbox.add(inbox, self._ledger.now(), session)

    async def _insert(self, changes: Sequence[Change], session: mongo.ClientSession) -> None:
        if changes:
            await self._expectations.insert_many(
                [_stored(change.after) for change in changes], session=session
            )

    async def _replace(self, changes: Sequence[Change], session: mongo.ClientSession) -> None:
        if not changes:
            return
        updates = [
            UpdateOne(
                {"_id": change.after.session_id, "edition": change.before.edition},
                {"$set": _stored(change.after)},
            )
            for change in changes
            if change.before is not None
        ]
        result = await self._expectations.bulk_write(updates, ordered=False, session=session)
        if result.matched_count < len(updates):
            raise Stale(f"{len(updates) - result.matched_count} expectations have moved on")


class MongoCircularRepository:
    """Implements `handlers.CircularRepository` and `api.ReadableCirculars`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.replies = ledger.replies
        self._circulars = ledger.database["circulars"]

    async def get(self, circular_id: str) -> Circular | None:
        document = await self._circulars.find_one({"_id": circular_id})
        return None if document is None else _circular(document)

    async def page(self, query: ListQuery) -> Sequence[Circular]:
        """Return one page of circulars."""
        return [_circular(document) for document in await _CIRCULARS.page(self._circulars, query)]

    async def add(self, circular: Circular, event: Event, cause: CommitContext) -> None:
        document = {**asdict(circular), "_id": circular.circular_id, "schema": _SCHEMA}
        async with self._ledger.commit(cause, Effects([event])) as session:
            await self._circulars.insert_one(document, session=session)


class MongoReadLog:
    """Implements `api.ReadLog`."""

    def __init__(self, ledger: Ledger) -> None:
        self._reads = ledger.database["reads"]
        self.now = ledger.now

    async def prepare(self) -> None:
        """Create the index. Safe to repeat."""
        await ensure_indexes(self._reads, [IndexModel([("at", ASCENDING)], name="at")])

    async def add(self, read: RestrictedRead) -> None:
        authority = read.authority
        document: Document = {
            "at": read.at,
            "by": read.by,
            "roles": list(read.roles),
            "texts": read.texts,
            "reports": list(read.reports),
            "axes": list(read.axes),
        }
        if authority is not None:
            document["authority"] = authority_document(authority)
        await self._reads.insert_one(document)


def _stored(expectation: Expectation) -> Document:
    report = expectation.report
    return {
        "_id": expectation.session_id,
        "schema": _SCHEMA,
        "edition": expectation.edition,
        "version": expectation.version,
        "restricted_version": expectation.restricted_version,
        "report_id": expectation.report_id,
        "state": expectation.state.value,
        "next_due": expectation.next_due,
        "announced": asdict(expectation.announced),
        "session": asdict(expectation.session),
        "sequence": expectation.sequence,
        "changed_at": expectation.changed_at,
        "cancelled": expectation.cancelled,
        "overdue_for": list(expectation.overdue_for),
        "report": None if report is None else _stored_report(report),
    }


def _stored_report(report: Report) -> Document:
    return {
        **asdict(report),
        "axes": [asdict(count) for count in report.axes],
        "restricted": sorted(report.restricted),
        "initiatives": [asdict(paragraph) for paragraph in report.initiatives],
        "special_topics": [asdict(paragraph) for paragraph in report.special_topics],
    }


def _loaded(document: Document) -> Expectation:
    report = document["report"]
    return Expectation(
        session_id=document["_id"],
        announced=Session(**document["announced"]),
        session=Session(**document["session"]),
        sequence=document["sequence"],
        edition=document["edition"],
        changed_at=document["changed_at"],
        version=document["version"],
        restricted_version=document["restricted_version"],
        cancelled=document["cancelled"],
        overdue_for=tuple(document["overdue_for"]),
        report=None if report is None else _loaded_report(report),
    )


def _loaded_report(stored: Document) -> Report:
    return Report(
        **{
            **stored,
            "axes": tuple(AxisCount(**count) for count in stored["axes"]),
            "restricted": frozenset(stored["restricted"]),
            "initiatives": tuple(Paragraph(**p) for p in stored["initiatives"]),
            "special_topics": tuple(Paragraph(**p) for p in stored["special_topics"]),
            "lost": None if stored.get("lost") is None else Lost(**stored["lost"]),
        }
    )


def _circular(document: Document) -> Circular:
    return Circular(
        circular_id=document["circular_id"],
        catalogue_version=document["catalogue_version"],
        provinces=tuple(document["provinces"]),
        issued_at=document["issued_at"],
        issued_by=document["issued_by"],
    )
