"""Seasons, sessions and resolutions on MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import date, time
from typing import Any, Final

from pymongo import ASCENDING, IndexModel, UpdateOne

from services.scheduler.domain.records import (
    Attendee,
    Gathering,
    Resolution,
    ResolutionState,
    Season,
    Session,
    State,
    Terms,
)
from services.scheduler.handlers import Change, Record
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Effects
from shared.messaging.ledger.ledger import Ledger
from shared.runtime import mongo
from shared.runtime.list_queries import ListQuery
from shared.runtime.mongo import ClientSession, Document, ensure_indexes
from shared.runtime.mongo_pages import Stored
from shared.text import search_key

_SCHEMA: Final = 1  # of a stored document; a reader takes older ones too

_BODY: Final = "executing_body_key"
_KEYED: Final = {"_id": "keyed", "schema": 1}  # marks that every resolution has its key

_SESSION_INDEXES = (
    IndexModel(
        [("turn", ASCENDING)],
        name="turn",
        unique=True,
        partialFilterExpression={"turn": {"$type": "string"}},
    ),
    IndexModel([("season", ASCENDING), ("starts_at", ASCENDING)], name="season"),
    IndexModel([("starts_at", ASCENDING), ("_id", ASCENDING)], name="starts_at"),
    IndexModel([("changed_at", ASCENDING), ("_id", ASCENDING)], name="changed_at"),
)
_RESOLUTION_INDEXES = (
    IndexModel([("session_id", ASCENDING), ("_id", ASCENDING)], name="session"),
    IndexModel([("deputy", ASCENDING), ("_id", ASCENDING)], name="deputy"),
    IndexModel([("due_on", ASCENDING), ("_id", ASCENDING)], name="due_on"),
    IndexModel([("approved_at", ASCENDING), ("_id", ASCENDING)], name="approved_at"),
    IndexModel([("changed_at", ASCENDING), ("_id", ASCENDING)], name="changed_at"),
    *(
        IndexModel(
            [(path, ASCENDING), ("_id", ASCENDING)],
            name=path,
            partialFilterExpression={path: {"$gt": ""}},  # not every resolution has it
        )
        for path in ("number", _BODY)
    ),
)
_SEASONS: Final = Stored(at={"season": "_id"})
_SESSIONS: Final = Stored(at={"session_id": "_id"})
_RESOLUTIONS: Final = Stored(
    at={"resolution_id": "_id", "executing_body": _BODY, "executing": "executing_body"},
    optional=("number",),
)


class MongoSchedulerRepository:
    """Implements `handlers.SchedulerRepository` and `api.context.ReadableRepository`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.replies = ledger.replies
        self._seasons = ledger.database["seasons"]
        self._sessions = ledger.database["sessions"]
        self._resolutions = ledger.database["resolutions"]
        self._marks = ledger.database["marks"]  # of the migrations that are done

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        await self._ledger.prepare()
        await ensure_indexes(self._sessions, _SESSION_INDEXES)
        await ensure_indexes(self._resolutions, _RESOLUTION_INDEXES)
        await self._add_missing_keys()

    async def _add_missing_keys(self) -> None:
        """Add the search key of the executing body to resolutions that were stored without it."""
        if await self._marks.find_one(_KEYED):
            return
        with_body = self._resolutions.find({"executing_body": {"$gt": ""}}, {"executing_body": 1})
        async for document in with_body:
            as_read = {"_id": document["_id"], "executing_body": document["executing_body"]}
            key = {"$set": {_BODY: _key(document["executing_body"])}}
            await self._resolutions.update_one(as_read, key)
        await self._marks.replace_one({"_id": _KEYED["_id"]}, _KEYED, upsert=True)

    async def season(self, season: str) -> Season | None:
        document = await self._seasons.find_one({"_id": season})
        return None if document is None else _season(document)

    async def session(self, session_id: str) -> Session | None:
        return (await self.sessions([session_id])).get(session_id)

    async def sessions(self, ids: Collection[str]) -> Mapping[str, Session]:
        found = self._sessions.find({"_id": {"$in": list(ids)}})
        return {document["_id"]: _session(document) async for document in found}

    async def turns_taken(self, turns: Collection[str]) -> Collection[str]:
        found = self._sessions.find({"turn": {"$in": list(turns)}}, {"turn": 1})
        return {document["turn"] async for document in found}

    async def resolution(self, resolution_id: str) -> Resolution | None:
        return (await self.resolutions([resolution_id])).get(resolution_id)

    async def resolutions(self, ids: Collection[str]) -> Mapping[str, Resolution]:
        found = self._resolutions.find({"_id": {"$in": list(ids)}})
        return {document["_id"]: _resolution(document) async for document in found}

    async def sessions_of_season(self, season: str) -> Sequence[Session]:
        """Return all sessions of a season, by their start."""
        found = self._sessions.find({"season": season})
        return [
            _session(document)
            async for document in found.sort([("starts_at", ASCENDING), ("_id", ASCENDING)])
        ]

    async def page_of_seasons(self, query: ListQuery) -> Sequence[Season]:
        """Return one page of seasons."""
        return [_season(document) for document in await _SEASONS.page(self._seasons, query)]

    async def page_of_sessions(self, query: ListQuery) -> Sequence[Session]:
        """Return one page of sessions; a field with several values matches any of them."""
        return [_session(document) for document in await _SESSIONS.page(self._sessions, query)]

    async def page_of_resolutions(self, query: ListQuery) -> Sequence[Resolution]:
        """Return one page of resolutions."""
        found = await _RESOLUTIONS.page(self._resolutions, query)
        return [_resolution(document) for document in found]

    async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
        effects = Effects([event for change in changes for event in change.events])
        async with self._ledger.commit(cause, effects) as transaction:
            for documents, kind in (
                (self._seasons, Season),
                (self._sessions, Session),
                (self._resolutions, Resolution),
            ):
                of_kind = [change for change in changes if isinstance(change.after, kind)]
                # Replaced first: a cancelled session frees its turn for a new one.
                await _replace(documents, of_kind, transaction)
                await _insert(documents, [c for c in of_kind if c.before is None], transaction)


