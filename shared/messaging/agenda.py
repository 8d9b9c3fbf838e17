"""What is to be done by the clock in one collection, by a date in one of its fields."""

from __future__ import annotations

from collections.abc import AsyncIterable
from datetime import datetime
from typing import Final

from pymongo import ASCENDING

from shared.messaging.leases import Leases
from shared.messaging.records import Fence
from shared.runtime import mongo
from shared.runtime.mongo import Database, Document

INDEX: Final = "due"
"""The name of the index, over those that have a date there, by which it is found."""


class Agenda:
    """Finds what is due, and puts off what cannot be done."""

    def __init__(self, database: Database, collection: str, field: str) -> None:
        self._client = database.client
        self._collection = database[collection]
        self._field = field
        self._leases = Leases(database)
        self._order = [(field, ASCENDING)]

    def due(self, now: datetime, limit: int) -> AsyncIterable[Document]:
        """Give at most so many that are due by an instant (UTC), the longest due first."""
        found = self._collection.find(mongo.due(self._field, now), hint=INDEX)
        return found.sort(self._order).limit(limit)

    async def put_off(self, now: datetime, until: datetime, fence: Fence) -> str | None:
        """Put off the one that is longest due by `now`; return its id, None where nothing is due.

        Nothing else of it is looked at, so that it may be whatever it is. Raises LeaseLost and the
        driver's errors.
        """
        async with mongo.transaction(self._client) as session:
            await self._leases.touch(fence, session)
            found: Document | None = await self._collection.find_one_and_update(
                mongo.due(self._field, now),
                {"$set": {self._field: until}},
                projection={"_id": 1},
                sort=self._order,
                hint=INDEX,
                session=session,
            )
        return None if found is None else str(found["_id"])
