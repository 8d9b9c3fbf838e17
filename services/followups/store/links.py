"""Links between follow-ups, over the databases of all deputies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from services.followups.domain.records import Followup
from services.followups.handlers import Ahead
from services.followups.store.documents import loaded
from shared.messaging.core.errors import Stale
from shared.runtime import mongo
from shared.runtime.mongo import ClientSession, Database

_COUNTER: Final = "links"  # the id of the counter among the marks


class MongoLinks:
    """Reads what follow-ups continue, and makes links one after another.

    A counter holds the number of links. Each transaction that adds a link increments it, so that
    of two links that were decided at the same time one has to be decided again. Transactions alone
    would not ensure this: each writes only a follow-up that the other has only read.
    """

    def __init__(self, databases: Sequence[Database]) -> None:
        """The counter is in the first database: every process has to give the same one."""
        self._client = databases[0].client
        self._counters = databases[0]["marks"]
        self._followups = [database["followups"] for database in databases]

    async def ahead(self, resolution_ids: Collection[str]) -> Ahead:
        """Return what these resolutions lead to, including the latest link."""
        found: dict[str, Followup] = {}
        read, to_read = set[str](), set(resolution_ids)
        async with mongo.causal(self._client) as session:
            counter = await self._counters.find_one({"_id": _COUNTER}, session=session)
            if counter is None:  # no link exists yet; created here, so no set-up is needed
                counter = {"number": 0}
                initial = {"$setOnInsert": counter}
                await self._counters.update_one({"_id": _COUNTER}, initial, upsert=True)
            while to_read:
                read |= to_read
                filter_ = {"resolution_id": {"$in": list(to_read)}}
                to_read = set()
                for followups in self._followups:
                    async for document in followups.find(filter_, session=session):
                        followup = loaded(document)
                        found[followup.followup_id] = followup
                        if followup.work.predecessor is not None:
                            to_read.add(followup.work.predecessor.resolution_id)
                to_read -= read
        return Ahead(counter["number"], list(found.values()))

    async def take_turn(self, ahead: Ahead, session: ClientSession) -> None:
        """Count one more link. Raises Stale if another link was added since `ahead` was read."""
        counted = await self._counters.update_one(
            {"_id": _COUNTER, "number": ahead.links}, {"$inc": {"number": 1}}, session=session
        )
        if not counted.matched_count:
            raise Stale("another link was made meanwhile")
