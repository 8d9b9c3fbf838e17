"""What people do with resolutions: record them in a session, amend and withdraw them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from services.scheduler import events
from services.scheduler.domain import decisions
from services.scheduler.domain.decisions import Fault, Invalid
from services.scheduler.domain.records import (
    Amendment,
    Approved,
    Resolution,
    ResolutionFact,
    Session,
    Terms,
    approved,
    evolve_resolution,
)
from services.scheduler.handlers.ports import (
    Change,
    HandlerContext,
    SchedulerRepository,
    UnknownResolution,
    decide_and_save,
    existing_session,
)
from shared.runtime.commands import Command
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal

ResolutionCommand: TypeAlias = Command[SchedulerRepository, HandlerContext, Resolution]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A resolution to record, with an id by the caller or, if None, the session's next id."""

    resolution_id: str | None
    terms: Terms


async def record_resolutions(
    session_id: str,
    proposals: Sequence[Proposal],
    store: SchedulerRepository,
    context: HandlerContext,
    by: Principal,
    now: datetime,
    trace: str | None = None,
    reply: Replying[list[Resolution]] = no_reply,
) -> list[Resolution]:
    """Record the resolutions of a session: all of them, or none.

    One that exists already with the same data is returned in its present state. Raises
    UnknownSession, NotAllowed, NotNow, Conflict, Invalid with fields like `resolutions.0.due_on`,
    and Stale.
    """
    decisions.require_recorder(by)
    _require_distinct(proposals)

    async def decide() -> tuple[list[Change], list[Resolution]]:
        session = await existing_session(session_id, store)
        decisions.require_begun(session)
        named = [p.resolution_id for p in proposals if p.resolution_id is not None]
        known = await store.resolutions(named)
        numbers = iter(await _next_ids(session, named, len(proposals) - len(named), store))
        ids = [p.resolution_id or next(numbers) for p in proposals]
        terms = [decisions.terms_in(session, p.terms) for p in proposals]
        for id_, own_terms in zip(ids, terms, strict=True):
            if id_ in known:
                decisions.approve_again(known[id_], session, own_terms)
        facts = _approve(session, ids, terms, known, context, now)
        new = {fact.resolution_id: approved(fact) for fact in facts}
        changes = [_approved(new[fact.resolution_id], fact, context, trace) for fact in facts]
        if changes:
            counted = replace(session, resolutions=session.resolutions + len(new))
            changes.append(Change(session, counted))
        return changes, [known.get(id_) or new[id_] for id_ in ids]

    return await decide_and_save(decide, store, by, reply)


async def amend_resolution(
    command: ResolutionCommand,
    amendment: Amendment,
    reason: str | None,
) -> Resolution:
    """Amend a resolution; return it. If no field differs, nothing is saved.

    Raises UnknownResolution, NotAllowed, NotNow, Invalid, and Stale as `change_resolution` does.
    """

    def decide(resolution: Resolution) -> ResolutionFact | None:
        return decisions.amend(resolution, command.by, amendment, reason, command.now)

    return await change_resolution(command, decide)


async def withdraw_resolution(command: ResolutionCommand, reason: str | None) -> Resolution:
    """Withdraw a resolution; return it. If it is withdrawn already, nothing is saved.

    Raises UnknownResolution, NotAllowed, and Stale as `change_resolution` does.
    """

    def decide(resolution: Resolution) -> ResolutionFact | None:
        return decisions.withdraw(resolution, command.by, reason, command.now)

    return await change_resolution(command, decide)


async def change_resolution(
    command: ResolutionCommand, decide: Callable[[Resolution], ResolutionFact | None]
) -> Resolution:
    """Load a resolution, decide, and save; return the resolution after it.

    If somebody else saved in between, `decide` runs again on what they saved. Raises
    UnknownResolution, what `decide` raises, and Stale if others were faster at every try.
    """

    async def change() -> tuple[list[Change], Resolution]:
        before = await command.store.resolution(command.aggregate_id)
        if before is None:
            raise UnknownResolution(command.aggregate_id)
        fact = decide(before)
        if fact is None:
            return [], before
        after = evolve_resolution(before, fact)
        event = events.resolution_to_event(after, fact, command.context.topics, command.trace)
        return [Change(before, after, [event])], after

    return await decide_and_save(change, command.store, command.by, command.reply)


def _approve(
    session: Session,
    ids: Sequence[str],
    terms: Sequence[Terms],
    known: Container[str],
    context: HandlerContext,
    now: datetime,
) -> list[Approved]:
    """Approve those that are new. Raises Invalid with the faults of all."""
    facts: list[Approved] = []
    faults: list[Fault] = []
    for index, id_ in enumerate(ids):
        if id_ in known:
            continue
        try:
            facts.append(decisions.approve(session, id_, terms[index], context.deputies, now))
        except Invalid as invalid:
            faults += [
                Fault(f"resolutions.{index}.{fault.field}", fault.detail)
                for fault in invalid.faults
            ]
    if faults:
        raise Invalid(faults)
    return facts


def _approved(
    resolution: Resolution, fact: Approved, context: HandlerContext, trace: str | None
) -> Change:
    event = events.resolution_to_event(resolution, fact, context.topics, trace)
    return Change(None, resolution, [event])


def _require_distinct(proposals: Sequence[Proposal]) -> None:
    seen: set[str] = set()
    for index, proposal in enumerate(proposals):
        if proposal.resolution_id in seen:
            raise Invalid([Fault(f"resolutions.{index}.resolution_id", "named twice")])
        if proposal.resolution_id is not None:
            seen.add(proposal.resolution_id)


async def _next_ids(
    session: Session, named: Sequence[str], count: int, store: SchedulerRepository
) -> list[str]:
    """The session's next `count` free ids, such as `1402-IR-09-R001`."""
    ids: list[str] = []
    number = session.resolutions
    while len(ids) < count:
        candidates = [f"{session.session_id}-R{number + n:03}" for n in range(1, count + 1)]
        taken = {*named, *await store.resolutions(candidates)}
        ids += [candidate for candidate in candidates if candidate not in taken]
        number += count
    return ids[:count]