async def _insert(
    documents: mongo.Collection, changes: Sequence[Change], transaction: ClientSession
) -> None:
    if changes:
        await documents.insert_many([_stored(c.after) for c in changes], session=transaction)


async def _replace(
    documents: mongo.Collection, changes: Sequence[Change], transaction: ClientSession
) -> None:
    updates = [
        UpdateOne(_unchanged(change.before), {"$set": _stored(change.after)})
        for change in changes
        if change.before is not None
    ]
    if updates:
        result = await documents.bulk_write(updates, ordered=False, session=transaction)
        if result.matched_count < len(updates):
            raise Stale(f"{len(updates) - result.matched_count} records have moved on")


def _unchanged(before: Record) -> Document:
    match before:
        case Session():
            # A closing session must have counted every resolution, so the count is compared too.
            counted = {"resolutions": before.resolutions}
            return {"_id": before.session_id, "version": before.version, **counted}
        case Resolution():
            return {"_id": before.resolution_id, "version": before.version}
        case Season():
            raise TypeError("a season never changes")


def _stored(record: Record) -> Document:
    match record:
        case Season():
            stored = asdict(record)
            del stored["season"]
            return {
                "_id": record.season,
                "schema": _SCHEMA,
                **stored,
                "starts_on": record.starts_on.isoformat(),
                "starts_at_time": record.starts_at_time.isoformat("minutes"),
            }
        case Session():
            return _stored_session(record)
        case Resolution():
            return {
                "_id": record.resolution_id,
                "schema": _SCHEMA,
                "version": record.version,
                "state": record.state.value,
                "session_id": record.session_id,
                "session_kind": record.session_kind,
                "approved_at": record.approved_at,
                "changed_at": record.changed_at,
                **_stored_terms(record.terms),
                _BODY: _key(record.terms.executing_body),
                "original": _stored_terms(record.original),
            }


def _stored_session(session: Session) -> Document:
    stored = asdict(session.gathering)
    del stored["session_id"]
    return {
        "_id": session.session_id,
        "schema": _SCHEMA,
        "version": session.version,
        "state": session.state.value,
        **stored,
        "turn": session.turn,
        "scheduled_at": session.scheduled_at,
        "changed_at": session.changed_at,
        "opened_at": session.opened_at,
        "closed_at": session.closed_at,
        "cancelled_at": session.cancelled_at,
        "summary": session.summary,
        "resolutions": session.resolutions,
    }


def _key(body: str | None) -> str | None:
    return (search_key(body) or None) if body else None


def _stored_terms(terms: Terms) -> Document:
    baseline_on = terms.baseline_on
    return {
        **asdict(terms),
        "due_on": terms.due_on.isoformat(),
        "baseline_on": None if baseline_on is None else baseline_on.isoformat(),
    }


def _season(document: Mapping[str, Any]) -> Season:
    return Season(
        season=document["_id"],
        starts_on=date.fromisoformat(document["starts_on"]),
        starts_at_time=time.fromisoformat(document["starts_at_time"]),
        minutes=document["minutes"],
        provinces=tuple(document["provinces"]),
        mode=document["mode"],
        venue=document["venue"],
        created_at=document["created_at"],
    )


def _session(document: Mapping[str, Any]) -> Session:
    return Session(
        version=document["version"],
        state=State(document["state"]),
        gathering=Gathering(
            session_id=document["_id"],
            kind=document["kind"],
            provinces=tuple(document["provinces"]),
            title=document["title"],
            starts_at=document["starts_at"],
            ends_at=document["ends_at"],
            mode=document["mode"],
            season=document["season"],
            venue=document["venue"],
            report_due_at=document["report_due_at"],
            attendees=tuple(Attendee(**attendee) for attendee in document["attendees"]),
        ),
        scheduled_at=document["scheduled_at"],
        changed_at=document["changed_at"],
        opened_at=document["opened_at"],
        closed_at=document["closed_at"],
        cancelled_at=document["cancelled_at"],
        summary=document["summary"],
        resolutions=document["resolutions"],
    )


def _resolution(document: Mapping[str, Any]) -> Resolution:
    return Resolution(
        resolution_id=document["_id"],
        version=document["version"],
        state=ResolutionState(document["state"]),
        session_id=document["session_id"],
        session_kind=document["session_kind"],
        approved_at=document["approved_at"],
        original=_terms(document["original"]),
        terms=_terms(document),
        changed_at=document["changed_at"],
    )


def _terms(document: Mapping[str, Any]) -> Terms:
    baseline_on = document["baseline_on"]
    return Terms(
        deputy=document["deputy"],
        title=document["title"],
        due_on=date.fromisoformat(document["due_on"]),
        axis=document["axis"],
        province=document["province"],
        text=document["text"],
        supporting=tuple(document["supporting"]),
        executing_body=document["executing_body"],
        priority=document["priority"],
        number=document["number"],
        baseline_on=None if baseline_on is None else date.fromisoformat(baseline_on),
    )
