"""The follow-ups of one deputy on MongoDB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from pymongo import ASCENDING, DeleteOne, IndexModel, UpdateOne

from services.followups.domain.records import EvidenceAdded, Followup
from services.followups.domain.scores import By, tally
from services.followups.handlers import Ahead, Change
from services.followups.store.absences import MongoAbsences
from services.followups.store.documents import loaded, stored, update
from services.followups.store.indexes import INDEXES
from services.followups.store.links import MongoLinks
from services.followups.store.lists import Lists
from services.followups.store.migrations import migrate
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Effects, Entry
from shared.messaging.ledger.deferral import DeferredMessages
from shared.messaging.ledger.inbox import Inbox
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.scheduling.due_queue import DueQueue
from shared.runtime import mongo
from shared.runtime.files import Files
from shared.runtime.list_queries import ListQuery, Value, Within
from shared.runtime.mongo import ClientSession, Document, ensure_indexes


class MongoFollowupRepository:
    """Implements `handlers.FollowupRepository`, and what the API reads."""

    def __init__(self, ledger: Ledger, deputy: str, links: MongoLinks | None = None) -> None:
        """`links` of all deputies; by default those of this database alone."""
        self._ledger = ledger
        self._links = links or MongoLinks([ledger.database])
        self._deputy = deputy
        self.due_queue = DueQueue(ledger, "followups", "next_alert")
        self.files = Files(ledger.database, "evidence")
        self.absences = MongoAbsences(ledger, deputy)
        self.replies = ledger.replies
        self._followups = ledger.database["followups"]
        self._moved_out = ledger.database["elsewhere"]  # as they were when they left
        self._inbox = Inbox(ledger.database)
        self._deferral = DeferredMessages(ledger.database)
        self._lists = Lists(self._followups)

    async def prepare(self) -> None:
        """Create the indexes, and migrate older data. Safe to repeat."""
        await self._ledger.prepare()
        await self._inbox.prepare()
        await self.files.prepare()
        await self.absences.prepare()
        await ensure_indexes(self._followups, INDEXES)
        await ensure_indexes(self._moved_out, [IndexModel([("resolution_id", ASCENDING)])])
        await migrate(self._ledger, self._deputy)

    async def of_resolutions(self, ids: Collection[str]) -> Mapping[str, Followup]:
        return await _found(self._followups, "resolution_id", ids)

    async def moved_out(self, resolution_ids: Collection[str]) -> Mapping[str, Followup]:
        return await _found(self._moved_out, "resolution_id", resolution_ids)

    async def here_or_moved_out(self, ids: Collection[str]) -> Mapping[str, Followup]:
        moved_out = await _found(self._moved_out, "_id", ids)
        return {**moved_out, **await _found(self._followups, "_id", ids)}

    async def get(self, followup_id: str) -> Followup | None:
        document = await self._followups.find_one({"_id": followup_id})
        return None if document is None else loaded(document)

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Followup]:
        return await _found(self._followups, "_id", ids)

    async def due(self, now: datetime, limit: int) -> Sequence[Followup]:
        return [loaded(document) async for document in self.due_queue.due(now, limit)]

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        return await self._inbox.seen(ids)

    async def waited_for(self, ids: Collection[str]) -> Collection[str]:
        return await self._deferral.about(ids)

    async def page(self, query: ListQuery) -> Sequence[Followup]:
        """Return one page of a list."""
        return await self._lists.page(query)

    def ids(
        self, fields: Mapping[str, Collection[Value]], within: Within | None = None
    ) -> AsyncIterator[Sequence[str]]:
        """Give the ids of all follow-ups with these fields, some thousands at a time, unordered."""
        return self._lists.ids(fields, within)

    async def number(self) -> int:
        """Return the number of follow-ups, as MongoDB estimates it without counting."""
        return await self._followups.estimated_document_count()

    async def history(self, followup_id: str) -> Sequence[Entry]:
        """Return the whole history of a follow-up, by version."""
        return await self._ledger.history(followup_id)

    async def content(self, piece: EvidenceAdded) -> AsyncIterator[bytes] | None:
        """Return the bytes of a file of evidence, or None if they are lost."""
        assert piece.sha256 is not None  # a file has it
        found = await self.files.find(piece.evidence_id)
        return None if found is None else self.files.read(found, piece.sha256)

    async def counts(self, by: By, as_of: date | None = None) -> Mapping[str, Mapping[str, int]]:
        """Return the counts by name (`scores.names`) of each subject of a kind.

        `as_of`: at the end of that day (Asia/Tehran); by default now. The empty text is the subject
        of the deputy as a whole, and of follow-ups without a province, axis or gathering.
        """
        return await self._ledger.counts(by.value, as_of)

    async def ahead(self, resolution_ids: Collection[str]) -> Ahead:
        return await self._links.ahead(resolution_ids)

    async def save(
        self, changes: Sequence[Change], cause: CommitContext, ahead: Ahead | None = None
    ) -> None:
        async with self._ledger.commit(cause, self._effects(changes)) as session:
            if ahead is not None:
                await self._links.take_turn(ahead, session)
            await self._write(changes, session)

    async def hand_over(
        self,
        leaving: Sequence[Change],
        taker: MongoFollowupRepository,
        arriving: Sequence[Change],
        cause: CommitContext,
        ahead: Ahead | None = None,
    ) -> None:
        """Save what leaves this store and what arrives at `taker` in one transaction, or nothing.

        Raises what `save` does.
        """
        cause = replace(cause, at=self._ledger.now())  # both records, and so both chains, agree
        async with self._ledger.commit(cause, self._effects(leaving)) as session:
            if ahead is not None:
                await self._links.take_turn(ahead, session)
            await self._write(leaving, session)
            await taker._write(arriving, session)
            history = [entry for change in arriving for entry in change.history]
            await taker._ledger.join(cause, taker._effects(arriving), history, session)
            ids = [change.after.followup_id for change in leaving]
            await self.replies.hand_over(ids, taker.replies, session)

    def _effects(self, changes: Sequence[Change]) -> Effects:
        total = tally((step for change in changes for step in change.steps()), self._deputy)
        return Effects([event for change in changes for event in change.events], total)

    async def _write(self, changes: Sequence[Change], session: ClientSession) -> None:
        staying = [change for change in changes if change.after.deputy == self._deputy]
        new = [change for change in staying if not self._is_here(change.before)]
        await self._insert(new, session)
        await self._replace([change for change in staying if self._is_here(change.before)], session)
        await self._remove(self._moved_out, [c for c in new if c.before is not None], session)
        leaving = [change for change in changes if change.after.deputy != self._deputy]
        await self._remove(
            self._followups, [c for c in leaving if self._is_here(c.before)], session
        )
        for change in leaving:
            filter_ = {"_id": change.after.followup_id}
            await self._moved_out.replace_one(filter_, stored(change), upsert=True, session=session)
        for file in (file for change in changes for file in change.files):
            await self.files.keep(file, self._ledger.now(), session)
        inbox = [id_ for change in changes for id_ in change.inbox]
        if inbox:
            await self._inbox.add(inbox, self._ledger.now(), session)

    def _is_here(self, followup: Followup | None) -> bool:
        return followup is not None and followup.deputy == self._deputy

    async def _insert(self, changes: Sequence[Change], session: ClientSession) -> None:
        if changes:
            await self._followups.insert_many(
                [stored(change) for change in changes], session=session
            )

    async def _replace(self, changes: Sequence[Change], session: ClientSession) -> None:
        if not changes:
            return
        updates = [UpdateOne(_same_version(change), update(change)) for change in changes]
        result = await self._followups.bulk_write(updates, ordered=False, session=session)
        _require_all(changes, result.matched_count)

    async def _remove(
        self, collection: mongo.Collection, changes: Sequence[Change], session: ClientSession
    ) -> None:
        if not changes:
            return
        deletions = [DeleteOne(_same_version(change)) for change in changes]
        result = await collection.bulk_write(deletions, ordered=False, session=session)
        _require_all(changes, result.deleted_count)


async def _found(
    collection: mongo.Collection, key: str, values: Collection[str]
) -> Mapping[str, Followup]:
    """Return the follow-ups with one of these values of `key`, by value."""
    found = collection.find({key: {"$in": list(values)}})
    return {document[key]: loaded(document) async for document in found}


def _same_version(change: Change) -> Document:
    assert change.before is not None
    return {"_id": change.after.followup_id, "version": change.before.version}


def _require_all(changes: Sequence[Change], found: int) -> None:
    if found < len(changes):
        raise Stale(f"{len(changes) - found} follow-ups have moved on")
