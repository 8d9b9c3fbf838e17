"""Collections, as Motor shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pymongo import InsertOne, ReturnDocument
from pymongo.errors import InvalidOperation
from pymongo.results import (
    BulkWriteResult,
    DeleteResult,
    InsertManyResult,
    InsertOneResult,
    UpdateResult,
)

from tests.simulation.mongo import errors
from tests.simulation.mongo.cursors import SimulatedAggregate, SimulatedCursor
from tests.simulation.mongo.data import Index
from tests.simulation.mongo.documents import Document, projected, stored
from tests.simulation.mongo.operations import Work
from tests.simulation.mongo.requests import Done

if TYPE_CHECKING:
    from tests.simulation.mongo.client import SimulatedDatabase
    from tests.simulation.mongo.sessions import SimulatedSession


class SimulatedCollection:
    """One collection."""

    def __init__(self, database: SimulatedDatabase, name: str, level: str | None) -> None:
        self.database = database
        self.name = name
        self.full_name = f"{database.name}.{name}"
        self._client = database.client
        self._level = level

    def with_options(self, *, read_concern: Any = None, **_: Any) -> SimulatedCollection:
        """The same, read otherwise."""
        level = self._level if read_concern is None else read_concern.level
        return SimulatedCollection(self.database, self.name, level)

    # -- reading ------------------------------------------------------------------------------

    def find(
        self,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  # as the driver calls it
        projection: Any = None,
        *,
        session: SimulatedSession | None = None,
        sort: Any = None,
        limit: int = 0,
        hint: str | None = None,
        batch_size: int = 0,
        max_time_ms: int | None = None,
        **_: Any,
    ) -> SimulatedCursor:
        """A cursor; nothing is asked before its first document."""
        cursor = SimulatedCursor(self, filter or {}, projection, session, batch_size)
        cursor.max_time_ms(max_time_ms)
        if sort is not None:
            cursor.sort(sort)
        if hint is not None:
            cursor.hint(hint)
        return cursor.limit(limit)

    async def find_one(
        self,
        filter: Any = None,  # noqa: A002
        projection: Any = None,
        **options: Any,
    ) -> Document | None:
        """The first that matches."""
        wanted = filter if isinstance(filter, Mapping) or filter is None else {"_id": filter}
        async for document in self.find(wanted, projection, **options).limit(1):
            return document
        return None

    def aggregate(
        self,
        pipeline: Sequence[Mapping[str, Any]],
        *,
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> SimulatedAggregate:
        """A cursor over what a pipeline gives."""
        return SimulatedAggregate(self, pipeline, session)

    async def count_documents(
        self,
        filter: Mapping[str, Any],  # noqa: A002
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> int:
        """How many match."""
        wanted = stored(filter)
        count: int = await self._client.ask(
            lambda work: len(work.all(self.full_name, wanted)), session=session, level=self._level
        )
        return count

    async def estimated_document_count(self, **_: Any) -> int:
        """How many there are, as the primary knows without counting."""
        count: int = await self._client.ask(
            lambda work: len(work.all(self.full_name, {})), session=None, level="local"
        )
        return count

    async def distinct(self, key: str, filter: Any = None, **_: Any) -> list[Any]:  # noqa: A002
        """The values of a field."""
        found = [one.get(key) async for one in self.find(filter or {})]
        return list(dict.fromkeys(found))

    # -- writing ------------------------------------------------------------------------------

    async def insert_one(
        self, document: Document, session: SimulatedSession | None = None, **_: Any
    ) -> InsertOneResult:
        """Insert. Raises DuplicateKeyError."""
        if "_id" not in document:
            document["_id"] = self._client.new_id()
        new = stored(document)
        await self._write(lambda work: work.insert(self.full_name, new), session)
        return InsertOneResult(document["_id"], True)

    async def insert_many(
        self,
        documents: Sequence[Document],
        ordered: bool = True,
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> InsertManyResult:
        """Insert. Raises BulkWriteError."""
        if not documents:
            raise TypeError("documents must be a non-empty list")
        for document in documents:
            if "_id" not in document:
                document["_id"] = self._client.new_id()
        requests = [InsertOne(stored(document)) for document in documents]
        await self._write(
            lambda work: work.bulk(self.full_name, requests, ordered=ordered), session
        )
        return InsertManyResult([document["_id"] for document in documents], True)

    async def bulk_write(
        self,
        requests: Sequence[Any],
        ordered: bool = True,
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> BulkWriteResult:
        """Do what is listed. Raises BulkWriteError."""
        if not requests:
            raise InvalidOperation("No operations to execute")
        result = await self._write(
            lambda work: work.bulk(self.full_name, requests, ordered=ordered), session
        )
        return BulkWriteResult(result, True)

    async def update_one(
        self,
        filter: Mapping[str, Any],  # noqa: A002
        update: Any,
        upsert: bool = False,
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> UpdateResult:
        """Update the first that matches."""
        return await self._update(filter, update, upsert, session, many=False)

    async def update_many(
        self,
        filter: Mapping[str, Any],  # noqa: A002
        update: Any,
        upsert: bool = False,
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> UpdateResult:
        """Update all that match; outside a transaction it is not tried again."""
        return await self._update(filter, update, upsert, session, many=True)

    async def replace_one(
        self,
        filter: Mapping[str, Any],  # noqa: A002
        replacement: Mapping[str, Any],
        upsert: bool = False,
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> UpdateResult:
        """Put another in the place of the first that matches."""
        return await self._update(filter, replacement, upsert, session, many=False)

    async def _update(
        self,
        wanted: Mapping[str, Any],
        update: Any,
        upsert: bool,
        session: SimulatedSession | None,
        *,
        many: bool,
    ) -> UpdateResult:
        wanted = stored(wanted)

        def work(at: Work) -> Any:
            return at.update(self.full_name, wanted, update, upsert=upsert, many=many)

        matched, changed, new, _, _ = await self._write(work, session, again=not many)
        told: dict[str, Any] = {"n": matched + (new is not None), "nModified": changed}
        if new is not None:
            told["upserted"] = new
        return UpdateResult(told, True)

    async def find_one_and_update(
        self,
        filter: Mapping[str, Any],  # noqa: A002
        update: Any,
        projection: Any = None,
        sort: Any = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> Document | None:
        """Update the first that matches, and return it."""
        wanted = stored(filter)

        def work(at: Work) -> Document | None:
            _, _, _, before, after = at.update(
                self.full_name, wanted, update, upsert=upsert, sort=sort or ()
            )
            found = after if return_document else before
            return None if found is None else projected(found, projection)

        found: Document | None = await self._write(work, session)
        return found

    async def delete_one(
        self,
        filter: Mapping[str, Any],  # noqa: A002
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> DeleteResult:
        """Delete the first that matches."""
        wanted = stored(filter)
        count = await self._write(
            lambda work: work.delete(self.full_name, wanted, many=False), session
        )
        return DeleteResult({"n": count}, True)

    async def delete_many(
        self,
        filter: Mapping[str, Any],  # noqa: A002
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> DeleteResult:
        """Delete all that match; outside a transaction it is not tried again."""
        wanted = stored(filter)
        count = await self._write(
            lambda work: work.delete(self.full_name, wanted, many=True), session, again=False
        )
        return DeleteResult({"n": count}, True)

    async def create_indexes(self, indexes: Sequence[Any], **_: Any) -> list[str]:
        """Create what is missing."""
        names = []
        for model in indexes:
            options = model.document
            names.append(options["name"])
            index = Index(
                options["name"],
                tuple(options["key"].items()),
                bool(options.get("unique")),
                options.get("partialFilterExpression"),
            )
            await self._client.ask(partial(self._declare, index), session=None)
        return names

    def _declare(self, index: Index, work: Work) -> None:
        work.server.data[self.full_name].declare(index)

    async def drop_index(self, name: str, **_: Any) -> None:
        """Drop one. Raises OperationFailure (27) where it is not there."""

        def work(at: Work) -> None:
            data = at.server.data[self.full_name]
            if name not in data.indexes:
                raise errors.failure(27, message=f"index not found with name [{name}]")
            data.drop(name)

        await self._client.ask(work, session=None)

    async def _write(
        self, work: Done, session: SimulatedSession | None, *, again: bool = True
    ) -> Any:
        return await self._client.ask(work, session=session, writes=True, again=again)
