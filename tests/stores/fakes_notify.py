"""The store of the notices in memory: it passes the same suite as the one on MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from services.notify import events
from services.notify.domain import Fact, Notice
from services.notify.handlers import Change, Query
from shared.messaging.failures import AlreadyThere, Stale
from shared.messaging.records import Cause, Event
from tests.unit.published import as_read


class FakeNotices:
    """Implements `handlers.Notices`, and what the API reads."""

    def __init__(self) -> None:
        self._notices: dict[str, Notice] = {}
        self._next_tries: dict[str, datetime] = {}
        self._kept: dict[str, Fact] = {}
        self.events: list[Event] = []

    async def known(self, ids: Collection[str]) -> Collection[str]:
        return self._notices.keys() & set(ids)

    async def of(self, ids: Collection[str]) -> Sequence[Notice]:
        return [self._notices[id_] for id_ in ids if id_ in self._notices]

    async def kept(self, ids: Collection[str]) -> Mapping[str, Fact]:
        return {id_: self._kept[id_] for id_ in ids if id_ in self._kept}

    async def keep(self, told: Sequence[Event], cause: Cause) -> None:
        if any(event.aggregate_id in self._kept for event in told):
            raise AlreadyThere
        for event in told:
            data = as_read(event).data
            assert isinstance(data, events.NoticeEvent)
            self._kept[event.aggregate_id] = events.fact_of(data)

    async def get(self, notice_id: str) -> Notice | None:
        return self._notices.get(notice_id)

    async def waiting(self, at: datetime, limit: int) -> Sequence[Notice]:
        due = [(next_try, id_) for id_, next_try in self._next_tries.items() if next_try <= at]
        return [self._notices[id_] for _, id_ in sorted(due)[:limit]]

    async def count_waiting(self) -> int:
        return len(self._next_tries)

    async def page(self, query: Query) -> Sequence[Notice]:
        found = [
            notice
            for id_, notice in sorted(self._notices.items())
            if (query.after is None or id_ > query.after)
            and all(getattr(notice, name) == wanted for name, wanted in query.fields.items())
        ]
        return found[: query.limit]

    async def save(self, changes: Sequence[Change], cause: Cause) -> None:
        for change in changes:
            stored = self._notices.get(change.after.notice_id)
            if change.before is None and stored is not None:
                raise AlreadyThere(change.after.notice_id)
            if change.before is not None and stored != change.before:
                raise Stale(change.after.notice_id)
        for change in changes:
            id_ = change.after.notice_id
            self._notices[id_] = change.after
            self._next_tries.pop(id_, None)
            if change.next_try is not None:
                self._next_tries[id_] = change.next_try
            self.events += change.events
