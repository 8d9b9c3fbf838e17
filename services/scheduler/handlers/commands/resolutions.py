"""What people do with resolutions: record them in a session, amend and withdraw them."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

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
    existing_session,
    saved,
)
from shared.runtime.principals import Principal
from shared.runtime.replies import Replying, no_reply


@dataclass(frozen=True, slots=True)
class Proposal:
    """A resolution to record, under an id of whoever proposes it, or the session's next one."""

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
    """Record what was resolved in a session: all of it, or nothing.

    What is known with the same data is returned as it stands. Raises UnknownSession, NotAllowed,
    NotNow, Conflict, Invalid with fields like `resolutions.0.due_on`, and Stale.
    """
    decisions.require_a_recorder(by)
    _require_distinct(proposals)

    async def decide() -> tuple[list[Change], list[Resolution]]:
        session = await existing_session(session_id, store)
        decisions.require_sitting(session)
        named = [p.resolution_id for p in proposals if p.resolution_id is not None]
        known = await store.resolutions(named)
        numbers = iter(await _next_ids(session, named, len(proposals) - len(named), store))
        ids = [p.resolution_id or next(numbers) for p in proposals]
        terms = [decisions.terms_in(session, p.terms) for p in proposals]
        for id_, meant in zip(ids, terms, strict=True):
            if id_ in known:
                decisions.approve_again(known[id_], session, meant)
        facts = _approve(session, ids, terms, known, context, now)
        new = {fact.resolution_id: approved(fact) for fact in facts}
        changes = [_approved(new[fact.resolution_id], fact, context, trace) for fact in facts]
        if changes:
            counted = replace(session, resolutions=session.resolutions + len(new))
            changes.append(Change(session, counted))
        return changes, [known.get(id_) or new[id_] for id_ in ids]

    return await saved(decide, store, by, reply)


async def amend_resolution(
    resolution_id: str,
    amendment: Amendment,
    reason: str | None,
    store: SchedulerRepository,
    context: HandlerContext,
    by: Principal,
    now: datetime,
    trace: str | None = None,
    reply: Replying[Resolution] = no_reply,
) -> Resolution:
    """Change what was resolved; return the resolution. If nothing differs, nothing changes.

    Raises UnknownResolution, NotAllowed, NotNow, Invalid, and Stale as `change_resolution` does.
    """

    def decide(resolution: Resolution) -> ResolutionFact | None:
        return decisions.amend(resolution, by, amendment, reason, now)

    return await change_resolution(resolution_id, store, context, by, decide, trace, reply)


async def withdraw_resolution(
    resolution_id: str,
    reason: str | None,
    store: SchedulerRepository,
    context: HandlerContext,
    by: Principal,
    now: datetime,
    trace: str | None = None,
    reply: Replying[Resolution] = no_reply,
) -> Resolution:
    """Withdraw a resolution; return it. If it was withdrawn before, nothing changes.

    Raises UnknownResolution, NotAllowed, and Stale as `change_resolution` does.
    """

    def decide(resolution: Resolution) -> ResolutionFact | None:
        return decisions.withdraw(resolution, by, reason, now)

    return await change_resolution(resolution_id, store, context, by, decide, trace, reply)


async def change_resolution(
    resolution_id: str,
    store: SchedulerRepository,
    context: HandlerContext,
    by: Principal,
    decide: Callable[[Resolution], ResolutionFact | None],
    trace: str | None = None,
    reply: Replying[Resolution] = no_reply,
) -> Resolution:
    """Load a resolution, decide, and save; return the resolution after it.

    If somebody else saved in between, `decide` runs again on what they saved. Raises
    UnknownResolution, what `decide` raises, and Stale if others were faster at every try.
    """

    async def change() -> tuple[list[Change], Resolution]:
        before = await store.resolution(resolution_id)
        if before is None:
            raise UnknownResolution(resolution_id)
        fact = decide(before)
        if fact is None:
            return [], before
        after = evolve_resolution(before, fact)
        event = events.resolution_to_event(after, fact, context.topics, trace)
        return [Change(before, after, [event])], after

    return await saved(change, store, by, reply)


def _approve(
    session: Session,
    ids: Sequence[str],
    terms: Sequence[Terms],
    known: Container[str],
    context: HandlerContext,
    now: datetime,
) -> list[Approved]:
    """Approve those that are not known yet. Raises Invalid with the faults of all."""
    facts: list[Approved] = []
    faults: list[Fault] = []
    for place, id_ in enumerate(ids):
        if id_ in known:
            continue
        try:
            facts.append(decisions.approve(session, id_, terms[place], context.deputies, now))
        except Invalid as invalid:
            faults += [
                Fault(f"resolutions.{place}.{fault.field}", fault.detail)
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
    for place, proposal in enumerate(proposals):
        if proposal.resolution_id in seen:
            raise Invalid([Fault(f"resolutions.{place}.resolution_id", "named twice")])
        if proposal.resolution_id is not None:
            seen.add(proposal.resolution_id)


async def _next_ids(
    session: Session, named: Sequence[str], wanted: int, store: SchedulerRepository
) -> list[str]:
    """The session's next ids that nobody has taken: `1402-IR-09-R001`."""
    ids: list[str] = []
    number = session.resolutions
    while len(ids) < wanted:
        candidates = [f"{session.session_id}-R{number + n:03}" for n in range(1, wanted + 1)]
        taken = {*named, *await store.resolutions(candidates)}
        ids += [candidate for candidate in candidates if candidate not in taken]
        number += wanted
    return ids[:wanted]
