"""One deputy's follow-ups on MongoDB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DeleteOne, IndexModel, UpdateOne

from services.followups.domain.escalation import days_overdue
from services.followups.domain.records import (
    ENDED,
    OPEN,
    WAITS_FOR_THE_DEPUTY,
    EvidenceAdded,
    Extension,
    Followup,
    Request,
    Resolution,
    State,
)
from services.followups.domain.scores import By, tally
from services.followups.domain.work import NONE, ActionItem, Delegation, Part, Predecessor, Work
from services.followups.handlers import Ahead, Change
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import RECOVERY, CommitContext, Effects, Entry
from shared.messaging.ledger.deferral import DeferredMessages
from shared.messaging.ledger.inbox import Inbox
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.scheduling.due_queue import INDEX, DueQueue
from shared.runtime import mongo
from shared.runtime.files import Files
from shared.runtime.list_queries import BY_ID, ListQuery, Place, Sort, Value, arranged
from shared.runtime.mongo import ClientSession, Database, Document, ensure_indexes
from shared.runtime.mongo_pages import Stored
from shared.text import search_key

_SCHEMA: Final = 6  # of a stored document; a reader takes older ones too
_COUNTED: Final = 4  # since this one, whoever stores it has counted it for scorecards
_STATES: Final = sorted(state.value for state in State)
_OPEN: Final = sorted(state.value for state in OPEN)
_RUNNING: Final = sorted(state.value for state in WAITS_FOR_THE_DEPUTY)
_AT_REST: Final = sorted(state.value for state in set(State) - WAITS_FOR_THE_DEPUTY)
_ENDED: Final = sorted(state.value for state in ENDED)
_KEYED: Final = 1  # the keys for lists that whoever stores a follow-up gives it
_COUNTED_AT_ONCE: Final = 500
_KEYED_AT_ONCE: Final = 1_000
_IDS_AT_ONCE: Final = 5_000
_LINKS: Final = "links"  # the number of the links, among the marks
_PREDECESSOR: Final = "work.predecessor.resolution_id"

_BODY: Final = "executing_body_key"
_DAYS_LATE: Final = "days_late"

_LATE: Final = {"level": {"$gt": 0}}  # few are; what is opened is not, so opening costs no more
_OVERDUE: Final = "overdue"
_DUE: Final = "due_on"
_NARROW: Final = frozenset(
    {
        "followup_id",
        "resolution_id",
        "session_id",
        "executing_body",
        "level",
        "overdue",
        "predecessor",
    }
)
"""Filters by which few are found; one's own index is better than that of the sort."""

_INDEXES = (
    IndexModel([("resolution_id", ASCENDING)], name="resolution", unique=True),
    IndexModel(
        [("next_alert", ASCENDING), ("level", ASCENDING)],
        name=INDEX,
        partialFilterExpression={"next_alert": {"$type": "date"}},
    ),
    IndexModel([("session_id", ASCENDING), ("_id", ASCENDING)], name="session"),
    IndexModel([("state", ASCENDING), ("_id", ASCENDING)], name="state"),
    *(
        IndexModel([*keys, ("_id", ASCENDING)], name=name, partialFilterExpression=_LATE)
        for name, keys in (
            ("level", [("level", ASCENDING)]),
            ("state_level", [("state", ASCENDING), ("level", ASCENDING)]),
            ("province_level", [("province", ASCENDING), ("level", ASCENDING)]),
            ("axis_level", [("axis", ASCENDING), ("level", ASCENDING)]),
        )
    ),
    IndexModel(
        [("_id", ASCENDING), ("state", ASCENDING)], name=_OVERDUE, partialFilterExpression=_LATE
    ),
    IndexModel(
        [(_PREDECESSOR, ASCENDING), ("_id", ASCENDING)],
        name="predecessor",
        partialFilterExpression={_PREDECESSOR: {"$gt": ""}},  # few have one
    ),
    # What lists are sorted by costs whoever opens a follow-up three keys more, and whoever changes
    # one a key. What is due is asked for by state: most of what was due long ago has ended.
    # Province and axis stand in the keys so that what has others is passed by unread.
    IndexModel(
        [(field, ASCENDING) for field in ("state", "due_on", "_id", "province", "axis")],
        name=_DUE,
    ),
    IndexModel([("approved_at", ASCENDING), ("_id", ASCENDING)], name="approved_at"),
    IndexModel([("changed_at", ASCENDING), ("_id", ASCENDING)], name="changed_at"),
    *(
        IndexModel([(path, ASCENDING), ("_id", ASCENDING)], name=path, partialFilterExpression=some)
        for path, some in (
            ("number", {"number": {"$gt": ""}}),
            (_BODY, {_BODY: {"$gt": ""}}),
            (_DAYS_LATE, {_DAYS_LATE: {"$gt": 0}}),  # few are claimed late
        )
    ),
)

