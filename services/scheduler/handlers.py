"""One function a command: load, decide, save."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias, TypeVar

from services.scheduler import events
from services.scheduler.domain import decisions, seasons
from services.scheduler.domain.decisions import (
    Fault,
    Invalid,
    SeasonExists,
    SessionExists,
    TurnTaken,
)
from services.scheduler.domain.records import (
    Approved,
    Gathering,
    Resolution,
    ResolutionFact,
    Scheduled,
    Season,
    Session,
    SessionFact,
    Terms,
    approved,
    evolve,
    evolve_resolution,
    scheduled,
)
from shared.contracts.topics import Topics
from shared.messaging.failures import Stale
from shared.messaging.records import Cause, Event
from shared.runtime.calendar import WorkingCalendar
from shared.runtime.principals import Principal

_FRESH_DECISIONS = 5

Record: TypeAlias = Season | Session | Resolution
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Change:
    """A record's step from one version to a later one."""

    before: Record | None
    after: Record
    events: Sequence[Event] = ()


class Register(Protocol):
    """What the handlers need of the store of seasons, sessions and resolutions."""

    async def season(self, season: str) -> Season | None:
        """Return one."""
        ...

    async def session(self, session_id: str) -> Session | None:
        """Return one."""
        ...

    async def sessions(self, ids: Collection[str]) -> Mapping[str, Session]:
        """Return those that exist, by id."""
        ...

    async def turns_taken(self, turns: Collection[str]) -> Collection[str]:
        """Return those of the turns that a session is."""
        ...

    async def resolution(self, resolution_id: str) -> Resolution | None:
        """Return one."""
        ...

    async def resolutions(self, ids: Collection[str]) -> Mapping[str, Resolution]:
        """Return those that exist, by id."""
        ...

    async def save(self, changes: Sequence[Change], cause: Cause) -> None:
        """Save all with their cause in one transaction, or nothing.

        Raises Stale where a record has moved on, and AlreadyThere where a new one exists.
        """
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """A page of a list: the records with these fields, in the order of their ids."""

    fields: Mapping[str, object]
    after: str | None  # the id that the page begins behind
    limit: int


class UnknownSession(Exception):
    """There is no session of that id."""


class UnknownResolution(Exception):
    """There is no resolution of that id."""


@dataclass(frozen=True, slots=True)
class Rules:
    """By which rules it is scheduled, and where the events go."""

    calendar: WorkingCalendar
    report_lead: timedelta  # from a report's due instant to its session
    deputies: tuple[str, ...]  # every deputy there is
    topics: Topics


@dataclass(frozen=True, slots=True)
class Proposal:
    """A resolution to record, under an id of whoever proposes it, or the session's next one."""

    resolution_id: str | None
    terms: Terms


# -- the calendar -------------------------------------------------------------------------------


async def create_season(
    season: Season, register: Register, rules: Rules, by: Principal, trace: str | None = None
) -> list[Session]:
    """Put a season with all its sessions into the calendar at once; return the sessions.

    Raises NotAllowed, Invalid, SeasonExists, SessionExists, TurnTaken, and Stale.
    """
    decisions.require_coordination(by)
    planned = seasons.plan(season, rules.calendar, rules.report_lead)
    facts = [Scheduled(season.created_at, gathering) for gathering in planned]

    async def decide() -> tuple[list[Change], list[Session]]:
        if await register.season(season.season) is not None:
            raise SeasonExists(f"there is a season {season.season}")
        await _require_free([fact.gathering for fact in facts], register)
        changes = [_scheduled(fact, rules, trace) for fact in facts]
        return [Change(None, season), *changes], [scheduled(fact) for fact in facts]

    return await _saved(decide, register, by)


async def schedule(
    gathering: Gathering,
    register: Register,
    rules: Rules,
    by: Principal,
    now: datetime,
    trace: str | None = None,
) -> Session:
    """Put any other gathering into the calendar.

    Raises NotAllowed, Invalid, SessionExists, TurnTaken, and Stale.
    """
    fact = decisions.schedule(gathering, by, rules.report_lead, now)

    async def decide() -> tuple[list[Change], Session]:
        await _require_free([fact.gathering], register)
        return [_scheduled(fact, rules, trace)], scheduled(fact)

    return await _saved(decide, register, by)


async def _require_free(gatherings: Sequence[Gathering], register: Register) -> None:
    known = await register.sessions([gathering.session_id for gathering in gatherings])
    if known:
        raise SessionExists(f"there is a session {min(known)}")
    new = [scheduled(Scheduled(g.starts_at, g)).turn for g in gatherings]
    taken = await register.turns_taken([turn for turn in new if turn is not None])
    if taken:
        season, _, province = min(taken).partition("|")
        raise TurnTaken(f"{province} has its session in season {season} already")


def _scheduled(fact: Scheduled, rules: Rules, trace: str | None) -> Change:
    session = scheduled(fact)
    return Change(None, session, [events.announce(session, fact, rules.topics, trace)])


