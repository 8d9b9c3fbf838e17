"""One function a batch of events or a batch of mails: load, decide, save."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from services.notify import domain, events
from services.notify.domain import (
    Delivered,
    Fact,
    Failed,
    HandedOver,
    HeldBack,
    Notice,
    PutOff,
    State,
    Trouble,
    sessions,
)
from services.notify.domain.sessions import Course, Told
from services.notify.events import SessionEvent
from shared.contracts.events import SessionCancelled, SessionRescheduled, SessionScheduled
from shared.messaging.core.model import (
    RECOVERY,
    CommitContext,
    Decision,
    Event,
    Fence,
    Message,
    Outcome,
    Refusal,
    Verdict,
    published,
)
from shared.runtime.refusals import Refused


@dataclass(frozen=True, slots=True)
class Change:
    """A notice's step from one version to a later one, or to a later try."""

    before: Notice | None
    after: Notice
    events: Sequence[Event]
    next_try: datetime | None  # machine time, UTC; None: none comes


Saved: TypeAlias = Change | Course
"""What is saved together: steps of notices, and what is known of sessions from now on."""


class NoticeRepository(Protocol):
    """What the handlers need of the store."""

    async def known(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the ids that exist."""
        ...

    async def of(self, ids: Collection[str]) -> Sequence[Notice]:
        """Return those that exist."""
        ...

    async def courses(self, session_ids: Collection[str]) -> Sequence[Course]:
        """Return what is known of those of the sessions that anything is stored of."""
        ...

    async def about(self, session_ids: Collection[str]) -> Sequence[Notice]:
        """Return the notices that tell when these sessions take place, or that they do not."""
        ...

    async def orphan_outcomes(self, ids: Collection[str]) -> Mapping[str, Fact]:
        """Return the fates that were kept of those of the ids that have one, by id."""
        ...

    async def keep_orphans(self, events: Sequence[Event], cause: CommitContext) -> None:
        """Keep the fates of notices that do not exist, by our own events that tell them.

        Raises Stale where another process does the same at this moment.
        """
        ...

    async def waiting(self, at: datetime, limit: int) -> Sequence[Notice]:
        """Return those whose next try has come (machine time, UTC), the longest waiting first.

        Raises HistoryChanged where what is stored is not what it was.
        """
        ...

    async def save(self, changes: Sequence[Saved], cause: CommitContext) -> None:
        """Save all or nothing. Raises Stale, PositionMoved, LeaseLost."""
        ...


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """How notices are taken in and announced."""

    topic: str  # of their events
    deputies: Mapping[str, str]  # whose topic is whose, by the topic's name
    retry_seconds: float  # the first wait where the mail server asks to try again
    tries_most: int = 500  # after so many, what the mail server did not take has failed


# -- what comes by event ------------------------------------------------------------------------


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
        self._courses: dict[str, Course] = {}
        self._loaded: dict[str, Course] = {}
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
        known = {course.session_id: course for course in await self._store.courses(ids)}
        for id_ in ids:
            course = known.get(id_) or sessions.known_by(id_, self._notices[id_].values())
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

    def _told(self, course: Course, data: SessionEvent, trace: str | None) -> Told:
        notices = list(self._notices[data.session_id].values())
        match data:
            case SessionScheduled():
                session = events.session_of(data)
                return sessions.schedule(course, session, notices, self._now, trace)
            case SessionRescheduled():
                times = events.times_of(data)
                return sessions.move(course, times, data.reason, notices, self._now, trace)
            case SessionCancelled():
                at, reason = data.cancelled_at, data.reason
                return sessions.cancel(course, at, reason, notices, self._now, trace)

    def _note(self, change: Change) -> None:
        self._changes[change.after.notice_id] = change
        self._notices[change.after.subject][change.after.notice_id] = change.after


def _wanted(message: Message, context: HandlerContext, now: datetime) -> list[Notice]:
    notification = events.notification_of(message.data)
    if notification is None:
        return []
    domain.check(notification, context.deputies.get(message.topic))
    return domain.notices(notification, now, message.event.traceparent)


def _new(notice: Notice, fate: Fact | None, at: datetime) -> Change:
    """A notice to be sent from `at` on, or one whose fate was kept and that is not sent again."""
    if fate is None:
        return Change(None, notice, (), at)
    return Change(None, domain.evolve(notice, fate), (), None)


def _verdict(wanted: Sequence[Notice], fresh: Sequence[Notice]) -> Verdict:
    if not wanted:
        return Outcome.IGNORED
    return Outcome.APPLIED if fresh else Outcome.DUPLICATE


# -- after a restored copy ----------------------------------------------------------------------


async def recover(messages: Sequence[Message], store: NoticeRepository) -> int:
    """Apply those of our own events that the store does not hold; return how many.

    A notice that is not known comes again with the event that causes it; until then its fate is
    kept. Raises Stale where another process does the same at this moment.
    """
    told: dict[str, tuple[Event, Fact]] = {}
    for message in messages:
        data = message.data
        if isinstance(data, events.NoticeEvent):
            event = published(message, data.notice_id, data.notice_id)
            told[data.notice_id] = event, events.from_event(data)
    known = {notice.notice_id: notice for notice in await store.of(told.keys())}
    orphan_outcomes = await store.orphan_outcomes(told.keys() - known.keys())
    changes = [
        Change(before, domain.evolve(before, told[id_][1]), (told[id_][0],), None)
        for id_, before in known.items()
        if before.state is State.PENDING
    ]
    new = [
        event for id_, (event, _) in told.items() if id_ not in known and id_ not in orphan_outcomes
    ]
    if changes:
        await store.save(changes, RECOVERY)
    if new:
        await store.keep_orphans(new, RECOVERY)
    return len(changes) + len(new)


# -- what the mail server answers ---------------------------------------------------------------


class Declined(Exception):
    """The mail server will never take this one (SMTP 5xx); the message is what it said."""


class NotYet(Exception):
    """The mail server asks to try this one again later (SMTP 4xx); the message is what it said.

    `of_recipient`: it said so of the recipient, before it saw the mail.
    """

    def __init__(self, told: str, *, of_recipient: bool = False) -> None:
        super().__init__(told)
        self.of_recipient = of_recipient


class Interrupted(Exception):
    """The mail server hung up, fell silent or talked nonsense over this one; the message says how.

    `may_be_taken`: it had the whole mail, so it may have taken it.
    """

    def __init__(self, told: str, *, may_be_taken: bool) -> None:
        super().__init__(told)
        self.may_be_taken = may_be_taken


class Unreachable(ConnectionError):
    """There is no mail server that would take anything now; all of it waits."""


class MailTransport(Protocol):
    """Whoever takes mails."""

    def address_of(self, notice: Notice) -> str:
        """Where a notice goes."""
        ...

    async def open(self) -> None:
        """Connect, where it is not. Raises Unreachable."""
        ...

    async def send(self, notice: Notice, now: datetime) -> None:
        """Hand one over; `now` is its date. Raises Declined, NotYet, Interrupted, Unreachable."""
        ...

    async def close(self) -> None:
        """Hang up until the next one. Raises nothing."""
        ...


async def hand_over(notice: Notice, post: MailTransport, now: datetime) -> Fact:
    """Hand one notice over and say what became of it. Raises Unreachable."""
    try:
        await post.send(notice, now)
    except Declined as declined:
        return Failed(now, str(declined))
    except NotYet as later:
        trouble = Trouble.RECIPIENT if later.of_recipient else Trouble.MESSAGE
        return PutOff(now, str(later), trouble)
    except Interrupted as broken:
        return PutOff(now, str(broken), is_answer=False, is_sure=not broken.may_be_taken)
    return Delivered(now)


async def begin(
    notice: Notice, store: NoticeRepository, now: datetime, at: datetime, fence: Fence
) -> None:
    """Note that the mail server may have a notice from now on.

    Raises LeaseLost, and Stale where what it says was overtaken at this moment.
    """
    change = Change(notice, domain.evolve(notice, HandedOver(now)), (), at)
    await store.save([change], _dispatcher(fence))


async def note(
    answers: Mapping[str, Fact],
    store: NoticeRepository,
    context: HandlerContext,
    at: datetime,
    fence: Fence,
) -> None:
    """Note by id what the mail server answered; `at` is the machine's time.

    What somebody else has noted meanwhile stays as it is. Raises LeaseLost, Stale.
    """
    pending = [n for n in await store.of(answers.keys()) if n.state is State.PENDING]
    changes = [_changed(notice, answers[notice.notice_id], context, at) for notice in pending]
    if changes:
        await store.save(changes, _dispatcher(fence))


def _dispatcher(fence: Fence) -> CommitContext:
    return CommitContext("clock", "courier", fence=fence)


def _changed(before: Notice, answer: Fact, context: HandlerContext, at: datetime) -> Change:
    fact = domain.judged(before, answer, context.tries_most)
    after = domain.evolve(before, fact)
    event = events.to_event(after, fact, context.topic)
    next_try = None
    if after.state is State.PENDING:
        match fact:
            case HeldBack():
                next_try = fact.until
            case PutOff():
                waits = domain.wait_seconds(after.tries, context.retry_seconds)
                next_try = at + timedelta(seconds=waits)
            case _:
                next_try = at
    return Change(before, after, () if event is None else (event,), next_try)
