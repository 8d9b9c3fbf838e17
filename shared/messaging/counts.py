"""Counters kept with the state, so that nobody has to count what is stored.

A transaction says by how much it changes them in its commit record; the relay adds that up when it
marks the record, so that transactions don't meet on one document. What is pending still is added
when somebody reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from shared.runtime.mongo import Database, Session

_ONE: Final = {"_id": "counts"}


class Counts:
    """The counters of one database that were added up."""

    def __init__(self, database: Database) -> None:
        self._collection = database["counts"]

    async def add(self, tally: Mapping[str, int], session: Session) -> None:
        """Change them within a transaction. Raises the driver's errors."""
        changes = {f"n.{name}": change for name, change in tally.items() if change}
        if changes:
            await self._collection.update_one(_ONE, {"$inc": changes}, upsert=True, session=session)

    async def read(self, session: Session) -> Counter[str]:
        """Return them as they are in a transaction."""
        entry = await self._collection.find_one(_ONE, session=session) or {}
        return Counter(entry.get("n", {}))
