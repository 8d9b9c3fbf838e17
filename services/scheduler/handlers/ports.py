"""What is kept where, by which rules, and how a change of it is saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias, TypeVar

from services.scheduler.domain.records import Resolution, Season, Session
from shared.contracts.topics import Topics
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import CommitContext, Event, requested
from shared.runtime.calendar import WorkingCalendar
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal

R = TypeVar("R")

Record: TypeAlias = Season | Session | Resolution


@dataclass(frozen=True, slots=True)
class Change:
    """A record's step from one version to a later one."""

    before: Record | None
    after: Record
    events: Sequence[Event] = ()


class SchedulerRepository(Protocol):
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

    async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
        """Save all with their cause in one transaction, or nothing.

        Raises Stale where a record has moved on, and AlreadyThere where a new one exists.
        """
        ...


class UnknownSession(Exception):
    """There is no session of that id."""


class UnknownResolution(Exception):
    """There is no resolution of that id."""


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """By which rules it is scheduled, and where the events go."""

    calendar: WorkingCalendar
    report_lead: timedelta  # from a report's due instant to its session
    deputies: tuple[str, ...]  # every deputy there is
    topics: Topics


async def existing_session(session_id: str, store: SchedulerRepository) -> Session:
    """Raises UnknownSession."""
    session = await store.session(session_id)
    if session is None:
        raise UnknownSession(session_id)
    return session


async def saved(
    decide: Callable[[], Awaitable[tuple[Sequence[Change], R]]],
    store: SchedulerRepository,
    by: Principal,
    reply: Replying[R] = no_reply,
) -> R:
    """Save what was decided with its reply, and decide anew where somebody else was faster.

    Raises Stale where others were faster every time.
    """

    async def once() -> R:
        changes, result = await decide()
        if changes:
            await store.save(changes, requested(by, reply(result)))
        return result

    return await retry_on_conflict(once)
