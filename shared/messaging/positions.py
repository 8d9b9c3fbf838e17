"""Where each consumer stands, kept with the effects of what it read."""

from __future__ import annotations

from collections.abc import Iterable

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
        for move in moves:
            key = position_id(move.group, move.topic, move.partition)
            if move.expected is None:
                await self._begin(key, move, session)
            else:
                result = await self._collection.update_one(
                    {"_id": key, "next": move.expected},
                    {"$set": {"next": move.next}},
                    session=session,
                )
                if result.matched_count == 0:
                    raise PositionMoved(f"{key} is not at {move.expected}")

    async def _begin(self, key: str, move: Move, session: Session) -> None:
        try:
            await self._collection.insert_one({"_id": key, "next": move.next}, session=session)
        except DuplicateKeyError as error:
            raise PositionMoved(f"{key} has begun already") from error
