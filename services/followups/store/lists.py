"""Lists of follow-ups: filters, sorts and pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from services.followups.domain.records import ENDED, OPEN, WAITS_FOR_THE_DEPUTY, Followup, State
from services.followups.store.documents import DAYS_LATE, EXECUTING_BODY, PREDECESSOR, loaded
from services.followups.store.indexes import DELEGATE, DUE_ON, LATE, OFFICER, OVERDUE
from shared.runtime import mongo
from shared.runtime.list_queries import BY_ID, ListQuery, Place, Sort, Value, Within, arranged
from shared.runtime.mongo import Document
from shared.runtime.mongo_pages import Stored
from shared.text import search_key

_STATES: Final = sorted(state.value for state in State)
_OPEN: Final = sorted(state.value for state in OPEN)
_RUNNING: Final = sorted(state.value for state in WAITS_FOR_THE_DEPUTY)
_NOT_RUNNING: Final = sorted(state.value for state in set(State) - WAITS_FOR_THE_DEPUTY)
_ENDED: Final = sorted(state.value for state in ENDED)
_IDS_PER_READ: Final = 5_000

_SELECTIVE: Final = frozenset(
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
"""Filters that few follow-ups pass: the index of the filter is better than that of the sort."""


def _executing(values: Sequence[Value], _: date | None) -> Document:
    """By the key that has an index, and exactly."""
    keys = [search_key(str(value)) for value in values]
    return {EXECUTING_BODY: {"$in": keys}, "executing_body": {"$in": values}}


def _delegate(values: Sequence[Value], today: date | None) -> Document:
    assert today is not None, "a delegation depends on the day"
    return {DELEGATE: {"$in": values}, "work.delegation.until": {"$gte": today.isoformat()}}


_LISTED: Final = Stored(
    at={
        "predecessor": PREDECESSOR,
        "followup_id": "_id",
        "executing_body": EXECUTING_BODY,
        "officer": OFFICER,
    },
    optional=("number",),
    reasons={"executing": _executing, "delegate": _delegate},
)


class Lists:
    """Reads the follow-ups of one collection in pages."""

    def __init__(self, followups: mongo.Collection) -> None:
        self._followups = followups

    async def page(self, query: ListQuery) -> Sequence[Followup]:
        """Return one page."""
        if query.sort.field == "days_overdue":
            found = await self._page_by_lateness(query)
        else:
            further = _overdue(query.fields)
            if query.sort.field == DUE_ON and "state" not in query.fields:
                further.append({"state": {"$in": _STATES}})  # the first key of the index
            hint = _hint(query)
            found = await _LISTED.page(self._followups, _plain(query), *further, hint=hint)
        return [loaded(document) for document in found]

    async def ids(
        self, fields: Mapping[str, Collection[Value]], within: Within | None = None
    ) -> AsyncIterator[Sequence[str]]:
        """Give the ids of all follow-ups with these fields, some thousands at a time, unordered."""
        filter_ = filter_of(fields, within)
        found = self._followups.find(filter_, {"_id": 1}, batch_size=_IDS_PER_READ)
        while ids := [document["_id"] for document in await found.to_list(_IDS_PER_READ)]:
            yield ids

    async def _page_by_lateness(self, query: ListQuery) -> Sequence[Document]:
        """Read a page by the days of being late, which are stored only for claimed follow-ups.

        For the others they grow daily. So running follow-ups are read by due date, claimed ones by
        the stored days, and those that are not late by id.
        """
        late = await self._late(query) if query.sort.descending else []
        if len(late) == query.limit:
            return late
        in_time = await self._in_time(query, query.limit - len(late))
        if query.sort.descending or len(in_time) == query.limit:
            return [*late, *in_time]
        return [*in_time, *await self._late(replace(query, limit=query.limit - len(in_time)))]

    async def _late(self, query: ListQuery) -> list[Document]:
        """Read those of a page that are late."""
        today, after, descending = query.as_of, query.after, query.sort.descending
        assert today is not None, "lateness depends on the day"
        if after is not None and after.key == 0:
            if descending:
                return []
            after = None
        due = None if after is None else replace(after, key=today - timedelta(days=after.key))
        further = _overdue(query.fields)
        by_due = replace(_plain(query), after=due, sort=Sort(DUE_ON, descending=not descending))
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
            replace(_plain(query), after=after, sort=Sort(DAYS_LATE, descending)),
            *further,
            {DAYS_LATE: {"$gt": 0}},
        )

        def place(document: Document) -> Place:
            days = document.get(DAYS_LATE) or (today - date.fromisoformat(document["due_on"])).days
            return Place(document["_id"], days)

        found = {document["_id"]: document for document in (*running, *claimed)}
        late = list(arranged(found.values(), query.sort, place)[: query.limit])
        missing = query.limit - len(late)
        if missing and query.limit in {len(running), len(claimed)}:  # claimed between the two reads
            late += await self._late(replace(query, after=place(late[-1]), limit=missing))
        return late

    async def _in_time(self, query: ListQuery, limit: int) -> list[Document]:
        """Read those of a page that are not late, `limit` at most."""
        today, after = query.as_of, query.after
        assert today is not None, "lateness depends on the day"
        if after is not None and after.key > 0:
            if not query.sort.descending:
                return []
            after = None
        return await _LISTED.page(
            self._followups,
            replace(_plain(query), after=after, limit=limit, sort=BY_ID),
            *_overdue(query.fields),
            {DAYS_LATE: None},
            {"$or": [{"state": {"$in": _NOT_RUNNING}}, {"due_on": {"$gte": today.isoformat()}}]},
        )


def filter_of(fields: Mapping[str, Collection[Value]], within: Within | None = None) -> Document:
    """Return the filter for follow-ups with these fields that a reader may see."""
    conditions = [
        *_LISTED.conditions(_stored_fields(fields), {}),
        *_overdue(fields),
        *_LISTED.visible(within),
    ]
    return {"$and": conditions} if conditions else {}


def _hint(query: ListQuery) -> str | None:
    """Return the index to use if MongoDB would choose one that reads more documents."""
    if query.within is not None:  # MongoDB joins the indexes of what the reader may see
        return None
    if query.sort.field == DUE_ON:
        return None if query.fields.keys() & _SELECTIVE else DUE_ON
    is_overdue = query.fields == {"overdue": (True,)} and not (query.sort.field or query.spans)
    return OVERDUE if is_overdue else None


def _plain(query: ListQuery) -> ListQuery:
    return replace(query, fields=_stored_fields(query.fields))


def _stored_fields(fields: Mapping[str, Collection[Value]]) -> Mapping[str, Collection[Value]]:
    return {name: values for name, values in fields.items() if name != "overdue"}


def _overdue(fields: Mapping[str, Collection[Value]]) -> list[Document]:
    """Return the conditions for `overdue`, which is not a stored field."""
    overdue = set(fields.get("overdue", ()))
    if overdue == {True}:
        return [{**LATE, "state": {"$in": _OPEN}}]
    if overdue == {False}:
        return [{"$or": [{"level": 0}, {"state": {"$in": _ENDED}}]}]
    return []
