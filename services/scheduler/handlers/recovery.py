"""After a restore from an older copy: reads sessions and resolutions from their own topics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, TypeVar

from services.scheduler import events
from services.scheduler.domain.records import (
    Approved,
    Resolution,
    ResolutionFact,
    Scheduled,
    Session,
    approved,
    evolve,
    evolve_resolution,
    scheduled,
)
from services.scheduler.events import ResolutionEvent, SessionEvent
from services.scheduler.handlers.ports import Change, SchedulerRepository
from shared.contracts.events import ResolutionApproved
from shared.messaging.core.model import RECOVERY, Message, published

R = TypeVar("R", Session, Resolution)


async def recover(
    messages: Sequence[Message], store: SchedulerRepository, waiting: dict[str, list[Message]]
) -> int:
    """Apply those of our own events that the store does not hold; return how many.

    Sessions come before the resolutions that were recorded in them: each applied approval raises
    its session's count. `waiting` keeps from call to call, by session id, the events of sessions
    whose turn still belongs to another session, because that session's cancellation is in another
    partition. No event describes a season, so seasons are not restored. Raises Stale if another
    process does the same at this moment.
    """
    found = [m for waited in waiting.values() for m in waited] + list(messages)
    drafts = await _load(found, store)
    for message in found:
        drafts.take(message)
    late = await _out_of_turn(drafts.sessions.values(), store)
    changes = [d.change() for d in drafts.sessions.values() if d.changed and d not in late]
    changes += [d.change() for d in drafts.resolutions.values() if d.changed]
    if changes:
        await store.save(changes, RECOVERY)
    waiting.clear()
    waiting.update({draft.id: draft.messages for draft in late})
    return sum(len(change.events) for change in changes)


@dataclass(slots=True, eq=False)
class _Draft(Generic[R]):
    """A session or a resolution while events are folded into it."""

    id: str
    before: R | None
    after: R | None
    messages: list[Message] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return self.after is not self.before

    def lacks(self, message: Message) -> bool:
        """Whether this event is the next one."""
        version = 0 if self.after is None else self.after.version
        return message.event.sequence == version + 1

    def existing(self) -> R:
        assert self.after is not None, "its first event came before"
        return self.after

    def change(self) -> Change:
        told = [published(message, self.id, self.id) for message in self.messages]
        return Change(self.before, self.existing(), told)


@dataclass(frozen=True, slots=True)
class _Drafts:
    """All that a batch concerns."""

    sessions: dict[str, _Draft[Session]]
    resolutions: dict[str, _Draft[Resolution]]

    def take(self, message: Message) -> None:
        data = message.data
        if isinstance(data, SessionEvent):
            _take_session(self.sessions[data.session_id], data, message)
        elif isinstance(data, ResolutionEvent):
            fact = _take_resolution(self.resolutions[data.resolution_id], data, message)
            if isinstance(fact, Approved):
                _count(self.sessions[fact.session_id])


async def _load(messages: Iterable[Message], store: SchedulerRepository) -> _Drafts:
    known = [m.data for m in messages]
    resolution_ids = {d.resolution_id for d in known if isinstance(d, ResolutionEvent)}
    session_ids = {d.session_id for d in known if isinstance(d, SessionEvent)}
    approvals = [d for d in known if isinstance(d, ResolutionApproved)]
    session_ids |= {d.session_id for d in approvals if d.session_id is not None}
    sessions = await store.sessions(session_ids)
    resolutions = await store.resolutions(resolution_ids)
    return _Drafts(
        {id_: _Draft(id_, sessions.get(id_), sessions.get(id_)) for id_ in session_ids},
        {id_: _Draft(id_, resolutions.get(id_), resolutions.get(id_)) for id_ in resolution_ids},
    )


def _take_session(draft: _Draft[Session], data: SessionEvent, message: Message) -> None:
    fact = events.from_event(data, _time(message))
    if not draft.lacks(message) or isinstance(fact, Scheduled) != (draft.after is None):
        return
    draft.after = scheduled(fact) if isinstance(fact, Scheduled) else evolve(draft.existing(), fact)
    draft.messages.append(message)


def _take_resolution(
    draft: _Draft[Resolution], data: ResolutionEvent, message: Message
) -> ResolutionFact | None:
    """Apply an event if it is the next one; return its fact, or None."""
    fact = events.resolution_from_event(data, _time(message))
    if fact is None or not draft.lacks(message):
        return None
    if isinstance(fact, Approved) != (draft.after is None):
        return None
    if isinstance(fact, Approved):
        draft.after = approved(fact)
    else:
        draft.after = evolve_resolution(draft.existing(), fact)
    draft.messages.append(message)
    return fact


def _count(draft: _Draft[Session]) -> None:
    if draft.after is not None:
        draft.after = replace(draft.after, resolutions=draft.after.resolutions + 1)


def _time(message: Message) -> datetime:
    assert message.event.time is not None, "ours always have it"
    return message.event.time


async def _out_of_turn(
    drafts: Iterable[_Draft[Session]], store: SchedulerRepository
) -> list[_Draft[Session]]:
    """The new sessions whose turn still belongs to another session."""
    changed = [draft for draft in drafts if draft.changed]
    new = [draft for draft in changed if draft.before is None]
    turns = [turn for draft in new if (turn := draft.existing().turn) is not None]
    freed = {d.before.turn for d in changed if d.before and d.existing().turn is None}
    taken = set(await store.turns_taken(turns)) - freed
    late = []
    for draft in new:
        turn = draft.existing().turn
        if turn in taken:
            late.append(draft)
        elif turn is not None:
            taken.add(turn)
    return late
