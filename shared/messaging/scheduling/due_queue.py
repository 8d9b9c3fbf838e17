"""What is to be done by the clock in one collection, by a date in one of its fields."""

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
"""How the index is called, over those that have a date there, by which it is found."""


class DueQueue:
    """Finds what is due, and puts off what cannot be done."""

    def __init__(self, ledger: Ledger, collection: str, field: str, index: str = INDEX) -> None:
        self._ledger = ledger
        self._collection = ledger.database[collection]
        self._snoozed = ledger.database["put_off"]
        self._field = field
        self._index = index

    def due(self, now: datetime, limit: int) -> AsyncIterable[Document]:
        """Give at most so many that are due by an instant (UTC), the longest due first."""
        found = self._collection.find(mongo.due(self._field, now), hint=self._index)
        return found.sort([(self._field, ASCENDING)]).limit(limit)

    async def first(self, now: datetime) -> str | None:
        """Return the id of what is longest due; nothing else of it is looked at."""
        found: Document | None = await self._collection.find_one(
            mongo.due(self._field, now),
            {"_id": 1},
            sort=[(self._field, ASCENDING)],
            hint=self._index,
        )
        return None if found is None else str(found["_id"])

    async def snooze(self, id_: str, now: datetime, until: datetime, fence: Fence) -> bool:
        """Put off what is due by `now`, whatever it is; False where it is not due any more.

        Raises LeaseLost, HistoryChanged, Stale and the driver's errors.
        """
        cause = CommitContext("clock", "sweeper", fence=fence)
        async with self._ledger.commit(cause, Effects()) as session:
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
        """Return how many stand put off at an instant (UTC)."""
        return await self._snoozed.count_documents({"until": {"$gt": now}})
