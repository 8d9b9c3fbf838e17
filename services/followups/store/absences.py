"""The absences of one deputy on MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Final

from pymongo import ASCENDING, IndexModel

from services.followups.domain.absences import Absence
from services.followups.handlers import AbsenceChange, KnownAbsences
from services.followups.store.documents import present
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Effects
from shared.messaging.ledger.ledger import Ledger
from shared.runtime import mongo
from shared.runtime.list_queries import ListQuery
from shared.runtime.mongo import ClientSession, Document, ensure_indexes
from shared.runtime.mongo_pages import Stored

_SCHEMA: Final = 1  # of a stored document
_COUNTER: Final = "absences"  # the id of the counter among the marks
_LISTED: Final = Stored(at={"absence_id": "_id"})
_INDEXES: Final = (
    IndexModel([("substitute", ASCENDING), ("last_on", ASCENDING)], name="substitute"),
    IndexModel([("first_on", ASCENDING), ("_id", ASCENDING)], name="first_on"),
)


class MongoAbsences:
    """Implements `handlers.AbsenceRepository`.

    A counter holds the number of declarations, and each transaction that declares one increments
    it: of two that were decided at the same time, one has to be decided again.
    """

    def __init__(self, ledger: Ledger, deputy: str) -> None:
        self._ledger = ledger
        self._deputy = deputy
        self._absences = ledger.database["absences"]
        self._counters = ledger.database["marks"]

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        await ensure_indexes(self._absences, _INDEXES)

    async def get(self, absence_id: str) -> Absence | None:
        document = await self._absences.find_one({"_id": absence_id})
        return None if document is None else self._loaded(document)

    async def known(self, since: date) -> KnownAbsences:
        async with mongo.causal(self._ledger.database.client) as session:
            counter = await self._counters.find_one({"_id": _COUNTER}, session=session)
            filter_ = {"last_on": {"$gte": since.isoformat()}, "ended_at": None}
            found = self._absences.find(filter_, session=session)
            absences = [self._loaded(document) async for document in found]
        return KnownAbsences(0 if counter is None else counter["number"], absences)

    async def of_substitute(self, user: str, on: date) -> Sequence[Absence]:
        day = on.isoformat()
        filter_ = {"substitute": user, "first_on": {"$lte": day}, "last_on": {"$gte": day}}
        return [self._loaded(document) async for document in self._absences.find(filter_)]

    async def page(self, query: ListQuery) -> Sequence[Absence]:
        return [self._loaded(document) for document in await _LISTED.page(self._absences, query)]

    async def save(
        self, changes: Sequence[AbsenceChange], cause: CommitContext, turn: int | None = None
    ) -> None:
        events = [event for change in changes for event in change.events]
        async with self._ledger.commit(cause, Effects(events)) as session:
            if turn is not None:
                await self._take_turn(turn, session)
            for change in changes:
                await self._write(change, session)

    async def _take_turn(self, turn: int, session: ClientSession) -> None:
        if turn == 0:  # the first declaration brings the counter; a second one with it is refused
            await self._counters.insert_one({"_id": _COUNTER, "number": 1}, session=session)
            return
        counted = await self._counters.update_one(
            {"_id": _COUNTER, "number": turn}, {"$inc": {"number": 1}}, session=session
        )
        if not counted.matched_count:
            raise Stale("another absence was declared meanwhile")

    async def _write(self, change: AbsenceChange, session: ClientSession) -> None:
        document = _stored(change.after)
        if change.before is None:
            await self._absences.insert_one(document, session=session)
            return
        same = {"_id": change.before.absence_id, "version": change.before.version}
        written = await self._absences.update_one(same, {"$set": document}, session=session)
        if not written.matched_count:
            raise Stale("the absence has moved on")

    def _loaded(self, document: Document) -> Absence:
        return Absence(
            absence_id=document["_id"],
            deputy=self._deputy,
            substitute=document["substitute"],
            first_on=date.fromisoformat(document["first_on"]),
            last_on=date.fromisoformat(document["last_on"]),
            reason=document["reason"],
            declared_by=document["declared_by"],
            declared_at=document["declared_at"],
            ended_by=document.get("ended_by"),
            ended_at=document.get("ended_at"),
        )


def _stored(absence: Absence) -> Document:
    fields = asdict(absence)
    del fields["absence_id"], fields["deputy"]  # the deputy is the database's
    days = {name: fields[name].isoformat() for name in ("first_on", "last_on")}
    own = {"_id": absence.absence_id, "schema": _SCHEMA, "version": absence.version}
    return present({**own, **fields, **days})