_LISTED: Final = Stored(
    at={"predecessor": _PREDECESSOR, "followup_id": "_id", "executing_body": _BODY},
    optional=("number",),
)


class MongoLinks:
    """What continues what, over the databases of all deputies that there are.

    A number counts the links. Whoever adds one takes the next in his transaction, so that of two
    that were decided at the same time one is decided anew: transactions alone would not do, since
    they write to different follow-ups, each of which the other has read.
    """

    def __init__(self, databases: Sequence[Database]) -> None:
        """The number stands in the first of the databases, for every process the same one."""
        self._client = databases[0].client
        self._number = databases[0]["marks"]
        self._followups = [database["followups"] for database in databases]

    async def ahead(self, resolution_ids: Collection[str]) -> Ahead:
        """Return what these resolutions lead to, as it stands after the last link."""
        found: dict[str, Followup] = {}
        asked, wanted = set[str](), set(resolution_ids)
        async with mongo.causal(self._client) as session:
            number = await self._number.find_one({"_id": _LINKS}, session=session)
            if number is None:  # before the first link of all; a worker needs no right to this
                number = {"number": 0}
                begun = {"$setOnInsert": number}
                await self._number.update_one({"_id": _LINKS}, begun, upsert=True)
            while wanted:
                asked |= wanted
                before = {"resolution_id": {"$in": list(wanted)}}
                wanted = set()
                for followups in self._followups:
                    async for document in followups.find(before, session=session):
                        one = _loaded(document)
                        found[one.followup_id] = one
                        if one.work.predecessor is not None:
                            wanted.add(one.work.predecessor.resolution_id)
                wanted -= asked
        return Ahead(number["number"], list(found.values()))

    async def take_turn(self, ahead: Ahead, session: ClientSession) -> None:
        """Add a link to those that were known. Raises Stale where there is another since."""
        taken = await self._number.update_one(
            {"_id": _LINKS, "number": ahead.links}, {"$inc": {"number": 1}}, session=session
        )
        if not taken.matched_count:
            raise Stale("another link was made meanwhile")


