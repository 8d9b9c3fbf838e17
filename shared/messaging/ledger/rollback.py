"""Notices if a database was restored from an older copy while the process runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.messaging.core.errors import HistoryChanged
from shared.messaging.ledger.positions import NOWHERE, TopicPosition, position_from
from shared.runtime import mongo
from shared.runtime.mongo import Database


class RollbackDetector:
    """Notices that a database went back in time while this process ran.

    It knows how far each position was, and the latest commit record: of other processes as of its
    last check, of this one at once. What a majority acknowledged goes back only if a copy is
    restored. A primary that was just elected may not know yet that a majority holds it; a check
    waits until it does.
    """

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._positions = database["positions"]
        self._commits = database["commits"]
        self._name = database.name
        self._seen: dict[str, TopicPosition] = {}
        self._latest: Any = None  # id of the latest commit record that this process wrote
        self._changed: HistoryChanged | None = None
        self._suspicions = self._cleared = 0

    def suspect(self) -> None:
        """Note that the server was away: it may come back with another history."""
        self._suspicions += 1

    def note_positions(self, positions: Mapping[str, TopicPosition]) -> None:
        """Note how far this process has moved positions, by their ids."""
        for key, now in positions.items():
            self._seen[key] = max(now, self._seen.get(key, now))

    def note_commit(self, commit: Any) -> None:
        """Note the id of a commit record that this process wrote."""
        self._latest = commit

    def report(self, changed: HistoryChanged) -> None:
        """Note that another part of this process found it: each later check raises it."""
        self._changed = changed

    async def check_if_suspected(self) -> None:
        """Check before a write, if the server was away since the last time. Raises as `check`."""
        suspicions = self._suspicions
        if self._changed is not None or suspicions != self._cleared:
            await self.check()
            self._cleared = suspicions

    async def check(self) -> None:
        """Compare the database with what was seen before.

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
            if latest is not None and not await self._exists(latest, session):
                raise HistoryChanged(f"{self._name} was restored: what was committed is not there")
        self.note_positions(now)

    async def _exists(self, commit: Any, session: mongo.ClientSession) -> bool:
        found = await self._commits.find_one({"_id": commit}, {"_id": 1}, session=session)
        return found is not None
