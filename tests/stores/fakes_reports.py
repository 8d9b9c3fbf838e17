"""The stores of the service `reports`, in memory; they pass the same suite as the real ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.reports.domain.circulars import Circular
from services.reports.domain.reads import RestrictedRead
from services.reports.domain.records import Expectation
from services.reports.handlers import Change
from shared.messaging.core.errors import AlreadyExists, Stale
from shared.messaging.core.model import CommitContext, Event
from shared.runtime.list_queries import ListQuery
from tests.stores import listed
from tests.stores.fakes_replies import MemoryReplies


class MemoryReadLog:
    """Implements `api.ReadLog`."""

    def __init__(self, at: datetime) -> None:
        self.kept: list[RestrictedRead] = []
        self._at = at

    def now(self) -> datetime:
        return self._at

    async def add(self, read: RestrictedRead) -> None:
        self.kept.append(read)


class MemoryExpectations:
    """Implements `api.ReadableExpectations`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.causes: list[CommitContext] = []
        self.replies = MemoryReplies()
        self._expectations: dict[str, Expectation] = {}
        self._inbox: set[str] = set()

    async def of_sessions(self, ids: Collection[str]) -> Mapping[str, Expectation]:
        return {id_: self._expectations[id_] for id_ in ids if id_ in self._expectations}

    async def get(self, session_id: str) -> Expectation | None:
        return self._expectations.get(session_id)

    async def of_report(self, report_id: str) -> Expectation | None:
        found = (e for e in self._expectations.values() if e.report is not None)
        return next((e for e in found if e.report_id == report_id), None)

    async def due(self, now: datetime, limit: int) -> Sequence[Expectation]:
        due = [
            (expectation.next_due, id_)
            for id_, expectation in self._expectations.items()
            if expectation.next_due is not None and expectation.next_due <= now
        ]
        return [self._expectations[id_] for _, id_ in sorted(due)[:limit]]

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        return self._inbox & set(ids)

    async def page(self, query: ListQuery) -> Sequence[Expectation]:
        found = [e for e in self._expectations.values() if e.session.province is not None]
        return listed.page(found, query, lambda e: e.session_id, _fields)

    async def page_of_reports(self, query: ListQuery) -> Sequence[Expectation]:
        found = [e for e in self._expectations.values() if e.report is not None]
        return listed.page(found, query, lambda e: e.session_id, _fields_of_report)

    async def keep_orphans(self, events: Sequence[Event], cause: CommitContext) -> None:
        places = {(event.aggregate_id, event.version) for event in self.events}
        if any((event.aggregate_id, event.version) in places for event in events):
            raise AlreadyExists(str(events))
        self.events += events
        self.causes.append(cause)

    async def orphan_outcomes(self, ids: Collection[str]) -> Mapping[str, Sequence[Event]]:
        found = {
            id_: sorted(
                (event for event in self.events if event.key == id_),
                key=lambda event: (event.aggregate_id, event.version),
            )
            for id_ in ids
        }
        return {id_: events for id_, events in found.items() if events}

    async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
        self.replies.require_free(cause.reply)
        for change in changes:
            known = self._expectations.get(change.after.session_id)
            if change.before is None and known is not None:
                raise AlreadyExists(change.after.session_id)
            if change.before is not None and (
                known is None or known.edition != change.before.edition
            ):
                raise Stale(change.after.session_id)
            if self._inbox & set(change.inbox):
                raise AlreadyExists(str(change.inbox))
        for change in changes:
            self._expectations[change.after.session_id] = change.after
            self._inbox.update(change.inbox)
            self.events += change.events
        self.replies.keep(cause.reply)
        self.causes.append(cause)


class MemoryCirculars:
    """Implements `api.ReadableCirculars`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.replies = MemoryReplies()
        self._circulars: dict[str, Circular] = {}

    async def get(self, circular_id: str) -> Circular | None:
        return self._circulars.get(circular_id)

    async def page(self, query: ListQuery) -> Sequence[Circular]:
        return listed.page(
            self._circulars.values(),
            query,
            lambda circular: circular.circular_id,
            lambda circular: {"circular_id": circular.circular_id},
        )

    async def add(self, circular: Circular, event: Event, cause: CommitContext) -> None:
        self.replies.require_free(cause.reply)
        if circular.circular_id in self._circulars:
            raise AlreadyExists(circular.circular_id)
        self._circulars[circular.circular_id] = circular
        self.events.append(event)
        self.replies.keep(cause.reply)


def _fields(expectation: Expectation) -> Mapping[str, Any]:
    session = expectation.session
    return {
        "session_id": expectation.session_id,
        "province": session.province,
        "state": expectation.state.value,
        "due_at": session.due_at,
        "starts_at": session.starts_at,
        "changed_at": expectation.changed_at,
    }


def _fields_of_report(expectation: Expectation) -> Mapping[str, Any]:
    report = expectation.report
    assert report is not None
    return {
        "report_id": expectation.report_id,
        "session_id": expectation.session_id,
        "province": expectation.session.province,
        "late": report.late,
        "due_at": report.due_at,
        "submitted_at": report.submitted_at,
    }
