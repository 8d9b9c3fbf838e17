"""What people do with seasons and sessions: plan, move, cancel, open and close them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from services.scheduler import events
from services.scheduler.domain import decisions, seasons
from services.scheduler.domain.decisions import SeasonExists, SessionExists, TurnTaken
from services.scheduler.domain.records import (
    Gathering,
    Scheduled,
    Season,
    Session,
    SessionFact,
    evolve,
    scheduled,
)
from services.scheduler.handlers.ports import (
    Change,
    HandlerContext,
    SchedulerRepository,
    decide_and_save,
    existing_session,
)
from shared.runtime.commands import Command
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.sentences import sentence

SessionCommand: TypeAlias = Command[SchedulerRepository, HandlerContext, Session]


async def create_season(
    season: Season,
    store: SchedulerRepository,
    context: HandlerContext,
    by: Principal,
    trace: str | None = None,
    reply: Replying[list[Session]] = no_reply,
) -> list[Session]:
    """Create a season with all its sessions at once; return the sessions.

    Raises NotAllowed, Invalid, SeasonExists, SessionExists, TurnTaken, and Stale.
    """
    decisions.require_coordination(by)
    planned = seasons.plan(season, context.calendar, context.report_lead)
    facts = [Scheduled(season.created_at, gathering) for gathering in planned]

    async def decide() -> tuple[list[Change], list[Session]]:
        if await store.season(season.season) is not None:
            raise SeasonExists(sentence("there is a season {season}", season=season.season))
        await _require_new([fact.gathering for fact in facts], store)
        changes = [_scheduled(fact, context, trace) for fact in facts]
        return [Change(None, season), *changes], [scheduled(fact) for fact in facts]

    return await decide_and_save(decide, store, by, reply)


async def schedule_session(
    gathering: Gathering,
    store: SchedulerRepository,
    context: HandlerContext,
    by: Principal,
    now: datetime,
    trace: str | None = None,
    reply: Replying[Session] = no_reply,
) -> Session:
    """Put a session or another gathering into the calendar; return it.

    Raises NotAllowed, Invalid, SessionExists, TurnTaken, and Stale.
    """
    fact = decisions.schedule(gathering, by, context.report_lead, now)

    async def decide() -> tuple[list[Change], Session]:
        await _require_new([fact.gathering], store)
        return [_scheduled(fact, context, trace)], scheduled(fact)

    return await decide_and_save(decide, store, by, reply)


async def reschedule_session(
    command: SessionCommand,
    starts_at: datetime,
    ends_at: datetime,
    reason: str | None,
) -> Session:
    """Move a session that has not begun; return it. If its times stay the same, nothing is saved.

    Raises UnknownSession, NotAllowed, NotNow, Invalid, and Stale as `change_session` does.
    """

    def decide(session: Session) -> SessionFact | None:
        return decisions.reschedule(
            session,
            command.by,
            starts_at,
            ends_at,
            reason,
            command.context.report_lead,
            command.now,
        )

    return await change_session(command, decide)


async def cancel_session(command: SessionCommand, reason: str | None) -> Session:
    """Cancel a session that has not begun; return it.

    Raises UnknownSession, NotAllowed, NotNow, and Stale as `change_session` does.
    """

    def decide(session: Session) -> SessionFact | None:
        return decisions.cancel(session, command.by, reason, command.now)

    return await change_session(command, decide)


async def open_session(command: SessionCommand) -> Session:
    """Begin a session; return it.

    Raises UnknownSession, NotAllowed, NotNow, and Stale as `change_session` does.
    """

    def decide(session: Session) -> SessionFact | None:
        return decisions.open_(session, command.by, command.now)

    return await change_session(command, decide)


async def close_session(command: SessionCommand, summary: str | None) -> Session:
    """End a session with the Minister's summary; return it with the number of its resolutions.

    Raises UnknownSession, NotAllowed, NotNow, and Stale as `change_session` does.
    """

    def decide(session: Session) -> SessionFact | None:
        return decisions.close(session, command.by, summary, command.now)

    return await change_session(command, decide)


async def change_session(
    command: SessionCommand, decide: Callable[[Session], SessionFact | None]
) -> Session:
    """Load a session, decide, and save; return the session after it.

    If somebody else saved in between, `decide` runs again on what they saved. Raises
    UnknownSession, what `decide` raises, and Stale if others were faster at every try.
    """

    async def change() -> tuple[list[Change], Session]:
        before = await existing_session(command.aggregate_id, command.store)
        fact = decide(before)
        if fact is None:
            return [], before
        after = evolve(before, fact)
        event = events.to_event(after, fact, command.context.topics, command.trace)
        return [Change(before, after, [event])], after

    return await decide_and_save(change, command.store, command.by, command.reply)


async def _require_new(gatherings: Sequence[Gathering], store: SchedulerRepository) -> None:
    known = await store.sessions([gathering.session_id for gathering in gatherings])
    if known:
        raise SessionExists(sentence("there is a session {session_id}", session_id=min(known)))
    new = [scheduled(Scheduled(g.starts_at, g)).turn for g in gatherings]
    taken = await store.turns_taken([turn for turn in new if turn is not None])
    if taken:
        season, _, province = min(taken).partition("|")
        raise TurnTaken(
            sentence(
                "{province} has its session in season {season} already",
                province=province,
                season=season,
            )
        )


def _scheduled(fact: Scheduled, context: HandlerContext, trace: str | None) -> Change:
    session = scheduled(fact)
    return Change(None, session, [events.to_event(session, fact, context.topics, trace)])
