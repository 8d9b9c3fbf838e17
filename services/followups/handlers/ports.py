"""One function a command or a batch of events: load, decide, save."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from services.followups import events
from services.followups.domain import decisions
from services.followups.domain.escalation import EscalationPolicy
from services.followups.domain.records import Fact, Followup, Opened, evolve, opened
from services.followups.domain.refusals import UnknownResolution
from shared.contracts.events import (
    FollowupEvent,
    ResolutionAmended,
    ResolutionApproved,
    ResolutionWithdrawn,
)
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import (
    RECOVERY,
    CommitContext,
    Decision,
    Defer,
    Entry,
    Event,
    Fence,
    Forward,
    Message,
    Outcome,
    Refusal,
    Verdict,
    published,
    requested,
)
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.refusals import Refused
from shared.runtime.uploads import ReceivedFile


@dataclass(frozen=True, slots=True)
class Change:
    """A follow-up's step from one version to a later one."""

    before: Followup | None
    after: Followup
    events: Sequence[Event]
    next_alert: datetime | None  # UTC; None: none comes
    inbox: Sequence[str] = ()  # ids of events that are told from others by nothing else
    passed: Sequence[Followup] = ()  # the versions between, each with its own day
    files: Sequence[ReceivedFile] = ()  # uploads that take effect with it
    history: Sequence[Entry] = ()  # what happened to it with another deputy

    def steps(self) -> Iterable[tuple[Followup | None, Followup]]:
        """From each version to the next."""
        return zip((self.before, *self.passed), (*self.passed, self.after), strict=True)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What resolutions lead to: their follow-ups, those of their predecessors, and so on.

    It holds until somebody links a follow-up, or moves a linked one; `links` tells the next.
    """

    links: int
    followups: Sequence[Followup]


class FollowupRepository(Protocol):
    """What the handlers need of the store of one deputy."""

    async def of_resolutions(self, ids: Collection[str]) -> Mapping[str, Followup]:
        """Return those that exist, by resolution id."""
        ...

    async def moved_out(self, resolution_ids: Collection[str]) -> Mapping[str, Followup]:
        """Return those that another deputy answers for now, by resolution id, as they went."""
        ...

    async def here_or_moved_out(self, ids: Collection[str]) -> Mapping[str, Followup]:
        """Return those that exist, here or as they went, by their own ids."""
        ...

    async def get(self, followup_id: str) -> Followup | None:
        """Return one."""
        ...

    async def due(self, now: datetime, limit: int) -> Sequence[Followup]:
        """Return those whose next alert has come, the longest due first."""
        ...

    async def seen(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the inbox ids that were applied."""
        ...

    async def waited_for(self, ids: Collection[str]) -> Collection[str]:
        """Return those of the resolution ids that deferred messages wait for."""
        ...

    async def ahead(self, resolution_ids: Collection[str]) -> Ahead:
        """Return what these resolutions lead to, with whichever deputies."""
        ...

    async def save(
        self, changes: Sequence[Change], cause: CommitContext, ahead: Ahead | None = None
    ) -> None:
        """Save all with their cause in one transaction, or nothing.

        `ahead`: what they were decided on. Raises Stale where a follow-up has moved on, or that
        holds no longer, and whatever the cause's conditions raise.
        """
        ...


class UnknownFollowup(Exception):
    """There is no follow-up of that id."""


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """A deputy's tracking: whose it is, by which rules, and how its events are addressed."""

    deputy: str
    escalation: EscalationPolicy
    topic: str  # of its events
    scheduler: str  # ce_source of the scheduler, which may amend what others approved
    resolutions_of: Callable[[str], str]  # the topic of a deputy's resolutions


# -- what comes by event ------------------------------------------------------------------------


