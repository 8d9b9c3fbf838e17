"""Creates the notices that a batch of events calls for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from services.notify import events
from services.notify.domain import session_notices
from services.notify.domain.notices import Fact, Notice, State, evolve, new_notices
from services.notify.domain.notifications import check
from services.notify.domain.session_notices import KnownSession, NoticeChanges
from services.notify.events import SessionEvent
from services.notify.handlers.ports import Change, HandlerContext, NoticeRepository, Saved
from shared.contracts.events import SessionCancelled, SessionRescheduled, SessionScheduled
from shared.messaging.core.model import Decision, Message, Outcome, Refusal, Verdict
from shared.runtime.refusals import Refused


async def handle_events(
    messages: Sequence[Message],
    store: NoticeRepository,
    context: HandlerContext,
    now: datetime,
    at: datetime,
) -> Decision[Saved]:
    """Create the notices that a batch of events calls for and that do not exist yet.

    `now` is the domain's time, `at` the machine's; from `at` on, the notices may be sent. UTC.
    """
    of_sessions = _SessionFold(store, now, at)
    await of_sessions.load(messages)
    results: list[list[Notice] | Verdict] = []
    for message in messages:
        if isinstance(message.data, SessionEvent):
            results.append(await of_sessions.take(message, message.data))
            continue
        try:
            results.append(_notices_of(message, context, now))
        except Refused as refused:
            results.append(Refusal(refused.reason, str(refused)))
    ids = {n.notice_id for result in results if isinstance(result, list) for n in result}
    known = set(await store.known(ids)) if ids else set()
    orphan_outcomes = await store.orphan_outcomes(ids - known) if ids - known else {}
    verdicts: list[Verdict] = []
    changes: list[Saved] = []
    for result in results:
        if not isinstance(result, list):
            verdicts.append(result)
            continue
        fresh = [notice for notice in result if notice.notice_id not in known]
        known.update(notice.notice_id for notice in fresh)
        changes += [_new(notice, orphan_outcomes.get(notice.notice_id), at) for notice in fresh]
        verdicts.append(_verdict(result, fresh))
    return Decision(verdicts, [*changes, *of_sessions.changes()])


class _SessionFold:
    """The session events of a batch, folded per session in their order."""

    def __init__(self, store: NoticeRepository, now: datetime, at: datetime) -> None:
        self._store = store
        self._now = now
        self._at = at
        self._known: dict[str, KnownSession] = {}
        self._loaded: dict[str, KnownSession] = {}
        self._notices: dict[str, dict[str, Notice]] = {}  # by session and id
        self._changes: dict[str, Change] = {}

    async def load(self, messages: Iterable[Message]) -> None:
        """Load what is known of the sessions that a batch is about."""
        ids = {m.data.session_id for m in messages if isinstance(m.data, SessionEvent)}
        if not ids:
            return
        self._notices = {id_: {} for id_ in ids}
        for notice in await self._store.about(ids):
            self._notices[notice.subject][notice.notice_id] = notice
        stored = {known.session_id: known for known in await self._store.known_sessions(ids)}
        for id_ in ids:
            notices = self._notices[id_].values()
            known = stored.get(id_) or session_notices.from_notices(id_, notices)
            self._known[id_] = self._loaded[id_] = known

    async def take(self, message: Message, data: SessionEvent) -> Verdict:
        """Apply one event."""
        sequence, inbox_id = message.event.sequence, message.inbox_id
        before = self._known[data.session_id]
        if isinstance(data, SessionRescheduled) and before.is_duplicate(sequence, inbox_id):
            return Outcome.DUPLICATE
        decided = self._decide(before, data, message.event.traceparent)
        self._known[data.session_id] = decided.known.after_event(sequence, inbox_id)
        orphan_outcomes = await self._store.orphan_outcomes(
            [notice.notice_id for notice in decided.new]
        )
        for notice in decided.new:
            self._add(_new(notice, orphan_outcomes.get(notice.notice_id), self._at))
        for old, notice in decided.changed:
            earlier = self._changes.get(notice.notice_id)
            stored = old if earlier is None else earlier.before
            next_try = self._at if notice.state is State.PENDING else None
            self._add(Change(stored, notice, (), next_try))
        if decided.new or decided.changed:
            return Outcome.APPLIED
        return Outcome.DUPLICATE if self._notices[data.session_id] else Outcome.IGNORED

    def changes(self) -> list[Saved]:
        """The changes to save."""
        sessions = [
            replace(known, revision=known.revision + 1)
            for id_, known in self._known.items()
            if known != self._loaded[id_]
        ]
        return [*self._changes.values(), *sessions]

    def _decide(self, known: KnownSession, data: SessionEvent, trace: str | None) -> NoticeChanges:
        notices = list(self._notices[data.session_id].values())
        match data:
            case SessionScheduled():
                session = events.session_of(data)
                return session_notices.schedule(known, session, notices, self._now, trace)
            case SessionRescheduled():
                times = events.times_of(data)
                return session_notices.move(known, times, data.reason, notices, self._now, trace)
            case SessionCancelled():
                at, reason = data.cancelled_at, data.reason
                return session_notices.cancel(known, at, reason, notices, self._now, trace)

    def _add(self, change: Change) -> None:
        self._changes[change.after.notice_id] = change
        self._notices[change.after.subject][change.after.notice_id] = change.after


def _notices_of(message: Message, context: HandlerContext, now: datetime) -> list[Notice]:
    notification = events.notification_of(message.data)
    if notification is None:
        return []
    check(notification, context.deputies.get(message.topic))
    return new_notices(notification, now, message.event.traceparent)


def _new(notice: Notice, outcome: Fact | None, at: datetime) -> Change:
    """A notice to send from `at` on; one whose outcome is known already is not sent again."""
    if outcome is None:
        return Change(None, notice, (), at)
    return Change(None, evolve(notice, outcome), (), None)


def _verdict(notices: Sequence[Notice], fresh: Sequence[Notice]) -> Verdict:
    if not notices:
        return Outcome.IGNORED
    return Outcome.APPLIED if fresh else Outcome.DUPLICATE