class MongoFollowupRepository:
    """Implements `handlers.FollowupRepository`, and what the API reads."""

    def __init__(self, ledger: Ledger, deputy: str, links: MongoLinks | None = None) -> None:
        """`links` of all deputies; by default this one is all there is."""
        self._ledger = ledger
        self._links = links or MongoLinks([ledger.database])
        self._deputy = deputy
        self.due_queue = DueQueue(ledger, "followups", "next_alert")
        self.files = Files(ledger.database, "evidence")
        self.replies = ledger.replies
        self._followups = ledger.database["followups"]
        self._moved_out = ledger.database["elsewhere"]  # as they were when they went
        self._inbox = Inbox(ledger.database)
        self._deferral = DeferredMessages(ledger.database)
        self._data_migrations = ledger.database["marks"]  # of what was done to all that is stored

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        await self._ledger.prepare()
        await self._inbox.prepare()
        await self.files.prepare()
        await ensure_indexes(self._followups, _INDEXES)
        await ensure_indexes(self._moved_out, [IndexModel([("resolution_id", ASCENDING)])])
        await self._count_former()
        await self._key_former()

    async def _count_former(self) -> None:
        """Count what was stored before there were scorecards: as it stands, on its last day."""
        done = {"_id": "counted", "schema": _COUNTED}
        if await self._data_migrations.find_one(done):
            return
        former = {"schema": {"$lt": _COUNTED}}
        while True:
            found = self._followups.find(former).limit(_COUNTED_AT_ONCE)
            followups = [_loaded(document) async for document in found]
            if not followups:
                break
            counts = tally(((None, followup) for followup in followups), self._deputy)
            ids = [followup.followup_id for followup in followups]
            async with self._ledger.commit(RECOVERY, Effects((), counts)) as session:
                taken = await self._followups.update_many(
                    {"_id": {"$in": ids}, **former}, {"$set": {"schema": _COUNTED}}, session=session
                )
                if taken.matched_count < len(ids):
                    raise Stale("another process counts them too")
        await self._data_migrations.replace_one({"_id": done["_id"]}, done, upsert=True)

    async def _key_former(self) -> None:
        """Give what was stored before lists were sorted and searched the keys for that."""
        done = {"_id": "keyed", "schema": _KEYED}
        if await self._data_migrations.find_one(done):
            return
        former = {"$or": [{"executing_body": {"$gt": ""}}, {"claimed_at": {"$type": "date"}}]}
        updates: list[UpdateOne] = []
        async for document in self._followups.find(former):
            claimed_at, due_on = document.get("claimed_at"), date.fromisoformat(document["due_on"])
            keys = _present(_keys(document.get("executing_body"), claimed_at, due_on))
            as_read = {"_id": document["_id"], "version": document["version"]}  # else it has them
            if keys:
                updates.append(UpdateOne(as_read, {"$set": keys}))
            if len(updates) == _KEYED_AT_ONCE:
                await self._followups.bulk_write(updates, ordered=False)
                updates.clear()
        if updates:
            await self._followups.bulk_write(updates, ordered=False)
        await self._data_migrations.replace_one({"_id": done["_id"]}, done, upsert=True)

    async def of_resolutions(self, ids: Collection[str]) -> Mapping[str, Followup]:
        return await _found(self._followups, "resolution_id", ids)

    async def moved_out(self, resolution_ids: Collection[str]) -> Mapping[str, Followup]:
        return await _found(self._moved_out, "resolution_id", resolution_ids)

    async def here_or_moved_out(self, ids: Collection[str]) -> Mapping[str, Followup]:
        gone = await _found(self._moved_out, "_id", ids)
        return {**gone, **await _found(self._followups, "_id", ids)}

    async def get(self, followup_id: str) -> Followup | None:
        document = await self._followups.find_one({"_id": followup_id})
        return None if document is None else _loaded(document)

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Followup]:
        return await _found(self._followups, "_id", ids)

    async def due(self, now: datetime, limit: int) -> Sequence[Followup]:
        return [_loaded(document) async for document in self.due_queue.due(now, limit)]

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        return await self._inbox.seen(ids)

    async def waited_for(self, ids: Collection[str]) -> Collection[str]:
        return await self._deferral.about(ids)

    async def page(self, query: ListQuery) -> Sequence[Followup]:
        """Return one page."""
        if query.sort.field == "days_overdue":
            found = await self._page_by_lateness(query)
        else:
            further = _further(query.fields)
            if query.sort.field == _DUE and "state" not in query.fields:
                further.append({"state": {"$in": _STATES}})  # as the index has them
            hint = _hint(query)
            found = await _LISTED.page(self._followups, _plain(query), *further, hint=hint)
        return [_loaded(document) for document in found]

    async def _page_by_lateness(self, query: ListQuery) -> Sequence[Document]:
        """By the days of being late, which grow from day to day where nobody has claimed it done.

        So what runs is read by its due date, what was claimed by the days it was late then, and
        what is not late by its id.
        """
        late = await self._late(query) if query.sort.descending else []
        if len(late) == query.limit:
            return late
        in_time = await self._in_time(query, query.limit - len(late))
        if query.sort.descending or len(in_time) == query.limit:
            return [*late, *in_time]
        return [*in_time, *await self._late(replace(query, limit=query.limit - len(in_time)))]

    async def _late(self, query: ListQuery) -> list[Document]:
        """Of a page those that are late."""
        today, after, descends = query.as_of, query.after, query.sort.descending
        assert today is not None, "lateness is that of a day"
        if after is not None and after.key == 0:
            if descends:
                return []
            after = None
        due = None if after is None else replace(after, key=today - timedelta(days=after.key))
        further = _further(query.fields)
        by_due = replace(_plain(query), after=due, sort=Sort(_DUE, descending=not descends))
        running = await _LISTED.page(
            self._followups,
            by_due,
            *further,
            {"state": {"$in": _RUNNING}},
            {"due_on": {"$lt": today.isoformat()}},
            hint=_hint(by_due),
        )
        claimed = await _LISTED.page(
            self._followups,
            replace(_plain(query), after=after, sort=Sort(_DAYS_LATE, descends)),
            *further,
            {_DAYS_LATE: {"$gt": 0}},
        )

        def place(document: Document) -> Place:
            days = document.get(_DAYS_LATE) or (today - date.fromisoformat(document["due_on"])).days
            return Place(document["_id"], days)

        both = {document["_id"]: document for document in (*running, *claimed)}
        late = list(arranged(both.values(), query.sort, place)[: query.limit])
        missing = query.limit - len(late)
        if missing and query.limit in {len(running), len(claimed)}:  # some were claimed in between
            late += await self._late(replace(query, after=place(late[-1]), limit=missing))
        return late

    async def _in_time(self, query: ListQuery, limit: int) -> list[Document]:
        """Of a page those that are not late, so many at most."""
        today, after = query.as_of, query.after
        assert today is not None, "lateness is that of a day"
        if after is not None and after.key > 0:
            if not query.sort.descending:
                return []
            after = None
        return await _LISTED.page(
            self._followups,
            replace(_plain(query), after=after, limit=limit, sort=BY_ID),
            *_further(query.fields),
            {_DAYS_LATE: None},
            {"$or": [{"state": {"$in": _AT_REST}}, {"due_on": {"$gte": today.isoformat()}}]},
        )

    async def number(self) -> int:
        """Return how many there are, as MongoDB knows without counting."""
        return await self._followups.estimated_document_count()

    async def ids(self, fields: Mapping[str, Collection[Value]]) -> AsyncIterator[Sequence[str]]:
        """Give the ids of all that have these fields, some thousands at a time, in no order."""
        wanted = _wanted(fields)
        found = self._followups.find(wanted, {"_id": 1}, batch_size=_IDS_AT_ONCE)
        while ids := [document["_id"] for document in await found.to_list(_IDS_AT_ONCE)]:
            yield ids

    async def history(self, followup_id: str) -> Sequence[Entry]:
        """Return everything that happened to one, by version."""
        return await self._ledger.history(followup_id)

    async def content(self, piece: EvidenceAdded) -> AsyncIterator[bytes] | None:
        """Return the bytes of a file of evidence, or None where they are lost."""
        assert piece.sha256 is not None  # a file has it
        found = await self.files.find(piece.evidence_id)
        return None if found is None else self.files.read(found, piece.sha256)

    async def counts(self, by: By, as_of: date | None = None) -> Mapping[str, Mapping[str, int]]:
        """Return the counts by name (`scores.names`) of each subject of a kind.

        `as_of`: as they stood at the end of that day (Asia/Tehran). The deputy himself, and what
        has no province, axis or gathering, stand under the empty text.
        """
        return await self._ledger.counts(by.value, as_of)

    async def ahead(self, resolution_ids: Collection[str]) -> Ahead:
        return await self._links.ahead(resolution_ids)

    async def save(
        self, changes: Sequence[Change], cause: CommitContext, ahead: Ahead | None = None
    ) -> None:
        async with self._ledger.commit(cause, self._effects(changes)) as session:
            if ahead is not None:
                await self._links.take_turn(ahead, session)
            await self._write(changes, session)

    async def hand_over(
        self,
        leaving: Sequence[Change],
        taker: MongoFollowupRepository,
        arriving: Sequence[Change],
        cause: CommitContext,
        ahead: Ahead | None = None,
    ) -> None:
        """Save what leaves here and what arrives there in one transaction, or nothing.

        Raises what `save` does.
        """
        async with self._ledger.commit(cause, self._effects(leaving)) as session:
            if ahead is not None:
                await self._links.take_turn(ahead, session)
            await self._write(leaving, session)
            await taker._write(arriving, session)
            history = [entry for change in arriving for entry in change.history]
            await taker._ledger.join(cause, taker._effects(arriving), history, session)
            ids = [change.after.followup_id for change in leaving]
            await self.replies.hand_over(ids, taker.replies, session)

    def _effects(self, changes: Sequence[Change]) -> Effects:
        total = tally((step for change in changes for step in change.steps()), self._deputy)
        return Effects([event for change in changes for event in change.events], total)

    async def _write(self, changes: Sequence[Change], session: ClientSession) -> None:
        is_own = [change for change in changes if change.after.deputy == self._deputy]
        inserted = [change for change in is_own if not self._is_here(change.before)]
        await self._insert(inserted, session)
        await self._replace([change for change in is_own if self._is_here(change.before)], session)
        await self._remove(self._moved_out, [c for c in inserted if c.before is not None], session)
        gone = [change for change in changes if change.after.deputy != self._deputy]
        await self._remove(self._followups, [c for c in gone if self._is_here(c.before)], session)
        for change in gone:
            here = {"_id": change.after.followup_id}
            await self._moved_out.replace_one(here, _stored(change), upsert=True, session=session)
        for kept in (kept for change in changes for kept in change.files):
            await self.files.keep(kept, self._ledger.now(), session)
        inbox = [id_ for change in changes for id_ in change.inbox]
        if inbox:
            await self._inbox.add(inbox, self._ledger.now(), session)

    def _is_here(self, followup: Followup | None) -> bool:
        return followup is not None and followup.deputy == self._deputy

    async def _insert(self, changes: Sequence[Change], session: ClientSession) -> None:
        if changes:
            await self._followups.insert_many(
                [_stored(change) for change in changes], session=session
            )

    async def _replace(self, changes: Sequence[Change], session: ClientSession) -> None:
        if not changes:
            return
        updates = [UpdateOne(_as_it_was(change), _update(change)) for change in changes]
        result = await self._followups.bulk_write(updates, ordered=False, session=session)
        _require_all(changes, result.matched_count)

    async def _remove(
        self, collection: mongo.Collection, changes: Sequence[Change], session: ClientSession
    ) -> None:
        if not changes:
            return
        deletions = [DeleteOne(_as_it_was(change)) for change in changes]
        result = await collection.bulk_write(deletions, ordered=False, session=session)
        _require_all(changes, result.deleted_count)


