"""Pages of a list out of MongoDB, each at the cost of its own length."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING

from shared.runtime import mongo
from shared.runtime.list_queries import ListQuery, Place, Sort, Value, ValueRange, arranged
from shared.runtime.mongo import Document

_ID: Final = "_id"


@dataclass(frozen=True, slots=True)
class Stored:
    """Where in a document the fields of a list are.

    A field that is not named here is at its own name. Days are stored as ISO 8601 texts, which
    sort as the days do.
    """

    at: Mapping[str, str]
    optional: Collection[str] = ()  # texts that not every item has: an index may leave out the rest

    def wanted(
        self, fields: Mapping[str, Collection[Value]], spans: Mapping[str, ValueRange]
    ) -> list[Document]:
        """The conditions, all of which have to hold."""
        chosen = [{self.path(name): _one_of(values)} for name, values in fields.items()]
        return [*chosen, *({self.path(name): _within(span)} for name, span in spans.items())]

    def path(self, name: str) -> str:
        """Where a field is."""
        return self.at.get(name, name)

    async def page(
        self,
        collection: mongo.Collection,
        query: ListQuery,
        *further: Document,
        hint: str | None = None,
    ) -> list[Document]:
        """The documents of a page, `further` conditions holding too.

        `hint` names an index, where MongoDB would take another one.
        """
        wanted = [*self.wanted(query.fields, query.spans), *further]
        sort, after, limit = query.sort, query.after, query.limit
        if not sort.field:
            return await _by_id(collection, wanted, after, limit, sort.descending, hint)
        page = _Page(collection, self.path(sort.field), sort, limit, hint)
        if after is None or after.key is not None:
            is_there = [{page.path: {"$gt": ""}}] if sort.field in self.optional else []
            await page.read_keyed([*wanted, *is_there], after)
            after = None
        if sort.field in self.optional:
            await page.read_equals([*wanted, {page.path: None}], after)
        return list(page.found.values())


@dataclass(frozen=True, slots=True)
class _Page:
    """A page in the order of a value, read by several questions.

    An index over the value and the id gives both directions, but for the ids of equals, which
    ascend in either: equals are read apart. What others change between two questions may be found
    twice or gone; the page is filled up then, since a short one would say that the list ends.
    """

    collection: mongo.Collection
    path: str
    sort: Sort
    limit: int
    hint: str | None
    found: dict[str, Document] = field(default_factory=dict)  # by id, in order

    async def read_keyed(self, wanted: Sequence[Document], after: Place | None) -> None:
        """Read what has a value."""
        way = DESCENDING if self.sort.descending else ASCENDING
        bounds: list[Document] = []
        if after is not None:
            key = _plain(after.key)
            await self.read_equals([*wanted, {self.path: key}], after)
            bounds = [self._beyond(key)]
        while missing := self._missing():
            order = [(self.path, way), (_ID, way)]
            run = await _read(self.collection, [*wanted, *bounds], order, missing, self.hint)
            if len(run) < missing:
                self._take(self._arranged(run))
                return
            key = _value(run[-1], self.path)  # of it there may be more than the run has
            last: Place | None = Place(run[-1][_ID])
            if self.sort.descending:
                run, last = [d for d in run if _value(d, self.path) != key], None
            self._take(self._arranged(run))
            await self.read_equals([*wanted, {self.path: key}], last)
            bounds = [self._beyond(key)]

    async def read_equals(self, wanted: Sequence[Document], after: Place | None) -> None:
        """Read what has one value, or none."""
        while missing := self._missing():
            some = await _by_id(self.collection, wanted, after, missing, hint=self.hint)
            self._take(some)
            if len(some) < missing:
                return
            after = Place(some[-1][_ID])

    def _missing(self) -> int:
        return self.limit - len(self.found)

    def _take(self, documents: Iterable[Document]) -> None:
        for document in documents:
            self.found.setdefault(document[_ID], document)

    def _beyond(self, key: object) -> Document:
        return {self.path: {"$lt" if self.sort.descending else "$gt": key}}

    def _arranged(self, run: Iterable[Document]) -> Sequence[Document]:
        return arranged(run, self.sort, lambda d: Place(d[_ID], _value(d, self.path)))


async def _by_id(
    collection: mongo.Collection,
    wanted: Sequence[Document],
    after: Place | None,
    limit: int,
    descending: bool = False,
    hint: str | None = None,
) -> list[Document]:
    if after is not None:
        wanted = [*wanted, {_ID: {"$lt" if descending else "$gt": after.id}}]
    order = [(_ID, DESCENDING if descending else ASCENDING)]
    return await _read(collection, wanted, order, limit, hint)


async def _read(
    collection: mongo.Collection,
    wanted: Sequence[Document],
    order: Sequence[tuple[str, int]],
    limit: int,
    hint: str | None = None,
) -> list[Document]:
    conditions: Document = {"$and": list(wanted)} if wanted else {}
    found = collection.find(conditions).sort(list(order)).limit(limit)
    if hint is not None:
        found = found.hint(hint)
    return [document async for document in found]


def _one_of(values: Collection[Value]) -> object:
    plain = [_plain(value) for value in values]
    return plain[0] if len(plain) == 1 else {"$in": plain}


def _within(span: ValueRange) -> Document:
    bounds = {"$gte": span.first, "$lte": span.last}
    return {operator: _plain(bound) for operator, bound in bounds.items() if bound is not None}


def _plain(value: Value) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return value


def _value(document: Document, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value[name]
    return value
