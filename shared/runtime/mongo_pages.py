"""Read pages of a list from MongoDB; the cost of a page depends only on its length."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, TypeAlias

from pymongo import ASCENDING, DESCENDING

from shared.runtime import mongo
from shared.runtime.list_queries import (
    ListQuery,
    Place,
    Sort,
    Value,
    ValueRange,
    Within,
    arranged,
)
from shared.runtime.mongo import Document

_ID: Final = "_id"

_NOTHING: Final[Document] = {"_id": {"$in": []}}  # a condition that no document meets

Condition: TypeAlias = Callable[[list[Value], date | None], Document]
"""The condition of one reason to see an item, by its values and today in Asia/Tehran."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How the documents of a collection store the fields of a list.

    `at` holds the paths of fields that differ from their names. Days are stored as ISO 8601 texts,
    which sort as the days do. `reasons` to see an item are conditions that are more than values
    of one field.
    """

    at: Mapping[str, str]
    optional: Collection[str] = ()  # texts that some items lack, and an index may leave out
    reasons: Mapping[str, Condition] = field(default_factory=dict)

    def conditions(
        self, fields: Mapping[str, Collection[Value]], spans: Mapping[str, ValueRange]
    ) -> list[Document]:
        """The conditions of these filters, all of which have to hold."""
        one_of = [{self.path(name): _one_of(values)} for name, values in fields.items()]
        return [*one_of, *({self.path(name): _within(span)} for name, span in spans.items())]

    def visible(self, within: Within | None) -> list[Document]:
        """The conditions of what a reader may see: one at most."""
        if within is None:
            return []
        either = [
            self.reasons[name](list(values), within.today)
            if name in self.reasons
            else {self.path(name): _one_of(values)}
            for name, values in within.any_of.items()
        ]
        return [{"$or": either} if either else _NOTHING]

    def path(self, name: str) -> str:
        """The path of a field in a document."""
        return self.at.get(name, name)

    async def page(
        self,
        collection: mongo.Collection,
        query: ListQuery,
        *further: Document,
        hint: str | None = None,
    ) -> list[Document]:
        """The documents of a page, which also meet `further` conditions.

        `hint` names an index, for queries in which MongoDB would choose another one.
        """
        narrowed = self.visible(query.within)
        conditions = [*self.conditions(query.fields, query.spans), *narrowed, *further]
        sort, after, limit = query.sort, query.after, query.limit
        if not sort.field:
            return await _by_id(collection, conditions, after, limit, sort.descending, hint)
        page = _Page(collection, self.path(sort.field), sort, limit, hint)
        if after is None or after.key is not None:
            has_value = [{page.path: {"$gt": ""}}] if sort.field in self.optional else []
            await page.read_keyed([*conditions, *has_value], after)
            after = None
        if sort.field in self.optional:
            await page.read_equals([*conditions, {page.path: None}], after)
        return list(page.found.values())


@dataclass(frozen=True, slots=True)
class _Page:
    """A page in the order of a value, read by several queries.

    An index over the value and the id serves both directions, except for items with equal values,
    whose ids ascend in either: a separate query reads them. What changes between two queries may
    be found twice or not at all. The page is filled up then, since a short page would mean the end
    of the list.
    """

    collection: mongo.Collection
    path: str
    sort: Sort
    limit: int
    hint: str | None
    found: dict[str, Document] = field(default_factory=dict)  # by id, in order

    async def read_keyed(self, conditions: Sequence[Document], after: Place | None) -> None:
        """Read items that have a value."""
        direction = DESCENDING if self.sort.descending else ASCENDING
        bounds: list[Document] = []
        if after is not None:
            key = _plain(after.key)
            await self.read_equals([*conditions, {self.path: key}], after)
            bounds = [self._beyond(key)]
        while missing := self._missing():
            order = [(self.path, direction), (_ID, direction)]
            run = await _read(self.collection, [*conditions, *bounds], order, missing, self.hint)
            if len(run) < missing:
                self._take(self._arranged(run))
                return
            key = _value(run[-1], self.path)  # more items than this run has may share it
            last: Place | None = Place(run[-1][_ID])
            if self.sort.descending:
                run, last = [d for d in run if _value(d, self.path) != key], None
            self._take(self._arranged(run))
            await self.read_equals([*conditions, {self.path: key}], last)
            bounds = [self._beyond(key)]

    async def read_equals(self, conditions: Sequence[Document], after: Place | None) -> None:
        """Read items that share one value, or have none."""
        while missing := self._missing():
            run = await _by_id(self.collection, conditions, after, missing, hint=self.hint)
            self._take(run)
            if len(run) < missing:
                return
            after = Place(run[-1][_ID])

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
    conditions: Sequence[Document],
    after: Place | None,
    limit: int,
    descending: bool = False,
    hint: str | None = None,
) -> list[Document]:
    if after is not None:
        conditions = [*conditions, {_ID: {"$lt" if descending else "$gt": after.id}}]
    order = [(_ID, DESCENDING if descending else ASCENDING)]
    return await _read(collection, conditions, order, limit, hint)


async def _read(
    collection: mongo.Collection,
    conditions: Sequence[Document],
    order: Sequence[tuple[str, int]],
    limit: int,
    hint: str | None = None,
) -> list[Document]:
    filter_: Document = {"$and": list(conditions)} if conditions else {}
    found = collection.find(filter_).sort(list(order)).limit(limit)
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