async def _found(
    collection: mongo.Collection, key: str, values: Collection[str]
) -> Mapping[str, Followup]:
    """Those that have one of these values there, by it."""
    found = collection.find({key: {"$in": list(values)}})
    return {document[key]: _loaded(document) async for document in found}


def _wanted(fields: Mapping[str, Collection[Value]]) -> Document:
    """The filter that finds what has these fields."""
    conditions = [*_LISTED.conditions(_stored_fields(fields), {}), *_further(fields)]
    return {"$and": conditions} if conditions else {}


def _hint(query: ListQuery) -> str | None:
    """The index to take, where MongoDB would take another that reads more documents."""
    if query.sort.field == _DUE:
        return None if query.fields.keys() & _NARROW else _DUE
    is_overdue = query.fields == {"overdue": (True,)} and not (query.sort.field or query.spans)
    return _OVERDUE if is_overdue else None


def _plain(query: ListQuery) -> ListQuery:
    return replace(query, fields=_stored_fields(query.fields))


def _stored_fields(fields: Mapping[str, Collection[Value]]) -> Mapping[str, Collection[Value]]:
    return {name: values for name, values in fields.items() if name != "overdue"}


def _further(fields: Mapping[str, Collection[Value]]) -> list[Document]:
    """What is asked of being overdue, which is no stored field."""
    overdue = set(fields.get("overdue", ()))
    if overdue == {True}:
        return [{**_LATE, "state": {"$in": _OPEN}}]
    if overdue == {False}:
        return [{"$or": [{"level": 0}, {"state": {"$in": _ENDED}}]}]
    return []


