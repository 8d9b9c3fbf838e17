"""What came before what it is about: kept whole until that comes, or its time is over."""

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
_FORMER_INDEX: Final = "order"  # by the clocks of those who let it wait; nothing reads it any more
_NOT_THERE: Final = frozenset({26, 27})  # NamespaceNotFound, IndexNotFound


@dataclass(frozen=True, slots=True)
class DeferredRecord:
    """A record as it came from Kafka (a `records.Record`)."""

    topic: str
    partition: int
    offset: int
    timestamp: int  # Unix milliseconds, as Kafka dated it
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class DeferralLimit:
    """How long a message may wait, and how many may at a time in one database.

    What comes beyond is refused at once, so that a flood stops the subscription as ever.
    """

    longest: timedelta = timedelta(days=1)
    most: int = 1_000


class DeferredMessages:
    """The messages that wait in one database."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._collection = database["deferred"]

    async def prepare(self) -> None:
        """Create the indexes, and drop what a former version had. Safe to repeat."""
        await ensure_indexes(self._collection, _INDEXES)
        try:
            await self._collection.drop_index(_FORMER_INDEX)
        except OperationFailure as error:
            if error.code not in _NOT_THERE:
                raise

    async def room(self, limit: DeferralLimit) -> int:
        """Return how many more may wait."""
        if not limit.longest:
            return 0
        return max(0, limit.most - await self._collection.estimated_document_count())

    async def known(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the inbox ids that wait, as of all that was acknowledged before."""
        if not ids:
            return ()
        wanted = {"_id": {"$in": list(ids)}}
        async with causal(self._client) as session:
            found = self._collection.find(wanted, {"_id": 1}, session=session)
            return {document["_id"] async for document in found}

    async def about(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the aggregates' ids that something waits for.

        Nothing would stand in the way of whoever missed one, so whatever was acknowledged before
        is seen, also on a primary that was just elected.
        """
        if not ids:
            return ()
        wanted = {"about": {"$in": list(ids)}}
        async with causal(self._client) as session:
            found = self._collection.find(wanted, {"_id": 0, "about": 1}, session=session)
            return {document["about"] async for document in found}

    async def of(self, group: str, limit: int) -> Sequence[Deferred]:
        """Return at most so many that wait in a group, each partition's in the order of its log.

        Clocks have no say in it: two processes, or one that was set, tell different times.
        """
        found = self._collection.find({"group": group}).sort(_ORDER).limit(limit)
        return [_loaded(document) async for document in found]

    async def keep(self, messages: Iterable[Deferred], session: ClientSession) -> None:
        """Let them wait, in the transaction that passes their position.

        Raises the driver's duplicate key error where one waits already.
        """
        documents = [stored(message) for message in messages]
        if documents:
            await self._collection.insert_many(documents, session=session)

    async def end(self, ids: Collection[str], session: ClientSession) -> None:
        """Let them wait no longer, in the transaction of what became of them.

        Raises PositionMoved where another process was faster.
        """
        if not ids:
            return
        ended = await self._collection.delete_many({"_id": {"$in": list(ids)}}, session=session)
        if ended.deleted_count < len(ids):
            raise PositionMoved("what waited was taken by another process")


def stored(message: Deferred) -> Document:
    """A message as it stands in the collection."""
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
