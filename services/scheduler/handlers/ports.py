"""What is saved and how, what the handlers need of the store, and their settings."""

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
    """A record before and after a step, with the events of that step."""

    before: Record | None
    after: Record
    events: Sequence[Event] = ()


class SchedulerRepository(Protocol):
    """What the handlers need of the store of seasons, sessions and resolutions."""

    async def season(self, season: str) -> Season | None:
        """Return the season, or None."""
        ...

    async def session(self, session_id: str) -> Session | None:
        """Return the session, or None."""
        ...

    async def sessions(self, ids: Collection[str]) -> Mapping[str, Session]:
        """Return those that exist, by id."""
        ...

    async def turns_taken(self, turns: Collection[str]) -> Collection[str]:
        """Return those of the turns that a session has."""
        ...

    async def resolution(self, resolution_id: str) -> Resolution | None:
        """Return the resolution, or None."""
        ...

    async def resolutions(self, ids: Collection[str]) -> Mapping[str, Resolution]:
        """Return those that exist, by id."""
        ...

    async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
        """Save all with their cause in one transaction, or nothing.

        Raises Stale if somebody else has changed a record, and AlreadyExists if a new one exists.
        """
        ...


class UnknownSession(Exception):
    """There is no session with this id."""


class UnknownResolution(Exception):
    """There is no resolution with this id."""


@dataclass(frozen=True, slots=True)
class HandlerContext:
    """Settings of the handlers: the rules of scheduling, and the topics of the events."""

    calendar: WorkingCalendar
    report_lead: timedelta  # how long before its session a report is due
    deputies: tuple[str, ...]  # all deputies
    topics: Topics


async def existing_session(session_id: str, store: SchedulerRepository) -> Session:
    """Load a session. Raises UnknownSession."""
    session = await store.session(session_id)
    if session is None:
        raise UnknownSession(session_id)
    return session


async def decide_and_save(
    decide: Callable[[], Awaitable[tuple[Sequence[Change], R]]],
    store: SchedulerRepository,
    by: Principal,
    reply: Replying[R] = no_reply,
) -> R:
    """Decide, save the changes with the reply, and return the result.

    If somebody else saved in between, `decide` runs again. Raises Stale if others were faster at
    every try.
    """

    async def once() -> R:
        changes, result = await decide()
        if changes:
            await store.save(changes, requested(by, reply(result)))
        return result

    return await retry_on_conflict(once)
