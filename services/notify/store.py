"""The notices on MongoDB."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

import structlog
from pydantic import Field, TypeAdapter
from pymongo import ASCENDING, IndexModel, UpdateOne

from services.notify.domain.backoff import LONGEST_WAIT_SECONDS
from services.notify.domain.notices import Fact, HandoverState, Notice, State, Trouble
from services.notify.domain.notifications import Notification
from services.notify.domain.session_notices import KnownSession
from services.notify.events import NoticeEvent, from_event
from services.notify.handlers import Change, Saved
from shared.contracts.events import NoticeDelivered, NoticeFailed
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Effects, Event
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.scheduling.due_queue import DueQueue
from shared.runtime.list_queries import ListQuery
from shared.runtime.mongo import ClientSession, Document, ensure_indexes
from shared.runtime.mongo_pages import Stored

_log = structlog.get_logger(__name__)

_SCHEMA: Final = 1  # of a stored document; a reader takes older ones too

_WAITING: Final = "waiting"
_NOTIFICATION: Final[TypeAdapter[Notification]] = TypeAdapter(
    Annotated[Notification, Field(discriminator="template")]
)

_KNOWN_SESSION: Final = TypeAdapter(KnownSession)

_SESSION_TEMPLATES: Final = ("session-scheduled", "session-rescheduled", "session-cancelled")
_LONGEST_WAIT: Final = timedelta(seconds=LONGEST_WAIT_SECONDS)

_INDEXES = (
    IndexModel(
        [("next_try", ASCENDING)],
        name=_WAITING,
        partialFilterExpression={"next_try": {"$type": "date"}},
    ),
    IndexModel([("subject", ASCENDING), ("_id", ASCENDING)], name="subject"),
    IndexModel([("state", ASCENDING), ("_id", ASCENDING)], name="state"),
    IndexModel([("template", ASCENDING), ("_id", ASCENDING)], name="template"),
    IndexModel([("created_at", ASCENDING), ("_id", ASCENDING)], name="created_at"),
    IndexModel([("changed_at", ASCENDING), ("_id", ASCENDING)], name="changed_at"),
)
_LISTED: Final = Stored(at={"notice_id": "_id"})


class MongoNoticeRepository:
    """Implements `handlers.NoticeRepository` and `api.ReadableNotices`."""

    def __init__(self, ledger: Ledger, on_new: Callable[[], None] = lambda: None) -> None:
        """`on_new` is called each time that new notices were saved."""
        self._ledger = ledger
        self._on_new = on_new
        self._due_queue = DueQueue(ledger, "notices", "next_try", _WAITING)
        self._notices = ledger.database["notices"]
        self._sessions = ledger.database["sessions"]
        self._orphans = ledger.database["kept"]  # outcomes of notices that do not exist yet
        self._unreadable: set[str] = set()  # ids of waiting notices that delay no other

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        await self._ledger.prepare()
        await ensure_indexes(self._notices, _INDEXES)

    async def known(self, ids: Collection[str]) -> Collection[str]:
        found = self._notices.find({"_id": {"$in": list(ids)}}, {"_id": 1})
        return {document["_id"] async for document in found}

    async def of(self, ids: Collection[str]) -> Sequence[Notice]:
        found = self._notices.find({"_id": {"$in": list(ids)}})
        return [_loaded(document) async for document in found]

    async def known_sessions(self, session_ids: Collection[str]) -> Sequence[KnownSession]:
        found = self._sessions.find({"_id": {"$in": list(session_ids)}})
        return [_KNOWN_SESSION.validate_python(document["course"]) async for document in found]

    async def about(self, session_ids: Collection[str]) -> Sequence[Notice]:
        query = {
            "subject": {"$in": list(session_ids)},
            "template": {"$in": list(_SESSION_TEMPLATES)},
        }
        return [_loaded(document) async for document in self._notices.find(query)]

    async def orphan_outcomes(self, ids: Collection[str]) -> Mapping[str, Fact]:
        found = self._orphans.find({"_id": {"$in": list(ids)}})
        return {document["_id"]: _outcome(document) async for document in found}

    async def keep_orphans(self, events: Sequence[Event], cause: CommitContext) -> None:
        documents = [{"_id": e.aggregate_id, "type": e.type, "data": e.data} for e in events]
        async with self._ledger.commit(cause, Effects(events)) as session:
            await self._orphans.insert_many(documents, session=session)

    async def get(self, notice_id: str) -> Notice | None:
        """Return one notice, or None."""
        document = await self._notices.find_one({"_id": notice_id})
        return None if document is None else _loaded(document)

    async def waiting(self, at: datetime, limit: int) -> Sequence[Notice]:
        limit += len(self._unreadable)
        found = [document async for document in self._due_queue.due(at, limit)]
        if len(found) < limit:
            found += await self._ahead(at, limit - len(found))
        notices = [notice for document in found if (notice := self._load_or_skip(document))]
        await self._ledger.check_history()  # in an older copy, notices wait that were sent since
        return notices

    def _load_or_skip(self, document: Document) -> Notice | None:
        """The notice of a document; if the document is damaged, logs that and returns None."""
        try:
            notice = _loaded(document)
        except (KeyError, ValueError) as error:  # pydantic's too
            if document["_id"] not in self._unreadable:
                _log.error("notice cannot be read", notice=document["_id"], error=str(error))
                self._unreadable.add(document["_id"])
            return None
        self._unreadable.discard(document["_id"])
        return notice

    async def _ahead(self, at: datetime, limit: int) -> Sequence[Document]:
        """Notices that would wait longer than the longest wait: the clock that set it was ahead."""
        too_late = {"next_try": {"$gt": at + _LONGEST_WAIT, "$type": "date"}}
        found: Sequence[Document] = await (
            self._notices.find(too_late, hint=_WAITING).limit(limit).to_list(limit)
        )
        return found

    async def count_waiting(self) -> int:
        """Return how many notices wait for the mail server."""
        return await self._notices.count_documents({"next_try": {"$type": "date"}}, hint=_WAITING)

    async def count_put_off(self) -> Mapping[Trouble, int]:
        """Return how many notices wait longer than others, per kind of trouble."""
        waiting = {"next_try": {"$type": "date"}, "trouble": {"$type": "string"}}
        counting: list[Document] = [
            {"$match": waiting},
            {"$group": {"_id": "$trouble", "count": {"$sum": 1}}},
        ]
        found = await self._notices.aggregate(counting, hint=_WAITING).to_list(None)
        return {Trouble(entry["_id"]): entry["count"] for entry in found}

    async def page(self, query: ListQuery) -> Sequence[Notice]:
        """Return one page of notices."""
        return [_loaded(document) for document in await _LISTED.page(self._notices, query)]

    async def save(self, changes: Sequence[Saved], cause: CommitContext) -> None:
        notices = [change for change in changes if isinstance(change, Change)]
        effects = Effects([event for change in notices for event in change.events])
        new = [change for change in notices if change.before is None]
        async with self._ledger.commit(cause, effects) as session:
            await self._insert(new, session)
            await self._replace([c for c in notices if c.before is not None], session)
            for change in changes:
                if isinstance(change, KnownSession):
                    await self._save_session(change, session)
        if new:
            self._on_new()

    async def _insert(self, changes: Sequence[Change], session: ClientSession) -> None:
        if changes:
            await self._notices.insert_many(
                [_stored(change) for change in changes], session=session
            )

    async def _save_session(self, known: KnownSession, session: ClientSession) -> None:
        document = {
            "_id": known.session_id,
            "revision": known.revision,
            "course": _KNOWN_SESSION.dump_python(known, mode="json"),
        }
        if known.revision == 1:
            await self._sessions.insert_one(document, session=session)
            return
        before = {"_id": known.session_id, "revision": known.revision - 1}
        result = await self._sessions.replace_one(before, document, session=session)
        if result.matched_count == 0:
            raise Stale(f"session {known.session_id} has moved on")

    async def _replace(self, changes: Sequence[Change], session: ClientSession) -> None:
        if not changes:
            return
        updates = [
            UpdateOne(
                {
                    "_id": change.after.notice_id,
                    "version": change.before.version,
                    "tries": change.before.tries,
                    "state": change.before.state.value,
                    "standing": {"$in": _stored_values(change.before.handover)},
                },
                {"$set": _changing(change)},
            )
            for change in changes
            if change.before is not None
        ]
        result = await self._notices.bulk_write(updates, ordered=False, session=session)
        if result.matched_count < len(updates):
            raise Stale(f"{len(updates) - result.matched_count} notices have moved on")


def _stored_values(handover: HandoverState) -> list[str | None]:
    """The values that the database may hold: earlier versions of the service stored none."""
    return [handover.value, None] if handover is HandoverState.WAITS else [handover.value]


def _outcome(document: Document) -> Fact:
    kind: type[NoticeEvent] = (
        NoticeFailed if document["type"] == NoticeFailed.TYPE else NoticeDelivered
    )
    return from_event(kind.from_json(document["data"]))


def _stored(change: Change) -> Document:
    notice = change.after
    return {
        "_id": notice.notice_id,
        "schema": _SCHEMA,
        "template": notice.template,
        "subject": notice.subject,
        "recipient_role": notice.recipient_role,
        "matter": _NOTIFICATION.dump_python(notice.notification, mode="json"),
        "created_at": notice.created_at,
        "trace": notice.trace,
        **_changing(change),
    }


def _changing(change: Change) -> Document:
    """The fields that change during a notice's life."""
    notice = change.after
    return {
        "version": notice.version,
        "state": notice.state.value,
        "changed_at": notice.changed_at,
        "tries": notice.tries,
        "reason": notice.reason,
        "trouble": None if notice.trouble is None else notice.trouble.value,
        "standing": notice.handover.value,
        "next_try": change.next_try,
    }


def _loaded(document: Document) -> Notice:
    trouble, standing = document.get("trouble"), document.get("standing")
    return Notice(
        notice_id=document["_id"],
        version=document["version"],
        state=State(document["state"]),
        notification=_NOTIFICATION.validate_python(document["matter"]),
        recipient_role=document["recipient_role"],
        created_at=document["created_at"],
        changed_at=document["changed_at"],
        tries=document["tries"],
        reason=document["reason"],
        trouble=None if trouble is None else Trouble(trouble),
        handover=HandoverState.WAITS if standing is None else HandoverState(standing),
        trace=document["trace"],
    )
