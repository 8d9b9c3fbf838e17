"""The store of the notices in memory: it passes the same suite as the one on MongoDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.notify import events
from services.notify.domain.backoff import LONGEST_WAIT_SECONDS
from services.notify.domain.notices import Fact, Notice, Trouble
from services.notify.domain.session_notices import KnownSession
from services.notify.handlers import Saved
from shared.messaging.core.errors import AlreadyExists, Stale
from shared.messaging.core.model import CommitContext, Event
from shared.runtime.list_queries import ListQuery
from tests.stores import listed
from tests.unit.published import as_read


class FakeNotices:
    """Implements `handlers.NoticeRepository` and `api.ReadableNotices`."""

    def __init__(self) -> None:
        self._notices: dict[str, Notice] = {}
        self._next_tries: dict[str, datetime] = {}
        self._known_sessions: dict[str, KnownSession] = {}
        self._orphans: dict[str, Fact] = {}
        self.events: list[Event] = []

    async def known(self, ids: Collection[str]) -> Collection[str]:
        return self._notices.keys() & set(ids)

    async def of(self, ids: Collection[str]) -> Sequence[Notice]:
        return [self._notices[id_] for id_ in ids if id_ in self._notices]

    async def known_sessions(self, session_ids: Collection[str]) -> Sequence[KnownSession]:
        return [self._known_sessions[id_] for id_ in session_ids if id_ in self._known_sessions]

    async def about(self, session_ids: Collection[str]) -> Sequence[Notice]:
        return [
            notice
            for notice in self._notices.values()
            if notice.subject in session_ids and notice.can_be_overtaken
        ]

    async def orphan_outcomes(self, ids: Collection[str]) -> Mapping[str, Fact]:
        return {id_: self._orphans[id_] for id_ in ids if id_ in self._orphans}

    async def keep_orphans(self, kept: Sequence[Event], cause: CommitContext) -> None:
        if any(event.aggregate_id in self._orphans for event in kept):
            raise AlreadyExists
        for event in kept:
            data = as_read(event).data
            assert isinstance(data, events.NoticeEvent)
            self._orphans[event.aggregate_id] = events.from_event(data)

    async def get(self, notice_id: str) -> Notice | None:
        return self._notices.get(notice_id)

    async def waiting(self, at: datetime, limit: int) -> Sequence[Notice]:
        longest = at + timedelta(seconds=LONGEST_WAIT_SECONDS)
        tries = sorted((next_try, id_) for id_, next_try in self._next_tries.items())
        due = [id_ for next_try, id_ in tries if next_try <= at or next_try > longest]
        return [self._notices[id_] for id_ in due[:limit]]

    async def count_waiting(self) -> int:
        return len(self._next_tries)

    async def count_put_off(self) -> Mapping[Trouble, int]:
        troubles = (self._notices[id_].trouble for id_ in self._next_tries)
        return Counter(trouble for trouble in troubles if trouble is not None)

    async def page(self, query: ListQuery) -> Sequence[Notice]:
        return listed.page(self._notices.values(), query, lambda n: n.notice_id, _fields)

    async def save(self, changes: Sequence[Saved], cause: CommitContext) -> None:
        for change in changes:
            if isinstance(change, KnownSession):
                stored_session = self._known_sessions.get(change.session_id)
                known = 0 if stored_session is None else stored_session.revision
                if known >= change.revision:
                    raise (AlreadyExists if change.revision == 1 else Stale)(change.session_id)
                continue
            stored = self._notices.get(change.after.notice_id)
            if change.before is None and stored is not None:
                raise AlreadyExists(change.after.notice_id)
            if change.before is not None and stored != change.before:
                raise Stale(change.after.notice_id)
        for change in changes:
            if isinstance(change, KnownSession):
                self._known_sessions[change.session_id] = change
                continue
            id_ = change.after.notice_id
            self._notices[id_] = change.after
            self._next_tries.pop(id_, None)
            if change.next_try is not None:
                self._next_tries[id_] = change.next_try
            self.events += change.events


def _fields(notice: Notice) -> Mapping[str, Any]:
    names = ("notice_id", "subject", "template", "recipient_role", "created_at", "changed_at")
    return {"state": notice.state.value, **{name: getattr(notice, name) for name in names}}
