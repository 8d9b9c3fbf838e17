"""The inbox: ids of applied events, if their content does not show that they came before."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, IndexModel

from shared.runtime.mongo import ClientSession, Database, causal, ensure_indexes

_KEPT_DAYS: Final = 400
"""Longer than a season and its follow-up: as long as replays may come."""


class Inbox:
    """`ce_source` and `ce_id` of applied events (CloudEvents 1.0: together they are unique)."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._collection = database["inbox"]

    async def prepare(self) -> None:
        """Create the index that expires old entries. Safe to repeat."""
        expiry = IndexModel(
            [("at", ASCENDING)], name="expiry", expireAfterSeconds=_KEPT_DAYS * 86_400
        )
        await ensure_indexes(self._collection, [expiry])

    async def seen(self, ids: Collection[str]) -> set[str]:
        """Return which of the ids were applied before.

        Read this after the state. It sees all that the state showed, also if another primary was
        elected meanwhile: else an event would be refused because of its own effect.
        """
        if not ids:
            return set()
        async with causal(self._client) as session:
            found = self._collection.find({"_id": {"$in": list(ids)}}, {"_id": 1}, session=session)
            return {entry["_id"] async for entry in found}

    async def add(self, ids: Iterable[str], at: datetime, session: ClientSession) -> None:
        """Store ids in the transaction that applies them (`at`: machine time, UTC).

        Raises the driver's duplicate key error if another transaction was faster.
        """
        entries = [{"_id": id_, "at": at} for id_ in ids]
        if entries:
            await self._collection.insert_many(entries, session=session)
