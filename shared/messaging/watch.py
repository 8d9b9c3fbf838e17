"""A database may come back as an older copy of itself while a process runs; this notices."""

from __future__ import annotations

from shared.runtime.mongo import Database


class HistoryChanged(Exception):
    """The database stands before what this process has seen: it was restored from an older copy.

    What is in memory belongs to another history, so the process ends and is started anew.
    """


class Watch:
    """Notices that a database went back in time while this process ran."""

    def __init__(self, database: Database) -> None:
        self._positions = database["positions"]
        self._name = database.name
        self._seen: dict[str, int] = {}
        self._doubtful = False

    def doubt(self) -> None:
        """Note that the server was away: what comes back may be another history."""
        self._doubtful = True

    async def sure(self) -> None:
        """Look where there is a doubt, before anything is written. Raises HistoryChanged."""
        if self._doubtful:
            await self.look()
            self._doubtful = False

    async def look(self) -> None:
        """Compare all positions with those seen before. Raises HistoryChanged."""
        now = {entry["_id"]: entry["next"] async for entry in self._positions.find()}
        back = [key for key, seen in self._seen.items() if now.get(key, -1) < seen]
        if back:
            raise HistoryChanged(f"{self._name} was restored: {back[0]} went back")
        self._seen = now