async def handle_events(
    messages: Sequence[Message], store: FollowupRepository, context: HandlerContext, now: datetime
) -> Decision[Change]:
    """Take a batch of resolution events, folded by resolution in the order of their offsets.

    An amendment or withdrawal of what is not approved yet is deferred, and whatever comes behind
    it for the same resolution as well. What another deputy answers for now goes on to him.
    """
    ids = {id_ for id_ in map(_resolution_id, messages) if id_ is not None}
    known, moved_out = await asyncio.gather(store.of_resolutions(ids), store.moved_out(ids))
    later = [message for message in messages if _needs_inbox(message)]
    seen = set(await store.seen([message.inbox_id for message in later]))
    new = {str(_resolution_id(message)) for message in later if not message.deferred}
    waited_for = await store.waited_for(new)
    drafts: dict[str, _Draft] = {}
    verdicts: list[Verdict] = []
    for message in messages:
        resolution_id = _resolution_id(message)
        if resolution_id is None:
            verdicts.append(Outcome.IGNORED)
            continue
        if resolution_id in moved_out and resolution_id not in known:
            verdicts.append(Forward(context.resolutions_of(moved_out[resolution_id].deputy)))
            continue
        draft = drafts.get(resolution_id)
        if draft is None:
            draft = drafts[resolution_id] = _Draft(known.get(resolution_id), context)
            draft.waited_for = resolution_id in waited_for
        try:
            verdicts.append(_take_one(message, draft, seen, now))
        except UnknownResolution as unknown:
            draft.waited_for = True
            verdicts.append(Defer(resolution_id, Refusal(unknown.reason, str(unknown))))
        except Refused as refused:
            verdicts.append(Refusal(refused.reason, str(refused)))
    return Decision(verdicts, [d.change() for d in drafts.values() if d.changed])


@dataclass(slots=True)
class _Draft:
    """A follow-up while a batch is folded into it."""

    before: Followup | None
    context: HandlerContext
    after: Followup | None = None
    events: list[Event] = field(default_factory=list)
    inbox: list[str] = field(default_factory=list)
    passed: list[Followup] = field(default_factory=list)
    waited_for: bool = False  # by messages that came before

    def __post_init__(self) -> None:
        self.after = self.before

    @property
    def changed(self) -> bool:
        return bool(self.events or self.inbox)

    def apply(self, fact: Fact) -> Followup:
        if self.after is not None and self.after is not self.before:
            self.passed.append(self.after)
        self.after = opened(fact) if isinstance(fact, Opened) else evolve(self.existing(), fact)
        return self.after

    def add(self, fact: Fact, trace: str | None) -> None:
        after = self.apply(fact)
        self.events.append(events.to_event(after, fact, self.context.topic, trace))

    def existing(self) -> Followup:
        if self.after is None:
            raise UnknownResolution("no such resolution was approved here")
        return self.after

    def change(self) -> Change:
        after = self.existing()
        alert = self.context.escalation.next_alert(after)
        return Change(self.before, after, self.events, alert, self.inbox, self.passed)


def _take_one(message: Message, draft: _Draft, seen: set[str], now: datetime) -> Verdict:
    data, source, trace = message.data, message.event.source, message.event.traceparent
    context = draft.context
    assert isinstance(data, ResolutionApproved | ResolutionAmended | ResolutionWithdrawn)
    decisions.require_own(data.deputy, context.deputy, draft.after)
    if isinstance(data, ResolutionApproved):
        fingerprint = events.fingerprint_of(data)
        if draft.after is not None:
            if draft.after.fingerprint != fingerprint:
                fingerprint = events.fingerprint_as_written(message.event)
            decisions.approve_again(draft.after, fingerprint)
            return Outcome.DUPLICATE
        resolution = events.resolution_of(data)
        last = context.escalation.acknowledge_by(resolution, now)
        draft.add(decisions.open_(resolution, source, fingerprint, now, last), trace)
        return Outcome.APPLIED
    if message.inbox_id in seen:
        return Outcome.DUPLICATE
    if draft.waited_for and not message.deferred:
        raise UnknownResolution("what came before it waits still")
    fact: Fact | None
    followup = draft.existing()
    if isinstance(data, ResolutionAmended):
        amended = events.amended(followup.resolution, data)
        reason = data.reason
        id_ = message.event.id
        scheduler, at = context.scheduler, data.amended_at
        sent_at = message.sent_at
        fact = decisions.amend(followup, amended, source, scheduler, reason, id_, at, now, sent_at)
    else:
        fact = decisions.withdraw(followup, source, context.scheduler, data.reason, now)
    draft.inbox.append(message.inbox_id)
    seen.add(message.inbox_id)
    if fact is None:  # noted all the same: it might change something when it comes again
        return Outcome.DUPLICATE
    draft.add(fact, trace)
    return Outcome.APPLIED


