"""Where each consumer stands, kept with the effects of what it read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from shared.messaging.failures import PositionMoved
from shared.messaging.records import Move
from shared.runtime.mongo import Database, Session


def position_id(group: str, topic: str, partition: int) -> str:
    """The id of a stored position."""
    return f"{group}|{topic}|{partition}"


class Positions:
    """The next offset to read of each (group, topic, partition)."""

    def __init__(self, database: Database) -> None:
        self._collection = database["positions"]

    async def read(
        self, group: str, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], int]:
        """Return the next offsets of those partitions that have one."""
        wanted = {position_id(group, *partition): partition for partition in partitions}
        found = self._collection.find({"_id": {"$in": list(wanted)}})
        return {wanted[entry["_id"]]: entry["next"] async for entry in found}

    async def move(self, moves: Iterable[Move], session: Session) -> None:
        """Step forward in a transaction. Raises PositionMoved where somebody else did before."""
        steps: dict[str, Move] = {}
        for move in moves:
            key = position_id(move.group, move.topic, move.partition)
            if move.expected is None:
                await self._begin(key, move, session)
            else:
                steps[key] = move
        if steps:
            await self._step(steps, session)

    async def reach(self, nexts: Mapping[str, int], session: Session) -> None:
        """Note in a transaction how far something has come, by ids; nothing goes back by it."""
        await self._collection.bulk_write(
            [
                UpdateOne({"_id": key}, {"$max": {"next": next_}}, upsert=True)
                for key, next_ in nexts.items()
            ],
            ordered=False,
            session=session,
        )

    async def _step(self, steps: Mapping[str, Move], session: Session) -> None:
        updates = [
            UpdateOne({"_id": key, "next": move.expected}, {"$set": {"next": move.next}})
            for key, move in steps.items()
        ]
        result = await self._collection.bulk_write(updates, ordered=False, session=session)
        if result.matched_count < len(updates):
            stood = ", ".join(f"{key} at {move.expected}" for key, move in steps.items())
            raise PositionMoved(f"not all stand where they stood: {stood}")

    async def _begin(self, key: str, move: Move, session: Session) -> None:
        try:
            await self._collection.insert_one({"_id": key, "next": move.next}, session=session)
        except DuplicateKeyError as error:
            raise PositionMoved(f"{key} has begun already") from error