def _as_it_was(change: Change) -> Document:
    assert change.before is not None
    return {"_id": change.after.followup_id, "version": change.before.version}


def _require_all(changes: Sequence[Change], found: int) -> None:
    if found < len(changes):
        raise Stale(f"{len(changes) - found} follow-ups have moved on")


def _stored(change: Change) -> Document:
    """A follow-up as it is stored: what it does not have is not there."""
    return _present(_fields(change))


def _update(change: Change) -> Document:
    """The step to it; MongoDB writes down what differs alone, and keeps what it does not know."""
    fields = _fields(change)
    stored = _present(fields)
    return {"$set": stored, "$unset": dict.fromkeys(fields.keys() - stored.keys(), "")}


def _present(fields: Document) -> Document:
    return {name: value for name, value in fields.items() if value is not None and value != []}


def _fields(change: Change) -> Document:
    followup = change.after
    resolution = followup.resolution
    return {
        "_id": followup.followup_id,
        "schema": _SCHEMA,
        "version": followup.version,
        "state": followup.state.value,
        "resolution_id": resolution.resolution_id,
        "deputy": resolution.deputy,
        "title": resolution.title,
        "approved_at": resolution.approved_at,
        "due_on": resolution.due_on.isoformat(),
        "session_id": resolution.session_id,
        "session_kind": resolution.session_kind,
        "province": resolution.province,
        "axis": resolution.axis,
        "text": resolution.text,
        "supporting": list(resolution.supporting),
        "executing_body": resolution.executing_body,
        "priority": resolution.priority,
        "number": resolution.number,
        "baseline_on": _iso(resolution.baseline_on),
        "original_due_on": followup.original_due_on.isoformat(),
        "approved_source": followup.approved_source,
        "fingerprint": followup.fingerprint,
        "opened_at": followup.opened_at,
        "changed_at": followup.changed_at,
        "progress": followup.reported,
        "level": followup.level,
        "acknowledge_by": _iso(followup.acknowledge_by),
        "unacknowledged_at": followup.unacknowledged_at,
        "acknowledged_at": followup.acknowledged_at,
        "blocked_by": followup.blocked_by,
        "claimed_by": followup.claimed_by,
        "claimed_for": followup.claimed_for,
        "claimed_at": followup.claimed_at,
        "verified_by": followup.verified_by,
        "finding": followup.finding,
        "amended_at": followup.amended_at,
        "outcome": followup.outcome,
        "closed_by": followup.closed_by,
        "former_levels": [[day.isoformat(), level] for day, level in followup.former_levels],
        "due_soon_for": [day.isoformat() for day in followup.due_soon_for],
        "request": None if followup.request is None else _stored_request(followup.request),
        "requested_for": [day.isoformat() for day in followup.requested_for],
        "extensions": [
            {"from": e.from_.isoformat(), "to": e.to.isoformat(), "by": e.by, "at": e.at}
            for e in followup.extensions
        ],
        "work": None if followup.work == NONE else _stored_work(followup.work),
        "evidence": [asdict(piece) for piece in followup.evidence],
        "former_deputies": list(followup.former_deputies),
        "next_alert": change.next_alert,
        **_keys(resolution.executing_body, followup.claimed_at, resolution.due_on),
    }


