"""Cursors: what a query or a pipeline gives, asked for with its first document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from tests.simulation.mongo.documents import Document, copied, projected, stored
from tests.simulation.mongo.operations import Work
from tests.simulation.mongo.pipelines import staged

if TYPE_CHECKING:
    from tests.simulation.mongo.collections import SimulatedCollection
    from tests.simulation.mongo.sessions import SimulatedSession


class SimulatedCursor:
    """What a query finds, asked for with its first document."""

    def __init__(
        self,
        collection: SimulatedCollection,
        wanted: Mapping[str, Any],
        projection: Any,
        session: SimulatedSession | None,
        batch_size: int,
    ) -> None:
        self._collection = collection
        self._wanted = stored(wanted)
        self._projection = projection
        self._session = session
        self._sort: Sequence[tuple[str, int]] = ()
        self._limit = 0
        self._skip = 0
        self._hint: str | None = None
        self._found: list[Document] | None = None
        self._batch = batch_size
        self._max_time_ms: int | None = None

    def sort(self, keys: Any, direction: int = 1) -> Self:
        """Sort by a field, or by several."""
        self._sort = [(keys, direction)] if isinstance(keys, str) else list(keys)
        return self

    def limit(self, limit: int) -> Self:
        """At most so many; 0 is all."""
        self._limit = limit
        return self

    def skip(self, skip: int) -> Self:
        """Leave out the first."""
        self._skip = skip
        return self

    def hint(self, index: str) -> Self:
        """By this index, in its order where no other is asked for."""
        self._hint = index
        return self

    def max_time_ms(self, milliseconds: int | None) -> Self:
        """How long it may take, in milliseconds."""
        self._max_time_ms = milliseconds
        return self

    def batch_size(self, size: int) -> Self:
        """How many come at a time."""
        self._batch = size
        return self

    async def _fetch(self) -> list[Document]:
        if self._found is None:
            collection = self._collection
            self._found = await collection._client.ask(
                self._read,
                session=self._session,
                level=collection._level,
                max_time_ms=self._max_time_ms,
            )
        return self._found

    def _read(self, work: Work) -> list[Document]:
        hint = self._hint if isinstance(self._hint, str) else None
        found = work.find(self._collection.full_name, self._wanted, self._sort, hint)
        found = found[self._skip :]
        if self._limit:
            found = found[: self._limit]
        return [projected(document, self._projection) for document in found]

    async def __aiter__(self) -> AsyncIterator[Document]:
        for document in await self._fetch():
            yield document

    async def to_list(self, length: int | None = None) -> list[Document]:
        """The next so many, or all that are left."""
        found = await self._fetch()
        taken = found if length is None else found[:length]
        self._found = found[len(taken) :]
        return taken

    async def close(self) -> None:
        """Ask for no more."""


class SimulatedAggregate:
    def __init__(
        self,
        collection: SimulatedCollection,
        pipeline: Sequence[Mapping[str, Any]],
        session: SimulatedSession | None,
    ) -> None:
        self._collection = collection
        self._pipeline = pipeline
        self._session = session

    async def __aiter__(self) -> AsyncIterator[Document]:
        for document in await self.to_list():
            yield document

    async def to_list(self, length: int | None = None) -> list[Document]:
        """All of it."""
        collection = self._collection
        found: list[Document] = await collection._client.ask(
            self._run, session=self._session, level=collection._level
        )
        return found if length is None else found[:length]

    def _run(self, work: Work) -> list[Document]:
        documents: list[Document] | None = None
        for stage in self._pipeline:
            ((operator, argument),) = stage.items()
            if documents is None:
                wanted = stored(argument) if operator == "$match" else {}
                documents = work.find(self._collection.full_name, wanted)
                if operator == "$match":
                    continue
            documents = staged(operator, argument, documents, work)
        return [copied(document) for document in documents or ()]
