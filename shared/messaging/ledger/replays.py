"""What became of each dead letter that came back, kept with its effect for whoever replayed it."""

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
    """An answer, by whom and when it was given."""

    answer: ReplayOutcome
    group: str
    at: datetime  # machine time, UTC


class Replays:
    """The answers of one database; the first of a replay stays."""

    def __init__(self, database: Database) -> None:
        self._collection = database["replays"]

    async def prepare(self) -> None:
        """Create the index that lets entries go after their time. Safe to repeat."""
        expiry = IndexModel(
            [("at", ASCENDING)], name="expiry", expireAfterSeconds=_KEPT_DAYS * 86_400
        )
        await ensure_indexes(self._collection, [expiry])

    async def note(
        self, answers: Iterable[ReplayOutcome], group: str, at: datetime, session: ClientSession
    ) -> None:
        """Note answers in the transaction that brings their effect about."""
        for answer in answers:
            refusal = answer.refusal
            await self._collection.update_one(
                {"_id": answer.replay_id},
                {
                    "$setOnInsert": {
                        "group": group,
                        "at": at,
                        "outcome": answer.outcome.value,
                        "reason": refusal.reason if refusal else None,
                        "detail": refusal.detail if refusal else None,
                    }
                },
                upsert=True,
                session=session,
            )

    async def find(self, replay_id: str) -> StoredOutcome | None:
        """Return what became of a replay; None while nothing did."""
        found = await self._collection.find_one({"_id": replay_id})
        if found is None:
            return None
        refusal = None if found["reason"] is None else Refusal(found["reason"], found["detail"])
        answer = ReplayOutcome(replay_id, Outcome(found["outcome"]), refusal)
        return StoredOutcome(answer, found["group"], found["at"])