def _resolution_id(message: Message) -> str | None:
    data = message.data
    if isinstance(data, ResolutionApproved | ResolutionAmended | ResolutionWithdrawn):
        return data.resolution_id
    return None


def _needs_inbox(message: Message) -> bool:
    return isinstance(message.data, ResolutionAmended | ResolutionWithdrawn)


# -- after a restored copy ----------------------------------------------------------------------


async def recover(
    messages: Sequence[Message], store: FollowupRepository, context: HandlerContext
) -> int:
    """Apply those of our own events that the store does not hold; return how many.

    Raises Stale where another process does the same at this moment.
    """
    ids = {m.data.followup_id for m in messages if isinstance(m.data, FollowupEvent)}
    known = await store.here_or_moved_out(ids)
    drafts = {id_: _Draft(known.get(id_), context) for id_ in ids}
    for message in messages:
        data = message.data
        if not isinstance(data, FollowupEvent):
            continue
        draft = drafts[data.followup_id]
        version = draft.after.version if draft.after else 0
        fact = events.from_event(data, draft.after)
        if message.event.sequence != version + 1 or fact is None:
            continue
        draft.apply(fact)
        draft.events.append(published(message, data.resolution_id, data.followup_id))
        draft.inbox += events.inbox_of([data])
    changes = [draft.change() for draft in drafts.values() if draft.changed]
    if changes:
        await store.save(changes, RECOVERY)
    return sum(len(change.events) for change in changes)


# -- what people do -----------------------------------------------------------------------------

Decide = Callable[[Followup], Fact]


async def act(
    followup_id: str,
    store: FollowupRepository,
    context: HandlerContext,
    by: Principal,
    decide: Decide,
    trace: str | None = None,
    reply: Replying[Followup] = no_reply,
) -> Followup:
    """Let somebody do something to a follow-up; return it as it is then.

    Where somebody else was faster, it is decided anew. Raises UnknownFollowup, Refused, and Stale
    where others were faster every time.
    """

    async def once() -> Followup:
        before = await load(store, followup_id)
        change = changed(before, [decide(before)], context, trace)
        await store.save([change], requested(by, reply(change.after)))
        return change.after

    return await retry_on_conflict(once)


async def load(store: FollowupRepository, followup_id: str) -> Followup:
    """Return a follow-up. Raises UnknownFollowup."""
    found = await store.get(followup_id)
    if found is None:
        raise UnknownFollowup(followup_id)
    return found


# -- what time does -----------------------------------------------------------------------------


async def sweep(
    store: FollowupRepository,
    context: HandlerContext,
    now: datetime,
    fence: Fence,
    limit: int = 500,
) -> int:
    """Announce the levels that were reached by `now`; return how many follow-ups were looked at.

    One call takes the `limit` that are longest due. Where a holiday was announced since a date was
    set, there is no level to announce yet, and only the next date is set anew.
    """
    due = await store.due(now, limit)
    changes = [changed(f, context.escalation.passed(f, now), context, None) for f in due]
    if changes:
        await store.save(changes, CommitContext("clock", "sweeper", fence=fence))
    return len(due)


def changed(
    before: Followup, facts: Iterable[Fact], context: HandlerContext, trace: str | None
) -> Change:
    """What facts make of a follow-up."""
    draft = _Draft(before, context)
    for fact in facts:
        draft.add(fact, trace)
    return draft.change()
