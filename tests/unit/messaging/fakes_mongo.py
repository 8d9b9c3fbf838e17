"""MongoDB as the consumer sees it, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from pymongo.errors import AutoReconnect, ExecutionTimeout

from shared.messaging.core.errors import PositionMoved
from shared.messaging.core.model import (
    CommitContext,
)
from shared.messaging.ledger.deferral import stored


class Client:
    """As much of MongoDB's client as sessions need; `away` requests fail."""

    def __init__(self) -> None:
        self.away = 0
        self.lag = 0  # how many requests to a majority time out

    @property
    def admin(self) -> Client:
        return self

    async def start_session(self, **_: object) -> Client:
        return self

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def command(self, _: str, *, session: object) -> None:
        await self.answer()

    async def answer(self) -> None:
        """Take a moment, and fail while the server is away."""
        await asyncio.sleep(0)
        if self.away > 0:
            self.away -= 1
            raise AutoReconnect("mongod is away")


class Documents:
    """As much of a collection as positions and pauses need."""

    def __init__(self, client: Client) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.client = client
        self.meanwhile: Callable[[], None] = lambda: None

    def find(self, query: Mapping[str, Any], _: object = None, *, session: object = None) -> Found:
        found = Found([d for d in self.held.values() if _matches(d, query)], self.client)
        self.meanwhile()
        return found

    async def find_one(
        self, query: Mapping[str, Any], _: object = None, *, session: object, max_time_ms: int
    ) -> dict[str, Any] | None:
        """Find a document, once the majority has caught up."""
        await self.client.answer()
        if self.client.lag > 0:
            self.client.lag -= 1
            raise ExecutionTimeout(f"no majority within {max_time_ms} ms", 50)
        return self.held.get(query["_id"])

    async def update_one(
        self, query: Mapping[str, Any], change: Mapping[str, Any], *, upsert: bool
    ) -> None:
        assert upsert
        await self.client.answer()
        self.held.setdefault(query["_id"], {"_id": query["_id"], **change["$setOnInsert"]})


def _matches(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    for name, value in query.items():
        if name == "$or":
            if not any(_matches(document, either) for either in value):
                return False
        elif isinstance(value, Mapping):
            if document.get(name) not in value["$in"]:
                return False
        elif document.get(name) != value:
            return False
    return True


class Waiting(Documents):
    """As much of a collection as deferred messages need; `meanwhile` runs after each read."""

    async def estimated_document_count(self) -> int:
        await self.client.answer()
        return len(self.held)

    def save(self, context: CommitContext) -> None:
        """What the ledger does with a context."""
        if not self.held.keys() >= set(context.ends):
            raise PositionMoved("taken by another")
        for message in context.defers:
            assert message.id not in self.held
            self.held[message.id] = stored(message)
        for id_ in context.ends:
            del self.held[id_]


class Found:
    """A cursor over documents."""

    def __init__(self, documents: Sequence[dict[str, Any]], client: Client) -> None:
        self._documents = documents
        self._client = client

    def sort(self, keys: Sequence[tuple[str, int]]) -> Found:
        ordered = sorted(self._documents, key=lambda d: [d[name] for name, _ in keys])
        return Found(ordered, self._client)

    def limit(self, most: int) -> Found:
        return Found(self._documents[:most], self._client)

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        await self._client.answer()
        for document in self._documents:
            yield document


class Collections(dict[str, Documents]):
    """Collections by their names."""

    def __init__(self, client: Client, **collections: Documents) -> None:
        super().__init__(collections)
        self.client = client