async def act(
    session_id: str,
    register: Register,
    rules: Rules,
    by: Principal,
    decide: Callable[[Session], SessionFact | None],
    trace: str | None = None,
) -> Session:
    """Let somebody do something to a session; return it as it is then.

    Where somebody else was faster, it is decided anew. Raises UnknownSession, Refused, and Stale
    where others were faster every time.
    """

    async def change() -> tuple[list[Change], Session]:
        before = await _session(session_id, register)
        fact = decide(before)
        if fact is None:
            return [], before
        after = evolve(before, fact)
        event = events.announce(after, fact, rules.topics, trace)
        return [Change(before, after, [event])], after

    return await _saved(change, register, by)


# -- resolutions --------------------------------------------------------------------------------


async def record(
    session_id: str,
    proposals: Sequence[Proposal],
    register: Register,
    rules: Rules,
    by: Principal,
    now: datetime,
    trace: str | None = None,
) -> list[Resolution]:
    """Record what was resolved in a session: all of it, or nothing.

    What is known with the same data is returned as it stands. Raises UnknownSession, NotAllowed,
    NotNow, Conflict, Invalid with fields like `resolutions.0.due_on`, and Stale.
    """
    decisions.require_a_recorder(by)
    _require_distinct(proposals)

    async def decide() -> tuple[list[Change], list[Resolution]]:
        session = await _session(session_id, register)
        decisions.require_sitting(session)
        named = [p.resolution_id for p in proposals if p.resolution_id is not None]
        known = await register.resolutions(named)
        numbers = iter(await _next_ids(session, named, len(proposals) - len(named), register))
        ids = [p.resolution_id or next(numbers) for p in proposals]
        terms = [decisions.terms_in(session, p.terms) for p in proposals]
        for id_, meant in zip(ids, terms, strict=True):
            if id_ in known:
                decisions.approve_again(known[id_], session, meant)
        facts = _approve(session, ids, terms, known, rules, now)
        new = {fact.resolution_id: approved(fact) for fact in facts}
        changes = [_approved(new[fact.resolution_id], fact, rules, trace) for fact in facts]
        if changes:
            counted = replace(session, resolutions=session.resolutions + len(new))
            changes.append(Change(session, counted))
        return changes, [known.get(id_) or new[id_] for id_ in ids]

    return await _saved(decide, register, by)


def _approve(
    session: Session,
    ids: Sequence[str],
    terms: Sequence[Terms],
    known: Container[str],
    rules: Rules,
    now: datetime,
) -> list[Approved]:
    """Approve those that are not known yet. Raises Invalid with the faults of all."""
    facts: list[Approved] = []
    faults: list[Fault] = []
    for place, id_ in enumerate(ids):
        if id_ in known:
            continue
        try:
            facts.append(decisions.approve(session, id_, terms[place], rules.deputies, now))
        except Invalid as invalid:
            faults += [
                Fault(f"resolutions.{place}.{fault.field}", fault.detail)
                for fault in invalid.faults
            ]
    if faults:
        raise Invalid(faults)
    return facts


def _approved(resolution: Resolution, fact: Approved, rules: Rules, trace: str | None) -> Change:
    event = events.announce_resolution(resolution, fact, rules.topics, trace)
    return Change(None, resolution, [event])


def _require_distinct(proposals: Sequence[Proposal]) -> None:
    seen: set[str] = set()
    for place, proposal in enumerate(proposals):
        if proposal.resolution_id in seen:
            raise Invalid([Fault(f"resolutions.{place}.resolution_id", "named twice")])
        if proposal.resolution_id is not None:
            seen.add(proposal.resolution_id)


async def _next_ids(
    session: Session, named: Sequence[str], wanted: int, register: Register
) -> list[str]:
    """The session's next ids that nobody has taken: `1402-IR-09-R001`."""
    ids: list[str] = []
    number = session.resolutions
    while len(ids) < wanted:
        candidates = [f"{session.session_id}-R{number + n:03}" for n in range(1, wanted + 1)]
        taken = {*named, *await register.resolutions(candidates)}
        ids += [candidate for candidate in candidates if candidate not in taken]
        number += wanted
    return ids[:wanted]


async def act_on_resolution(
    resolution_id: str,
    register: Register,
    rules: Rules,
    by: Principal,
    decide: Callable[[Resolution], ResolutionFact | None],
    trace: str | None = None,
) -> Resolution:
    """Let somebody change a resolution; return it as it is then.

    Raises UnknownResolution, Refused, and Stale where others were faster every time.
    """

    async def change() -> tuple[list[Change], Resolution]:
        before = await register.resolution(resolution_id)
        if before is None:
            raise UnknownResolution(resolution_id)
        fact = decide(before)
        if fact is None:
            return [], before
        after = evolve_resolution(before, fact)
        event = events.announce_resolution(after, fact, rules.topics, trace)
        return [Change(before, after, [event])], after

    return await _saved(change, register, by)


async def _session(session_id: str, register: Register) -> Session:
    session = await register.session(session_id)
    if session is None:
        raise UnknownSession(session_id)
    return session


async def _saved(
    decide: Callable[[], Awaitable[tuple[Sequence[Change], R]]], register: Register, by: Principal
) -> R:
    """Save what was decided, and decide anew where somebody else was faster."""
    cause = Cause("request", by.id, roles=tuple(sorted(by.roles)))
    for tries in range(1, _FRESH_DECISIONS + 1):
        changes, result = await decide()
        if not changes:
            return result
        try:
            await register.save(changes, cause)
        except Stale:
            if tries == _FRESH_DECISIONS:
                raise
        else:
            return result
    raise AssertionError("unreachable")
