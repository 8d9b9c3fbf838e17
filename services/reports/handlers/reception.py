"""One function a command or a batch of events: load, decide, save."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from services.reports import events
from services.reports.domain import decisions
from services.reports.domain.catalogue import Catalogue
from services.reports.domain.circulars import Circular
from services.reports.domain.decisions import Refused, UnknownSession
from services.reports.domain.records import (
    Expectation,
    Expected,
    Fact,
    Recipient,
    State,
    Told,
    evolve,
    expected,
)
from services.reports.events import Addresses
from shared.contracts.events import SessionCancelled, SessionRescheduled, SessionScheduled
from shared.messaging.failures import Stale
from shared.messaging.patience import anew
from shared.messaging.records import (
    Cause,
    Decision,
    Event,
    Fence,
    Message,
    Outcome,
    Refusal,
    Verdict,
)
from shared.runtime.principals import Principal


@dataclass(frozen=True, slots=True)
class Change:
    """An expectation's step from one edition to a later one."""

    before: Expectation | None
    after: Expectation
    events: Sequence[Event]
    inbox: Sequence[str] = ()  # ids of events that are told from others by nothing else


class Expectations(Protocol):
    """What the handlers need of the store."""

    async def of_sessions(self, ids: Collection[str]) -> Mapping[str, Expectation]:
        """Return those that exist, by session id."""
        ...

    async def get(self, session_id: str) -> Expectation | None:
        """Return one."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Expectation]:
        """Return those that have become overdue and were not announced, the longest due first."""
        ...

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the inbox ids that were applied."""
        ...

    async def save(self, changes: Sequence[Change], cause: Cause) -> None:
        """Save all with their cause in one transaction, or nothing.

        Raises Stale where an expectation has moved on, and whatever the cause's conditions raise.
        """
        ...