def _keys(body: str | None, claimed_at: datetime | None, due_on: date) -> Document:
    """What lists are searched and sorted by besides what is known of a follow-up."""
    days = 0 if claimed_at is None else days_overdue(due_on, claimed_at)
    return {_BODY: (search_key(body) or None) if body else None, _DAYS_LATE: days or None}


def _loaded(document: Document) -> Followup:
    """A follow-up of any schema; until schema 6 what it did not have was stored as null."""
    return Followup(
        followup_id=document["_id"],
        version=document["version"],
        state=State(document["state"]),
        resolution=Resolution(
            resolution_id=document["resolution_id"],
            deputy=document["deputy"],
            title=document["title"],
            approved_at=document["approved_at"],
            due_on=date.fromisoformat(document["due_on"]),
            session_id=document.get("session_id"),
            session_kind=document.get("session_kind"),
            province=document.get("province"),
            axis=document.get("axis"),
            text=document.get("text"),
            supporting=tuple(document.get("supporting", ())),
            executing_body=document.get("executing_body"),
            priority=document["priority"],
            number=document.get("number"),
            baseline_on=_day(document.get("baseline_on")),
        ),
        original_due_on=date.fromisoformat(document["original_due_on"]),
        approved_source=document["approved_source"],
        fingerprint=document["fingerprint"],
        opened_at=document["opened_at"],
        changed_at=document["changed_at"],
        reported=document["progress"],
        level=document["level"],
        claimed_by=document.get("claimed_by"),
        verified_by=document.get("verified_by"),
        amended_at=document.get("amended_at"),
        outcome=document.get("outcome"),
        former_levels=tuple(
            (date.fromisoformat(day), level) for day, level in document.get("former_levels", ())
        ),
        # What follows came with schema 2.
        acknowledged_at=document.get("acknowledged_at"),
        blocked_by=document.get("blocked_by"),
        claimed_at=document.get("claimed_at"),
        finding=document.get("finding"),
        closed_by=document.get("closed_by"),
        due_soon_for=_days(document.get("due_soon_for", ())),
        request=_request(document.get("request")),
        requested_for=_days(document.get("requested_for", ())),
        extensions=tuple(
            Extension(date.fromisoformat(e["from"]), date.fromisoformat(e["to"]), e["by"], e["at"])
            for e in document.get("extensions", ())
        ),
        # What follows came with schema 3.
        acknowledge_by=_day(document.get("acknowledge_by")),
        unacknowledged_at=document.get("unacknowledged_at"),
        claimed_for=document.get("claimed_for"),
        work=_work(document.get("work")),
        # What follows came with schema 4.
        evidence=tuple(EvidenceAdded(**piece) for piece in document.get("evidence", ())),
        # What follows came with schema 5.
        former_deputies=tuple(document.get("former_deputies", ())),
    )


