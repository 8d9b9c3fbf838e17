"""Documents of one collection that come due, by a date in one of their fields."""

from __future__ import annotations

from collections.abc import AsyncIterable
from datetime import datetime
from typing import Final

from pymongo import ASCENDING

from shared.messaging.core.model import CommitContext, Effects, Fence
from shared.messaging.ledger.ledger import Ledger
from shared.runtime import mongo
from shared.runtime.mongo import Document

INDEX: Final = "due"
"""The default name of the partial index over the documents that have such a date."""


class DueQueue:
    """Finds due documents, and puts off those that fail."""

    def __init__(self, ledger: Ledger, collection: str, field: str, index: str = INDEX) -> None:
        self._ledger = ledger
        self._collection = ledger.database[collection]
        self._snoozed = ledger.database["put_off"]
        self._field = field
        self._index = index

    def due(self, now: datetime, limit: int) -> AsyncIterable[Document]:
        """Return at most `limit` documents due at `now` (UTC), the longest due first."""
        found = self._collection.find(mongo.due(self._field, now), hint=self._index)
        return found.sort([(self._field, ASCENDING)]).limit(limit)

    async def first(self, now: datetime) -> str | None:
        """Return the id of the document that is longest due at `now` (UTC), if there is one."""
        found: Document | None = await self._collection.find_one(
            mongo.due(self._field, now),
            {"_id": 1},
            sort=[(self._field, ASCENDING)],
            hint=self._index,
        )
        return None if found is None else str(found["_id"])

    async def snooze(self, id_: str, now: datetime, until: datetime, fence: Fence) -> bool:
        """Put off a document that is due at `now`; return False if it is not due any more.

        `until`: when it is due again (UTC).
        Raises LeaseLost, HistoryChanged, Stale and the driver's errors.
        """
        context = CommitContext("clock", "sweeper", fence=fence)
        async with self._ledger.commit(context, Effects()) as session:
            moved = await self._collection.update_one(
                {"_id": id_, **mongo.due(self._field, now)},
                {"$set": {self._field: until}},
                session=session,
            )
            if moved.matched_count:
                entry = {"_id": id_, "until": until}
                await self._snoozed.replace_one({"_id": id_}, entry, upsert=True, session=session)
            await self._snoozed.delete_many({"until": {"$lte": now}}, session=session)
        return bool(moved.matched_count)

    async def snoozed(self, now: datetime) -> int:
        """Return how many documents are put off at `now` (UTC)."""
        return await self._snoozed.count_documents({"until": {"$gt": now}})
