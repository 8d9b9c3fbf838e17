"""A majority may lag behind its primary: majority reads then see old data."""

from __future__ import annotations

from typing import Final

from shared.runtime.mongo import Database, causal

_LONGEST_MS: Final = 5_000


async def catch_up(database: Database) -> None:
    """Wait until a majority has all that the primary holds now.

    A read afterwards sees at least what has just conflicted with a write. Raises the driver's
    errors: ExecutionTimeout, which is transient, if it takes longer than five seconds.
    """
    async with causal(database.client) as session:
        await database["positions"].find_one(
            {"_id": ""}, {"_id": 1}, session=session, max_time_ms=_LONGEST_MS
        )