def _stored_request(request: Request) -> Document:
    return {**asdict(request), "due_on": request.due_on.isoformat()}


def _request(stored: Mapping[str, Any] | None) -> Request | None:
    if stored is None:
        return None
    return Request(**{**stored, "due_on": date.fromisoformat(stored["due_on"])})


def _stored_work(work: Work) -> Document:
    stored = asdict(work)
    for dated in stored["items"]:
        dated["due_on"] = dated["due_on"].isoformat()
    if work.delegation is not None:
        stored["delegation"]["until"] = work.delegation.until.isoformat()
    return stored


def _work(stored: Mapping[str, Any] | None) -> Work:
    if stored is None:  # of most, and of those that were stored before schema 3
        return NONE
    lent, before = stored["delegation"], stored["predecessor"]
    return Work(
        officer=stored["officer"],
        delegation=None
        if lent is None
        else Delegation(**{**lent, "until": date.fromisoformat(lent["until"])}),
        items=tuple(
            ActionItem(**{**item, "due_on": date.fromisoformat(item["due_on"])})
            for item in stored["items"]
        ),
        predecessor=None if before is None else Predecessor(**before),
        parts=tuple(Part(**part) for part in stored["parts"]),
    )


def _days(stored: Sequence[str]) -> tuple[date, ...]:
    return tuple(map(date.fromisoformat, stored))


def _day(stored: str | None) -> date | None:
    return None if stored is None else date.fromisoformat(stored)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
