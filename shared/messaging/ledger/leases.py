"""Leases: one active relay and one active sweeper per database, by MongoDB's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.messaging.core.errors import LeaseLost
from shared.messaging.core.model import Fence
from shared.runtime.mongo import ClientSession, Database, Document

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Lease:
    """A lease that one process holds at a time, numbered so that an outdated holder is noticed.

    It lasts `seconds` from the last touch, by the clock of the MongoDB server. A transaction that
    touches it (`Leases.touch`) commits only if the number has not changed since it was acquired.
    """

    def __init__(self, database: Database, name: str, holder: str, seconds: float) -> None:
        self._collection = database["leases"]
        self._millis = int(seconds * 1000)
        self._fence = Fence(name, holder, 0)
        self._held = False
        self._sure_until = 0.0  # by the event loop's clock
        self.lock = asyncio.Lock()
        """Held while renewing and during each fenced transaction: two writes of one process to the
        same document would make each other fail."""

    @property
    def name(self) -> str:
        return self._fence.lease

    @property
    def full_name(self) -> str:
        """Its name with that of the database, for metrics and logs."""
        return f"{self._collection.database.name}/{self.name}"

    @property
    def held(self) -> bool:
        """Whether this process believes to hold it; only a fenced transaction proves it."""
        return self._held

    @property
    def is_sure(self) -> bool:
        """Whether no other process can hold it now: it was ours at the last renewal, and lasts.

        Ask this before an effect without a transaction that cannot be undone, such as a mail.
        """
        return self._held and asyncio.get_running_loop().time() < self._sure_until

    @property
    def fence(self) -> Fence:
        return self._fence

    async def acquire(self) -> bool:
        """Take the lease if it is free, expired or ours; return whether it is ours now.

        A new holder gets a new number, the same one keeps its number. Raises the driver's errors.
        """
        return await self._take({"$or": [self._ours, {"$lte": ["$until", "$$NOW"]}]})

    async def renew(self) -> bool:
        """Extend the lease if it is still ours; return whether it is. Raises the driver's errors.

        One that another process held meanwhile is not taken: the work in progress was begun under
        the former number.
        """
        return await self._take(self._ours)

    @property
    def _ours(self) -> Document:
        me = self._fence
        return {"$and": [{"$eq": ["$holder", me.holder]}, {"$eq": ["$number", me.number]}]}

    async def _take(self, condition: Document) -> bool:
        me = self._fence
        taking = [
            {
                "$set": {
                    "number": {"$cond": [self._ours, "$number", {"$add": ["$number", 1]}]},
                    "holder": me.holder,
                    "millis": self._millis,
                    "until": {"$add": ["$$NOW", self._millis]},
                }
            }
        ]
        async with self.lock:
            await self._ensure()
            asked = asyncio.get_running_loop().time()
            entry = await self._collection.find_one_and_update(
                {"_id": me.lease, "$expr": condition}, taking, return_document=ReturnDocument.AFTER
            )
        self._held = entry is not None
        self._sure_until = asked + self._millis / 1_000
        if entry is not None:
            self._fence = replace(me, number=entry["number"])
        return self._held

    async def _ensure(self) -> None:
        # An upsert cannot filter by an expression, so the entry has to exist first.
        if self._fence.number == 0:
            entry = {"_id": self.name, "number": 0, "until": _LONG_AGO}
            with suppress(DuplicateKeyError):
                await self._collection.insert_one(entry)

    async def release(self) -> None:
        """Release it at once, so that the next holder need not wait for its end."""
        me, self._held = self._fence, False
        async with self.lock:
            await self._collection.update_one(
                {"_id": me.lease, "holder": me.holder, "number": me.number},
                [{"$set": {"until": "$$NOW"}}],
            )

    def lost(self) -> None:
        """Note that it may not be ours any more."""
        self._held = False

    @asynccontextmanager
    async def fenced(self) -> AsyncIterator[Fence]:
        """Surround one fenced transaction: no other task of the process may touch the lease.

        Notes the loss if LeaseLost is raised.
        """
        async with self.lock:
            try:
                yield self._fence
            except LeaseLost:
                self.lost()
                raise


class Leases:
    """The leases of one database, for transactions."""

    def __init__(self, database: Database) -> None:
        self._collection = database["leases"]

    async def touch(self, fence: Fence, session: ClientSession) -> None:
        """Let a transaction commit only if `fence` is current, and extend it. Raises LeaseLost."""
        result = await self._collection.update_one(
            {"_id": fence.lease, "holder": fence.holder, "number": fence.number},
            [{"$set": {"until": {"$add": ["$$NOW", "$millis"]}}}],
            session=session,
        )
        if result.matched_count == 0:
            raise LeaseLost(f"{fence.lease}: number {fence.number} of {fence.holder} is over")
