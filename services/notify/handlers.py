"""One function a batch of events or a batch of mails: load, decide, save."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.notify import domain, events
from services.notify.domain import Delivered, Fact, Failed, Notice, PutOff, Refused, State
from shared.messaging.records import (
    RECOVERY,
    Cause,
    Decision,
    Event,
    Fence,
    Message,
    Outcome,
    Refusal,
    Verdict,
    published,
)


@dataclass(frozen=True, slots=True)
class Change:
    """A notice's step from one version to a later one, or to a later try."""

    before: Notice | None
    after: Notice
    events: Sequence[Event]
    next_try: datetime | None  # machine time, UTC; None: none comes


class Notices(Protocol):
    """What the handlers need of the store."""

    async def known(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the ids that exist."""
        ...

    async def of(self, ids: Collection[str]) -> Sequence[Notice]:
        """Return those that exist."""
        ...

    async def kept(self, ids: Collection[str]) -> Mapping[str, Fact]:
        """Return the fates that were kept of those of the ids that have one, by id."""
        ...

    async def keep(self, events: Sequence[Event], cause: Cause) -> None:
        """Keep the fates of notices that do not exist, by our own events that tell them.

        Raises Stale where another process does the same at this moment.
        """
        ...

    async def waiting(self, at: datetime, limit: int) -> Sequence[Notice]:
        """Return those whose next try has come (machine time, UTC), the longest waiting first.

        Raises HistoryChanged where what is stored is not what it was.
        """
        ...

    async def save(self, changes: Sequence[Change], cause: Cause) -> None:
        """Save all or nothing. Raises Stale, PositionMoved, LeaseLost."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """A page of the notices: those with these fields, in the order of their ids."""

    fields: Mapping[str, object]
    after: str | None  # the id that the page begins behind
    limit: int


@dataclass(frozen=True, slots=True)
class Office:
    """How notices are taken in and announced."""

    topic: str  # of their events
    deputies: Mapping[str, str]  # whose topic is whose, by the topic's name
    retry_seconds: float  # the first wait where the mail server asks to try again


# -- what comes by event ------------------------------------------------------------------------


async def take(
    messages: Sequence[Message], store: Notices, office: Office, now: datetime, at: datetime
) -> Decision[Change]:
    """Take a batch of events: a notice for whoever has to be told and was not yet.

    `now` is the domain's time, `at` the machine's, from which on the notices may be sent.
    """
    wanted: list[list[Notice] | Refusal] = []
    for message in messages:
        try:
            wanted.append(_wanted(message, office, now))
        except Refused as refused:
            wanted.append(Refusal(refused.reason, str(refused)))
    ids = {n.notice_id for entry in wanted if isinstance(entry, list) for n in entry}
    known = set(await store.known(ids)) if ids else set()
    kept = await store.kept(ids - known) if ids - known else {}
    verdicts: list[Verdict] = []
    changes: list[Change] = []
    for entry in wanted:
        if isinstance(entry, Refusal):
            verdicts.append(entry)
            continue
        fresh = [notice for notice in entry if notice.notice_id not in known]
        known.update(notice.notice_id for notice in fresh)
        changes += [_new(notice, kept.get(notice.notice_id), at) for notice in fresh]
        verdicts.append(_verdict(entry, fresh))
    return Decision(verdicts, changes)


def _wanted(message: Message, office: Office, now: datetime) -> list[Notice]:
    matter = events.matter_of(message.data)
    if matter is None:
        return []
    domain.check(matter, office.deputies.get(message.topic))
    return domain.notices(matter, now, message.event.traceparent)


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


async def take_in(messages: Sequence[Message], store: Notices) -> int:
    """Apply those of our own events that the store does not hold; return how many.

    A notice that is not known comes again with the event that causes it; until then its fate is
    kept. Raises Stale where another process does the same at this moment.
    """
    told: dict[str, tuple[Event, Fact]] = {}
    for message in messages:
        data = message.data
        if isinstance(data, events.NoticeEvent):
            event = published(message, data.notice_id, data.notice_id)
            told[data.notice_id] = event, events.fact_of(data)
    known = {notice.notice_id: notice for notice in await store.of(told.keys())}
    kept = await store.kept(told.keys() - known.keys())
    changes = [
        Change(before, domain.evolve(before, told[id_][1]), (told[id_][0],), None)
        for id_, before in known.items()
        if before.state is State.PENDING
    ]
    new = [event for id_, (event, _) in told.items() if id_ not in known and id_ not in kept]
    if changes:
        await store.save(changes, RECOVERY)
    if new:
        await store.keep(new, RECOVERY)
    return len(changes) + len(new)


# -- what the mail server answers ---------------------------------------------------------------


class Declined(Exception):
    """The mail server will never take this one (SMTP 5xx); the message is what it said."""


class NotYet(Exception):
    """The mail server asks to try this one again later (SMTP 4xx); the message is what it said."""


class Unreachable(ConnectionError):
    """There is no mail server that would take anything now; all of it waits."""


class Post(Protocol):
    """Whoever takes mails."""

    async def send(self, notice: Notice, now: datetime) -> None:
        """Hand one over; `now` is its date. Raises Declined, NotYet, Unreachable."""
        ...

    async def close(self) -> None:
        """Hang up until the next one. Raises nothing."""
        ...


async def hand_over(notice: Notice, post: Post, now: datetime) -> Fact:
    """Hand one notice over and say what became of it. Raises Unreachable."""
    try:
        await post.send(notice, now)
    except Declined as declined:
        return Failed(now, str(declined))
    except NotYet as later:
        return PutOff(now, str(later))
    return Delivered(now)


async def note(
    answers: Mapping[str, Fact], store: Notices, office: Office, at: datetime, fence: Fence
) -> None:
    """Note by id what the mail server answered; `at` is the machine's time.

    What somebody else has noted meanwhile stays as it is. Raises LeaseLost, Stale.
    """
    pending = [n for n in await store.of(answers.keys()) if n.state is State.PENDING]
    changes = [_changed(notice, answers[notice.notice_id], office, at) for notice in pending]
    if changes:
        await store.save(changes, Cause("clock", "courier", fence=fence))


def _changed(before: Notice, fact: Fact, office: Office, at: datetime) -> Change:
    after = domain.evolve(before, fact)
    event = events.announce(after, fact, office.topic)
    next_try = None
    if after.state is State.PENDING:
        next_try = at + timedelta(seconds=domain.wait_seconds(after.tries, office.retry_seconds))
    return Change(before, after, () if event is None else (event,), next_try)
