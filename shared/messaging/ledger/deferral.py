"""Messages that arrive before the aggregate they refer to: stored until it comes, or too long."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pymongo import ASCENDING, IndexModel
from pymongo.errors import OperationFailure

from shared.messaging.core.errors import PositionMoved
from shared.messaging.core.model import Deferred
from shared.runtime.mongo import ClientSession, Database, Document, causal, ensure_indexes

_ORDER: Final = [
    ("group", ASCENDING),
    ("topic", ASCENDING),
    ("partition", ASCENDING),
    ("offset", ASCENDING),
]
_INDEXES: Final = (
    IndexModel(_ORDER, name="place"),
    IndexModel([("about", ASCENDING)], name="about"),
)
_FORMER_INDEX: Final = "order"  # by the time of storing; nothing uses it any more
_NOT_FOUND: Final = frozenset({26, 27})  # NamespaceNotFound, IndexNotFound


@dataclass(frozen=True, slots=True)
class DeferredRecord:
    """A record as it came from Kafka (implements `model.Record`)."""

    topic: str
    partition: int
    offset: int
    timestamp: int  # Unix milliseconds, as Kafka dated it
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class DeferralLimit:
    """How long a message may wait, and how many may wait at once in one database.

    Any more are refused at once, so that a flood of them still pauses its topic.
    """

    longest: timedelta = timedelta(days=1)
    most: int = 1_000


class DeferredMessages:
    """The messages that wait in one database."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._collection = database["deferred"]

    async def prepare(self) -> None:
        """Create the indexes, and drop that of a former version. Safe to repeat."""
        await ensure_indexes(self._collection, _INDEXES)
        try:
            await self._collection.drop_index(_FORMER_INDEX)
        except OperationFailure as error:
            if error.code not in _NOT_FOUND:
                raise

    async def room(self, limit: DeferralLimit) -> int:
        """Return how many more messages may wait."""
        if not limit.longest:
            return 0
        return max(0, limit.most - await self._collection.estimated_document_count())

    async def known(self, ids: Collection[str]) -> Collection[str]:
        """Return which of the inbox ids wait; sees all that was acknowledged before."""
        if not ids:
            return ()
        query = {"_id": {"$in": list(ids)}}
        async with causal(self._client) as session:
            found = self._collection.find(query, {"_id": 1}, session=session)
            return {document["_id"] async for document in found}

    async def about(self, ids: Collection[str]) -> Collection[str]:
        """Return which of the aggregates' ids a message waits for.

        No conflict would stop a decision that missed one. So this sees all that was acknowledged
        before, also on a primary that was just elected.
        """
        if not ids:
            return ()
        query = {"about": {"$in": list(ids)}}
        async with causal(self._client) as session:
            found = self._collection.find(query, {"_id": 0, "about": 1}, session=session)
            return {document["about"] async for document in found}

    async def of(self, group: str, limit: int) -> Sequence[Deferred]:
        """Return at most `limit` messages of a group, each partition's in the order of its offsets.

        Not in the order of time: clocks of two processes differ, and one may be set back.
        """
        found = self._collection.find({"group": group}).sort(_ORDER).limit(limit)
        return [_loaded(document) async for document in found]

    async def keep(self, messages: Iterable[Deferred], session: ClientSession) -> None:
        """Store messages, in the transaction that passes their position.

        Raises the driver's duplicate key error if one waits already.
        """
        documents = [stored(message) for message in messages]
        if documents:
            await self._collection.insert_many(documents, session=session)

    async def end(self, ids: Collection[str], session: ClientSession) -> None:
        """Remove messages, in the transaction that applies or refuses them.

        Raises PositionMoved if another process was faster.
        """
        if not ids:
            return
        ended = await self._collection.delete_many({"_id": {"$in": list(ids)}}, session=session)
        if ended.deleted_count < len(ids):
            raise PositionMoved("what waited was taken by another process")


def stored(message: Deferred) -> Document:
    """Return a message as the collection stores it."""
    record = message.record
    return {
        "_id": message.id,
        "group": message.group,
        "about": message.about,
        "at": message.at,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": record.key,
        "value": record.value,
        "headers": [[name, raw] for name, raw in record.headers],
    }


def _loaded(document: Document) -> Deferred:
    record: dict[str, Any] = {
        name: document[name]
        for name in ("topic", "partition", "offset", "timestamp", "key", "value")
    }
    headers = [(name, raw) for name, raw in document["headers"]]
    return Deferred(
        id=document["_id"],
        group=document["group"],
        about=document["about"],
        at=document["at"],
        record=DeferredRecord(**record, headers=headers),
    )
