"""Data migrations: each runs once per database, before the service takes messages."""

from __future__ import annotations

from datetime import date
from typing import Final

from pymongo import UpdateOne

from services.followups.domain.scores import tally
from services.followups.store.documents import list_keys, loaded, present
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import RECOVERY, Effects
from shared.messaging.ledger.ledger import Ledger

_COUNTED_SINCE: Final = 4  # the first schema whose documents are counted when they are stored
_KEYED: Final = 1  # the version of the fields for lists
_COUNTED_PER_COMMIT: Final = 500
_KEYED_PER_WRITE: Final = 1_000


async def migrate(ledger: Ledger, deputy: str) -> None:
    """Run the migrations that this database still needs. Safe to repeat."""
    await _count_for_scorecards(ledger, deputy)
    await _add_list_keys(ledger)


async def _count_for_scorecards(ledger: Ledger, deputy: str) -> None:
    """Count what was stored before there were scorecards, as of its latest change."""
    followups, marks = ledger.database["followups"], ledger.database["marks"]
    done = {"_id": "counted", "schema": _COUNTED_SINCE}
    if await marks.find_one(done):
        return
    former = {"schema": {"$lt": _COUNTED_SINCE}}
    while True:
        found = followups.find(former).limit(_COUNTED_PER_COMMIT)
        uncounted = [loaded(document) async for document in found]
        if not uncounted:
            break
        counts = tally(((None, followup) for followup in uncounted), deputy)
        ids = [followup.followup_id for followup in uncounted]
        async with ledger.commit(RECOVERY, Effects((), counts)) as session:
            marked = await followups.update_many(
                {"_id": {"$in": ids}, **former},
                {"$set": {"schema": _COUNTED_SINCE}},
                session=session,
            )
            if marked.matched_count < len(ids):
                raise Stale("another process counts them too")
    await marks.replace_one({"_id": done["_id"]}, done, upsert=True)


async def _add_list_keys(ledger: Ledger) -> None:
    """Add the fields for searching and sorting lists to what was stored without them."""
    followups, marks = ledger.database["followups"], ledger.database["marks"]
    done = {"_id": "keyed", "schema": _KEYED}
    if await marks.find_one(done):
        return
    former = {"$or": [{"executing_body": {"$gt": ""}}, {"claimed_at": {"$type": "date"}}]}
    updates: list[UpdateOne] = []
    async for document in followups.find(former):
        claimed_at, due_on = document.get("claimed_at"), date.fromisoformat(document["due_on"])
        keys = present(list_keys(document.get("executing_body"), claimed_at, due_on))
        # A document that changed in between was stored with the fields.
        as_read = {"_id": document["_id"], "version": document["version"]}
        if keys:
            updates.append(UpdateOne(as_read, {"$set": keys}))
        if len(updates) == _KEYED_PER_WRITE:
            await followups.bulk_write(updates, ordered=False)
            updates.clear()
    if updates:
        await followups.bulk_write(updates, ordered=False)
    await marks.replace_one({"_id": done["_id"]}, done, upsert=True)
