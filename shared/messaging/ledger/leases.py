"""Leases: one active relay and one active sweeper a database, by MongoDB's own clock."""

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
    """A right that one process holds at a time, numbered so that a sleeper is found out.

    It lasts `seconds` from the last touch, counted by the MongoDB server. A transaction that
    touches it (`Leases.touch`) commits only while the number is still the one it was taken under.
    """

    def __init__(self, database: Database, name: str, holder: str, seconds: float) -> None:
        self._collection = database["leases"]
        self._millis = int(seconds * 1000)
        self._fence = Fence(name, holder, 0)
        self._held = False
        self._sure_until = 0.0  # by the event loop's clock
        self.turn = asyncio.Lock()
        """Taken around renewing and around each fenced transaction: two writes of one process
        on the same document would only make each other fail."""

    @property
    def name(self) -> str:
        return self._fence.lease

    @property
    def full_name(self) -> str:
        """Its name among those of all databases, for metrics and logs."""
        return f"{self._collection.database.name}/{self.name}"

    @property
    def held(self) -> bool:
        """What this process believes; only a fenced transaction knows."""
        return self._held

    @property
    def is_sure(self) -> bool:
        """Whether nobody else can hold it now: it was ours when last asked for, and lasts still.

        What cannot be taken back and needs no transaction, such as a mail, asks for this.
        """
        return self._held and asyncio.get_running_loop().time() < self._sure_until

    @property
    def fence(self) -> Fence:
        return self._fence

    async def acquire(self) -> bool:
        """Take the lease where it is free, run out, or ours; True where it is now ours.

        A new holder gets a new number; renewing keeps it. Raises the driver's errors.
        """
        return await self._take({"$or": [self._ours, {"$lte": ["$until", "$$NOW"]}]})

    async def renew(self) -> bool:
        """Keep the lease where it is ours still; True where it is. Raises the driver's errors.

        One that was another's meanwhile is not taken: what this process has in hand was begun
        under the number that it knows.
        """
        return await self._take(self._ours)

    @property
    def _ours(self) -> Document:
        me = self._fence
        return {"$and": [{"$eq": ["$holder", me.holder]}, {"$eq": ["$number", me.number]}]}

    async def _take(self, where: Document) -> bool:
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
        async with self.turn:
            await self._ensure()
            asked = asyncio.get_running_loop().time()
            entry = await self._collection.find_one_and_update(
                {"_id": me.lease, "$expr": where}, taking, return_document=ReturnDocument.AFTER
            )
        self._held = entry is not None
        self._sure_until = asked + self._millis / 1_000
        if entry is not None:
            self._fence = replace(me, number=entry["number"])
        return self._held

    async def _ensure(self) -> None:
        # An upsert may not filter by an expression, so the entry has to be there first.
        if self._fence.number == 0:
            entry = {"_id": self.name, "number": 0, "until": _LONG_AGO}
            with suppress(DuplicateKeyError):
                await self._collection.insert_one(entry)

    async def release(self) -> None:
        """Give it back at once, so that the next holder need not wait for its end."""
        me, self._held = self._fence, False
        async with self.turn:
            await self._collection.update_one(
                {"_id": me.lease, "holder": me.holder, "number": me.number},
                [{"$set": {"until": "$$NOW"}}],
            )

    def lost(self) -> None:
        """Note that a fenced transaction was refused."""
        self._held = False

    @asynccontextmanager
    async def fenced(self) -> AsyncIterator[Fence]:
        """Run one fenced transaction: nobody of this process touches the lease meanwhile.

        Notes the loss and lets LeaseLost through.
        """
        async with self.turn:
            try:
                yield self._fence
            except LeaseLost:
                self.lost()
                raise


class Leases:
    """What a transaction needs to know of leases."""

    def __init__(self, database: Database) -> None:
        self._collection = database["leases"]

    async def touch(self, fence: Fence, session: ClientSession) -> None:
        """Commit only while `fence` is the current one, and renew it. Raises LeaseLost."""
        result = await self._collection.update_one(
            {"_id": fence.lease, "holder": fence.holder, "number": fence.number},
            [{"$set": {"until": {"$add": ["$$NOW", "$millis"]}}}],
            session=session,
        )
        if result.matched_count == 0:
            raise LeaseLost(f"{fence.lease}: number {fence.number} of {fence.holder} is over")
