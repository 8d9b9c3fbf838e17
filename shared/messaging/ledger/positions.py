"""The offsets of consumers, stored together with the effects of what they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from shared.messaging.core.errors import PositionMoved
from shared.messaging.core.model import OffsetAdvance
from shared.runtime import mongo
from shared.runtime.mongo import ClientSession, Database

PUBLISHED: Final = "published"
"""The group name under which a relay stores how far it has published to its own topics."""


def position_id(group: str, topic: str, partition: int) -> str:
    """The id of a stored position."""
    return f"{group}|{topic}|{partition}"


@dataclass(frozen=True, slots=True, order=True)
class TopicPosition:
    """How far a partition holds what a database knows; a topic created again begins an era."""

    era: int
    next: int  # the offset after the last known one


NOWHERE = TopicPosition(0, 0)


class Positions:
    """The next offset to read of each (group, topic, partition)."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._collection = database["positions"]

    async def read(
        self, group: str, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], int]:
        """Return the next offsets of the partitions that have one.

        It sees all that was acknowledged before, also on a primary that was just elected.
        """
        by_id = {position_id(group, *partition): partition for partition in partitions}
        async with mongo.causal(self._client) as session:
            found = self._collection.find({"_id": {"$in": list(by_id)}}, session=session)
            return {by_id[entry["_id"]]: entry["next"] async for entry in found}

    async def advance(self, advances: Iterable[OffsetAdvance], session: ClientSession) -> None:
        """Advance positions in a transaction. Raises PositionMoved if another process did."""
        known: dict[str, OffsetAdvance] = {}
        for advance in advances:
            key = position_id(advance.group, advance.topic, advance.partition)
            if advance.expected is None:
                await self._insert(key, advance, session)
            else:
                known[key] = advance
        if known:
            await self._update(known, session)

    async def read_all(self, group: str) -> dict[TopicPartition, TopicPosition]:
        """Return the positions of a group in all partitions that have one."""
        prefix = f"{group}|"
        query = {"_id": {"$gte": prefix, "$lt": f"{group}}}"}}  # what follows | in ASCII
        async with mongo.causal(self._client) as session:
            found = self._collection.find(query, session=session)
            return {
                _partition(entry["_id"].removeprefix(prefix)): position_from(entry)
                async for entry in found
            }

    async def store_highest(
        self,
        group: str,
        positions: Mapping[TopicPartition, TopicPosition],
        session: ClientSession | None = None,
    ) -> None:
        """Store positions of a group if they are higher, or of a new era."""
        updates = []
        for partition, now in positions.items():
            change = (
                {"$max": {"next": now.next}}
                if now.era == 0
                else {"$max": {"era": now.era}, "$set": {"next": now.next}}
            )
            updates.append(UpdateOne({"_id": position_id(group, *partition)}, change, upsert=True))
        if updates:
            await self._collection.bulk_write(updates, ordered=False, session=session)

    async def _update(self, advances: Mapping[str, OffsetAdvance], session: ClientSession) -> None:
        updates = [
            UpdateOne({"_id": key, "next": advance.expected}, {"$set": {"next": advance.next}})
            for key, advance in advances.items()
        ]
        result = await self._collection.bulk_write(updates, ordered=False, session=session)
        if result.matched_count < len(updates):
            expected = ", ".join(f"{key} at {a.expected}" for key, a in advances.items())
            raise PositionMoved(f"not all positions are as expected: {expected}")

    async def _insert(self, key: str, advance: OffsetAdvance, session: ClientSession) -> None:
        try:
            await self._collection.insert_one({"_id": key, "next": advance.next}, session=session)
        except DuplicateKeyError as error:
            raise PositionMoved(f"{key} has begun already") from error


def position_from(entry: Mapping[str, int]) -> TopicPosition:
    """Return a stored position; that of a consumer is always of era 0."""
    return TopicPosition(entry.get("era", 0), entry["next"])


def _partition(rest: str) -> TopicPartition:
    topic, _, number = rest.rpartition("|")
    return TopicPartition(topic, int(number))
