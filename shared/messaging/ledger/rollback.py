"""A database may come back as an older copy of itself while a process runs; this notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.messaging.core.errors import HistoryChanged
from shared.messaging.ledger.positions import NOWHERE, TopicPosition, position_from
from shared.runtime import mongo
from shared.runtime.mongo import Database


class RollbackDetector:
    """Notices that a database went back in time while this process ran.

    It knows what others wrote as of its latest look, and what this process wrote at once: how far
    each position came, and the latest commit record. Nothing that was acknowledged by a majority
    goes back but by a restored copy. A primary that was just elected may not know yet that a
    majority holds it; a look waits until it does.
    """

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._positions = database["positions"]
        self._commits = database["commits"]
        self._name = database.name
        self._seen: dict[str, TopicPosition] = {}
        self._latest: Any = None  # id of the latest commit record that this process wrote
        self._changed: HistoryChanged | None = None
        self._doubts = self._dispelled = 0

    def doubt(self) -> None:
        """Note that the server was away: what comes back may be another history."""
        self._doubts += 1

    def moved(self, positions: Mapping[str, TopicPosition]) -> None:
        """Note how far this process has moved positions, by their ids."""
        for key, now in positions.items():
            self._seen[key] = max(now, self._seen.get(key, now))

    def wrote(self, commit: Any) -> None:
        """Note the id of a commit record that this process wrote."""
        self._latest = commit

    def tell(self, changed: HistoryChanged) -> None:
        """Let whoever looks next hear what somebody else of this process found."""
        self._changed = changed

    async def sure(self) -> None:
        """Look where there is a doubt, before anything is written. Raises HistoryChanged."""
        doubts = self._doubts
        if self._changed is not None or doubts != self._dispelled:
            await self.look()
            self._dispelled = doubts

    async def look(self) -> None:
        """Compare what there is with what was seen before.

        Raises HistoryChanged and the driver's errors.
        """
        if self._changed is not None:
            raise self._changed
        before, latest = dict(self._seen), self._latest
        async with mongo.causal(self._client) as session:
            found = self._positions.find(session=session)
            now = {entry["_id"]: position_from(entry) async for entry in found}
            back = [key for key, seen in before.items() if now.get(key, NOWHERE) < seen]
            if back:
                raise HistoryChanged(f"{self._name} was restored: {back[0]} went back")
            if latest is not None and not await self._is_there(latest, session):
                raise HistoryChanged(f"{self._name} was restored: what was committed is not there")
        self.moved(now)

    async def _is_there(self, commit: Any, session: mongo.ClientSession) -> bool:
        found = await self._commits.find_one({"_id": commit}, {"_id": 1}, session=session)
        return found is not None