class Circulars(Protocol):
    """What the handlers need of the store of circulars."""

    async def get(self, circular_id: str) -> Circular | None:
        """Return one."""
        ...

    async def add(self, circular: Circular, event: Event, cause: Cause) -> None:
        """Add one with its event. Raises Stale where it is there already."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """A page of expectations, those with these values, in the order of their sessions' ids.

    Gatherings without a report are never among them.
    """

    after: str | None  # the session id that the page begins behind
    limit: int
    session_id: str | None = None
    province: str | None = None
    state: State | None = None
    late: bool | None = None
    with_report: bool = False


@dataclass(frozen=True, slots=True)
class Reception:
    """By which rules reports are received, and how what becomes of them is addressed."""

    catalogues: Mapping[int, Catalogue]
    restricted: frozenset[str]  # axis ids
    recipients: tuple[Recipient, ...]
    addresses: Addresses


# -- what comes by event ------------------------------------------------------------------------


async def take(
    messages: Sequence[Message], store: Expectations, reception: Reception, now: datetime
) -> Decision[Change]:
    """Take a batch of session events, folded by session in the order of their offsets."""
    relevant = [message for message in messages if _session_id(message) is not None]
    known = await store.of_sessions({str(_session_id(message)) for message in relevant})
    seen = set(await store.seen([m.inbox_id for m in relevant if _needs_inbox(m)]))
    drafts: dict[str, _Draft] = {}
    verdicts: list[Verdict] = []
    for message in messages:
        session_id = _session_id(message)
        if session_id is None:
            verdicts.append(Outcome.IGNORED)
            continue
        draft = drafts.get(session_id)
        if draft is None:
            draft = drafts[session_id] = _Draft(known.get(session_id), reception)
        try:
            verdicts.append(_take_one(message, draft, seen, now))
        except Refused as refused:
            verdicts.append(Refusal(refused.reason, str(refused)))
    return Decision(verdicts, [d.change() for d in drafts.values() if d.changed])


@dataclass(slots=True)
class _Draft:
    """An expectation while a batch is folded into it."""

    before: Expectation | None
    reception: Reception
    after: Expectation | None = None
    events: list[Event] = field(default_factory=list)
    inbox: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.after = self.before

    @property
    def changed(self) -> bool:
        return self.after is not self.before

    def add(self, fact: Fact, trace: str | None) -> None:
        self.after = expected(fact) if isinstance(fact, Expected) else evolve(self.existing(), fact)
        if isinstance(fact, Told):
            self.events += events.announce(self.after, fact, self.reception.addresses, trace)

    def existing(self) -> Expectation:
        if self.after is None:
            raise UnknownSession("no such session was announced here")
        return self.after

    def change(self) -> Change:
        return Change(self.before, self.existing(), self.events, self.inbox)


def _take_one(message: Message, draft: _Draft, seen: set[str], now: datetime) -> Verdict:
    data, sequence, trace = message.data, message.event.sequence, message.event.traceparent
    if draft.after is not None and decisions.is_overtaken(draft.after, sequence):
        return Outcome.DUPLICATE
    if isinstance(data, SessionScheduled):
        session = events.session_of(data)
        if draft.after is not None:
            decisions.expect_again(draft.after, session)
            return Outcome.DUPLICATE
        draft.add(decisions.expect(data.session_id, session, sequence, now), trace)
        return Outcome.APPLIED
    needs_inbox = _needs_inbox(message)
    if needs_inbox and message.inbox_id in seen:
        return Outcome.DUPLICATE
    fact: Fact | None
    if isinstance(data, SessionRescheduled):
        starts_at = events.milliseconds(data.starts_at)
        due_at = None if data.report_due_at is None else events.milliseconds(data.report_due_at)
        fact = decisions.move(draft.existing(), starts_at, due_at, sequence, now)
    else:
        fact = decisions.cancel(draft.existing(), sequence, now)
    if fact is None:
        return Outcome.DUPLICATE
    draft.add(fact, trace)
    if needs_inbox:
        draft.inbox.append(message.inbox_id)
        seen.add(message.inbox_id)
    return Outcome.APPLIED


def _session_id(message: Message) -> str | None:
    data = message.data
    if isinstance(data, SessionScheduled | SessionRescheduled | SessionCancelled):
        return data.session_id
    return None


def _needs_inbox(message: Message) -> bool:
    """Whether nothing else tells that it came before: neither its sequence nor its content."""
    return message.event.sequence is None and isinstance(message.data, SessionRescheduled)


# -- what people do -----------------------------------------------------------------------------

Decide = Callable[[Expectation], Sequence[Fact]]


async def act(
    session_id: str,
    store: Expectations,
    reception: Reception,
    by: Principal,
    decide: Decide,
    trace: str | None = None,
) -> Expectation:
    """Let somebody do something about a session's report; return it as it is then.

    Where somebody else was faster, it is decided anew. Raises UnknownSession, other Refused, and
    Stale where others were faster every time.
    """
    cause = Cause("request", by.id, roles=tuple(sorted(by.roles)))

    async def once() -> Expectation:
        before = await store.get(session_id)
        if before is None:
            raise UnknownSession(f"no session {session_id} was announced here")
        change = _changed(before, decide(before), reception, trace)
        await store.save([change], cause)
        return change.after

    return await anew(once)


async def issue(
    wanted: Circular, store: Circulars, reception: Reception, by: Principal, trace: str | None
) -> Circular:
    """Issue a circular; return the known one where it was issued before. Raises Conflict."""
    catalogue = reception.catalogues[wanted.catalogue_version]
    event = events.circular_event(wanted, catalogue, reception.addresses, trace)
    cause = Cause("request", by.id, roles=tuple(sorted(by.roles)))
    try:
        await store.add(wanted, event, cause)
    except Stale:
        known = await store.get(wanted.circular_id)
        if known is None:
            raise
        decisions.issue_again(known, wanted)
        return known
    return wanted


# -- what time does -----------------------------------------------------------------------------


async def sweep(
    store: Expectations, reception: Reception, now: datetime, fence: Fence, limit: int = 500
) -> int:
    """Announce what has become overdue by `now`; return how many expectations were looked at.

    One call takes the `limit` that are longest due.
    """
    due = await store.due(now, limit)
    changes = [_changed(e, decisions.fall_overdue(e, now), reception, None) for e in due]
    if changes:
        await store.save(changes, Cause("clock", "sweeper", fence=fence))
    return len(due)


def _changed(
    before: Expectation, facts: Iterable[Fact], reception: Reception, trace: str | None
) -> Change:
    draft = _Draft(before, reception)
    for fact in facts:
        draft.add(fact, trace)
    return draft.change()
