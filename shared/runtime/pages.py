"""Pages of a list out of MongoDB, each at the cost of its own length."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING

from shared.runtime import mongo
from shared.runtime.listing import Place, Query, Sort, Span, Value
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
        self, fields: Mapping[str, Collection[Value]], spans: Mapping[str, Span]
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
        query: Query,
        *further: Document,
        hint: str | None = None,
    ) -> list[Document]:
        """The documents of a page, `further` conditions holding too.

        `hint` names the index of a page by id, where MongoDB would take another one.
        """
        wanted = [*self.wanted(query.fields, query.spans), *further]
        sort, after, limit = query.sort, query.after, query.limit
        if not sort.field:
            return await _by_id(collection, wanted, after, limit, sort.descending, hint)
        path = self.path(sort.field)
        found: list[Document] = []
        if after is None or after.key is not None:
            is_there = [{path: {"$gt": ""}}] if sort.field in self.optional else []
            keyed = _Keyed(collection, [*wanted, *is_there], path, sort)
            found = await keyed.behind(after, limit)
            after = None
        if sort.field in self.optional and len(found) < limit:
            without = [*wanted, {path: None}]
            found += await _by_id(collection, without, after, limit - len(found))
        return found


@dataclass(frozen=True, slots=True)
class _Keyed:
    """What has a value, in the order of its values.

    An index over the value and the id gives both directions, but for the ids of equals, which
    ascend in either: equals are read apart.
    """

    collection: mongo.Collection
    wanted: Sequence[Document]
    path: str
    sort: Sort

    async def behind(self, after: Place | None, limit: int) -> list[Document]:
        if after is None:
            return await self._from(self.wanted, limit)
        key = _plain(after.key)
        found = await self._equals(key, after, limit)
        if len(found) < limit:
            bound = {self.path: {"$lt" if self.sort.descending else "$gt": key}}
            found += await self._from([*self.wanted, bound], limit - len(found))
        return found

    async def _from(self, wanted: Sequence[Document], limit: int) -> list[Document]:
        way = DESCENDING if self.sort.descending else ASCENDING
        order = [(self.path, way), (_ID, way)]
        found = await _read(self.collection, wanted, order, limit)
        if not self.sort.descending:
            return found
        last = _value(found[-1], self.path) if len(found) == limit else None
        whole = [document for document in found if _value(document, self.path) != last]
        whole.sort(key=lambda document: str(document[_ID]))
        whole.sort(key=lambda document: _value(document, self.path), reverse=True)
        if last is not None:  # of these there may be more, with ids that come before
            whole += await self._equals(last, None, limit - len(whole))
        return whole

    async def _equals(self, key: object, after: Place | None, limit: int) -> list[Document]:
        return await _by_id(self.collection, [*self.wanted, {self.path: key}], after, limit)


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


def _within(span: Span) -> Document:
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
