"""Replies to requests with a key, stored for a day together with the effects of the requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from bson import Binary
from pymongo import ASCENDING, IndexModel, ReplaceOne
from pymongo.errors import PyMongoError

from shared.messaging.core.classification import conflict_in
from shared.messaging.core.errors import AlreadyExists
from shared.runtime.clocks import MachineClock
from shared.runtime.idempotent_replies import AlreadyReplied, BeingReplied, Keyed, Reply
from shared.runtime.mongo import ClientSession, Database, Document, ensure_indexes

KEPT: Final = timedelta(days=1)
_SPARE: Final = timedelta(hours=1)  # MongoDB expires by its own clock; ours decides what counts

_INDEXES: Final = (
    IndexModel(
        [("at", ASCENDING)],
        name="expiry",
        expireAfterSeconds=int((KEPT + _SPARE).total_seconds()),
    ),
    IndexModel(
        [("about", ASCENDING)],
        name="about",
        partialFilterExpression={"about": {"$type": "string"}},
    ),
)


class MongoReplies:
    """The replies of one database; implements `shared.runtime.idempotent_replies.Replies`."""

    def __init__(self, database: Database, clock: MachineClock) -> None:
        self._collection = database["replies"]
        self._clock = clock

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        await ensure_indexes(self._collection, _INDEXES)

    async def find(self, id_: str) -> Reply | None:
        """Return the reply to a request of the last day. Raises the driver's errors."""
        found = await self._collection.find_one({"_id": id_, **self._valid()})
        return None if found is None else _loaded(found)

    async def about(self, what: str) -> Sequence[Reply]:
        """Return the replies about something, in no order. Raises the driver's errors."""
        found = self._collection.find({"about": what, **self._valid()})
        return [_loaded(document) async for document in found]

    async def add(self, reply: Reply, session: ClientSession | None = None) -> None:
        """Store a reply, in the transaction of its request.

        Raises AlreadyReplied, BeingReplied and the driver's other errors.
        """
        now = self._clock.now()
        expired = {"_id": reply.keyed.id, "at": {"$lte": now - KEPT}}
        document = {
            "at": now,
            "about": reply.about,
            "fingerprint": reply.keyed.fingerprint,
            "status": reply.status,
            "headers": [list(header) for header in reply.headers],
            "body": Binary(reply.body),
        }
        try:
            await self._collection.replace_one(expired, document, upsert=True, session=session)
        except PyMongoError as error:
            match conflict_in(error):
                case None:
                    raise
                case AlreadyExists():
                    raise AlreadyReplied(reply.keyed.id) from error
                case _:
                    raise BeingReplied(reply.keyed.id) from error

    async def hand_over(
        self, about: Collection[str], taker: MongoReplies, session: ClientSession
    ) -> None:
        """Move the replies about these to another database, in the transaction that moves them."""
        query = {"about": {"$in": list(about)}}
        found = [d async for d in self._collection.find(query, session=session)]
        if found:
            moved = [ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in found]
            await taker._collection.bulk_write(moved, ordered=False, session=session)
            await self._collection.delete_many(query, session=session)

    def _valid(self) -> Document:
        return {"at": {"$gt": self._clock.now() - KEPT}}


def _loaded(document: Mapping[str, Any]) -> Reply:
    return Reply(
        Keyed(document["_id"], document["fingerprint"]),
        document["status"],
        tuple((name, value) for name, value in document["headers"]),
        bytes(document["body"]),
        document["about"],
    )
