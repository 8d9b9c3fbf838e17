"""Takes events in and creates the notices that they call for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from services.notify import events
from services.notify.domain import session_notices
from services.notify.domain.notices import Fact, Notice, State, evolve, new_notices
from services.notify.domain.notifications import check
from services.notify.domain.refusals import Refused
from services.notify.domain.session_notices import KnownSession, NoticeChanges
from services.notify.events import SessionEvent
from services.notify.handlers.ports import Change, HandlerContext, NoticeRepository, Saved
from shared.contracts.events import SessionCancelled, SessionRescheduled, SessionScheduled
from shared.messaging.core.model import Decision, Message, Outcome, Refusal, Verdict


async def handle_events(
    messages: Sequence[Message],
    store: NoticeRepository,
    context: HandlerContext,
    now: datetime,
    at: datetime,
) -> Decision[Saved]:
    """Take a batch of events: a notice for whoever has to be told and was not yet.

    `now` is the domain's time, `at` the machine's, from which on the notices may be sent.
    """
    of_sessions = _Sessions(store, now, at)
    await of_sessions.load(messages)
    wanted: list[list[Notice] | Verdict] = []
    for message in messages:
        if isinstance(message.data, SessionEvent):
            wanted.append(await of_sessions.take(message, message.data))
            continue
        try:
            wanted.append(_wanted(message, context, now))
        except Refused as refused:
            wanted.append(Refusal(refused.reason, str(refused)))
    ids = {n.notice_id for entry in wanted if isinstance(entry, list) for n in entry}
    known = set(await store.known(ids)) if ids else set()
    orphan_outcomes = await store.orphan_outcomes(ids - known) if ids - known else {}
    verdicts: list[Verdict] = []
    changes: list[Saved] = []
    for entry in wanted:
        if not isinstance(entry, list):
            verdicts.append(entry)
            continue
        fresh = [notice for notice in entry if notice.notice_id not in known]
        known.update(notice.notice_id for notice in fresh)
        changes += [_new(notice, orphan_outcomes.get(notice.notice_id), at) for notice in fresh]
        verdicts.append(_verdict(entry, fresh))
    return Decision(verdicts, [*changes, *of_sessions.changes()])


class _Sessions:
    """What a batch tells of sessions, folded by session in the order of its events."""

    def __init__(self, store: NoticeRepository, now: datetime, at: datetime) -> None:
        self._store = store
        self._now = now
        self._at = at
        self._courses: dict[str, KnownSession] = {}
        self._loaded: dict[str, KnownSession] = {}
        self._notices: dict[str, dict[str, Notice]] = {}  # by session and id
        self._changes: dict[str, Change] = {}

    async def load(self, messages: Iterable[Message]) -> None:
        """Load what is known of the sessions that a batch tells of."""
        ids = {m.data.session_id for m in messages if isinstance(m.data, SessionEvent)}
        if not ids:
            return
        self._notices = {id_: {} for id_ in ids}
        for notice in await self._store.about(ids):
            self._notices[notice.subject][notice.notice_id] = notice
        known = {course.session_id: course for course in await self._store.known_sessions(ids)}
        for id_ in ids:
            course = known.get(id_) or session_notices.known_by(id_, self._notices[id_].values())
            self._courses[id_] = self._loaded[id_] = course

    async def take(self, message: Message, data: SessionEvent) -> Verdict:
        """Take one event."""
        sequence, inbox_id = message.event.sequence, message.inbox_id
        before = self._courses[data.session_id]
        if isinstance(data, SessionRescheduled) and before.has_heard(sequence, inbox_id):
            return Outcome.DUPLICATE
        told = self._told(before, data, message.event.traceparent)
        self._courses[data.session_id] = told.course.hearing(sequence, inbox_id)
        orphan_outcomes = await self._store.orphan_outcomes(
            [notice.notice_id for notice in told.new]
        )
        for notice in told.new:
            self._note(_new(notice, orphan_outcomes.get(notice.notice_id), self._at))
        for was, notice in told.changed:
            written = self._changes.get(notice.notice_id)
            next_try = self._at if notice.state is State.PENDING else None
            self._note(Change(was if written is None else written.before, notice, (), next_try))
        if told.new or told.changed:
            return Outcome.APPLIED
        return Outcome.DUPLICATE if self._notices[data.session_id] else Outcome.IGNORED

    def changes(self) -> list[Saved]:
        """What is to be saved."""
        moved = [
            replace(course, revision=course.revision + 1)
            for id_, course in self._courses.items()
            if course != self._loaded[id_]
        ]
        return [*self._changes.values(), *moved]

    def _told(self, course: KnownSession, data: SessionEvent, trace: str | None) -> NoticeChanges:
        notices = list(self._notices[data.session_id].values())
        match data:
            case SessionScheduled():
                session = events.session_of(data)
                return session_notices.schedule(course, session, notices, self._now, trace)
            case SessionRescheduled():
                times = events.times_of(data)
                return session_notices.move(course, times, data.reason, notices, self._now, trace)
            case SessionCancelled():
                at, reason = data.cancelled_at, data.reason
                return session_notices.cancel(course, at, reason, notices, self._now, trace)

    def _note(self, change: Change) -> None:
        self._changes[change.after.notice_id] = change
        self._notices[change.after.subject][change.after.notice_id] = change.after


def _wanted(message: Message, context: HandlerContext, now: datetime) -> list[Notice]:
    notification = events.notification_of(message.data)
    if notification is None:
        return []
    check(notification, context.deputies.get(message.topic))
    return new_notices(notification, now, message.event.traceparent)


def _new(notice: Notice, fate: Fact | None, at: datetime) -> Change:
    """A notice to be sent from `at` on, or one whose fate was kept and that is not sent again."""
    if fate is None:
        return Change(None, notice, (), at)
    return Change(None, evolve(notice, fate), (), None)


def _verdict(wanted: Sequence[Notice], fresh: Sequence[Notice]) -> Verdict:
    if not wanted:
        return Outcome.IGNORED
    return Outcome.APPLIED if fresh else Outcome.DUPLICATE
