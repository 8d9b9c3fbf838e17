"""The outcome of each replayed dead letter, stored together with its effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, IndexModel

from shared.messaging.core.model import Outcome, Refusal, ReplayOutcome
from shared.runtime.mongo import ClientSession, Database, ensure_indexes

_KEPT_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """The outcome of a replay, in which group and when."""

    replay: ReplayOutcome
    group: str
    at: datetime  # machine time, UTC


class Replays:
    """The outcomes of one database; the first one of a replay stays."""

    def __init__(self, database: Database) -> None:
        self._collection = database["replays"]

    async def prepare(self) -> None:
        """Create the index that expires old entries. Safe to repeat."""
        expiry = IndexModel(
            [("at", ASCENDING)], name="expiry", expireAfterSeconds=_KEPT_DAYS * 86_400
        )
        await ensure_indexes(self._collection, [expiry])

    async def add(
        self, outcomes: Iterable[ReplayOutcome], group: str, at: datetime, session: ClientSession
    ) -> None:
        """Store outcomes in the transaction of their effects (`at`: machine time, UTC)."""
        for replay in outcomes:
            refusal = replay.refusal
            await self._collection.update_one(
                {"_id": replay.replay_id},
                {
                    "$setOnInsert": {
                        "group": group,
                        "at": at,
                        "outcome": replay.outcome.value,
                        "reason": refusal.reason if refusal else None,
                        "detail": refusal.detail if refusal else None,
                    }
                },
                upsert=True,
                session=session,
            )

    async def find(self, replay_id: str) -> StoredOutcome | None:
        """Return the outcome of a replay; None as long as there is none."""
        found = await self._collection.find_one({"_id": replay_id})
        if found is None:
            return None
        refusal = None if found["reason"] is None else Refusal(found["reason"], found["detail"])
        replay = ReplayOutcome(replay_id, Outcome(found["outcome"]), refusal)
        return StoredOutcome(replay, found["group"], found["at"])
