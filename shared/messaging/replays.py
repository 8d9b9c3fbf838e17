"""What became of each dead letter that came back, kept with its effect for whoever replayed it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, IndexModel

from shared.messaging.records import Answer, Outcome, Refusal
from shared.runtime.mongo import Database, Session, ensure_indexes

_KEPT_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, by whom and when it was given."""

    answer: Answer
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
        self, answers: Iterable[Answer], group: str, at: datetime, session: Session
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

    async def find(self, replay_id: str) -> Answered | None:
        """Return what became of a replay; None while nothing did."""
        found = await self._collection.find_one({"_id": replay_id})
        if found is None:
            return None
        refusal = None if found["reason"] is None else Refusal(found["reason"], found["detail"])
        answer = Answer(replay_id, Outcome(found["outcome"]), refusal)
        return Answered(answer, found["group"], found["at"])
