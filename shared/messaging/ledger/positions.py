"""Where each consumer stands, kept with the effects of what it read."""

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
"""The group name under which is stored how far our own topics hold what a database knows."""


def position_id(group: str, topic: str, partition: int) -> str:
    """The id of a stored position."""
    return f"{group}|{topic}|{partition}"


@dataclass(frozen=True, slots=True, order=True)
class TopicPosition:
    """How far a topic holds what a database knows; a topic that was made anew begins an era."""

    era: int
    next: int  # the offset behind the last that is known


NOWHERE = TopicPosition(0, 0)


class Positions:
    """The next offset to read of each (group, topic, partition)."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._collection = database["positions"]

    async def read(
        self, group: str, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], int]:
        """Return the next offsets of those partitions that have one.

        Whatever was acknowledged before is seen, also on a primary that was just elected.
        """
        wanted = {position_id(group, *partition): partition for partition in partitions}
        async with mongo.causal(self._client) as session:
            found = self._collection.find({"_id": {"$in": list(wanted)}}, session=session)
            return {wanted[entry["_id"]]: entry["next"] async for entry in found}

    async def move(self, moves: Iterable[OffsetAdvance], session: ClientSession) -> None:
        """Step forward in a transaction. Raises PositionMoved where somebody else did before."""
        steps: dict[str, OffsetAdvance] = {}
        for move in moves:
            key = position_id(move.group, move.topic, move.partition)
            if move.expected is None:
                await self._begin(key, move, session)
            else:
                steps[key] = move
        if steps:
            await self._step(steps, session)

    async def reached(self, group: str) -> dict[TopicPartition, TopicPosition]:
        """Return how far something has come, in every partition that it has come to."""
        prefix = f"{group}|"
        wanted = {"_id": {"$gte": prefix, "$lt": f"{group}}}"}}  # what follows | in ASCII
        async with mongo.causal(self._client) as session:
            found = self._collection.find(wanted, session=session)
            return {
                _partition(entry["_id"].removeprefix(prefix)): position_from(entry)
                async for entry in found
            }

    async def reach(
        self,
        group: str,
        reached: Mapping[TopicPartition, TopicPosition],
        session: ClientSession | None = None,
    ) -> None:
        """Note how far something has come; nothing goes back by it but with a new era."""
        updates = []
        for partition, now in reached.items():
            change = (
                {"$max": {"next": now.next}}
                if now.era == 0
                else {"$max": {"era": now.era}, "$set": {"next": now.next}}
            )
            updates.append(UpdateOne({"_id": position_id(group, *partition)}, change, upsert=True))
        if updates:
            await self._collection.bulk_write(updates, ordered=False, session=session)

    async def _step(self, steps: Mapping[str, OffsetAdvance], session: ClientSession) -> None:
        updates = [
            UpdateOne({"_id": key, "next": move.expected}, {"$set": {"next": move.next}})
            for key, move in steps.items()
        ]
        result = await self._collection.bulk_write(updates, ordered=False, session=session)
        if result.matched_count < len(updates):
            stood = ", ".join(f"{key} at {move.expected}" for key, move in steps.items())
            raise PositionMoved(f"not all stand where they stood: {stood}")

    async def _begin(self, key: str, move: OffsetAdvance, session: ClientSession) -> None:
        try:
            await self._collection.insert_one({"_id": key, "next": move.next}, session=session)
        except DuplicateKeyError as error:
            raise PositionMoved(f"{key} has begun already") from error


def position_from(entry: Mapping[str, int]) -> TopicPosition:
    """How far a stored position is; one of a consumer is of one era, always."""
    return TopicPosition(entry.get("era", 0), entry["next"])


def _partition(rest: str) -> TopicPartition:
    topic, _, number = rest.rpartition("|")
    return TopicPartition(topic, int(number))
