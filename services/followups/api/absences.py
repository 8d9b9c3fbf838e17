"""Absences of deputies, and for whom a sender acts because of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, TypeAlias
from uuid import uuid4

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from services.followups import handlers
from services.followups.api.context import ApiContext, ApiContexts, problems, query_each
from services.followups.api.texts import BriefSaying, User
from services.followups.domain.absences import Absence, substitutions
from services.followups.handlers import AbsenceCommand, UnknownAbsence
from shared.contracts.events.base import Day
from shared.runtime.access import Action, reach
from shared.runtime.calendar import tehran_date
from shared.runtime.clocks import DomainClock, NoTime
from shared.runtime.http import Limit, Page, Repeatable, RequestBody, Traceparent
from shared.runtime.http.access import may
from shared.runtime.http.lists import DAY, DEFAULT_LIMIT, Order, SortField, Sorts
from shared.runtime.idempotent_replies import Replying
from shared.runtime.principals import Principal
from shared.runtime.problems import Problem, not_found
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_ABSENCES)]
Declarer: TypeAlias = Annotated[Principal, may(Action.DECLARE_ABSENCE)]
Deputy: TypeAlias = Annotated[str, Path(description="the deputy who is away")]

_SORTS = Sorts[Absence](
    "absences",
    "absence_id",
    lambda absence: absence.absence_id,
    {"first_on": SortField(DAY, lambda absence, _: absence.first_on)},
)


class DeclareAbsence(RequestBody):
    substitute: User = Field(description="the id of the user who acts for the deputy meanwhile")
    first_on: Day = Field(description="the first day, in Asia/Tehran; today or later")
    last_on: Day = Field(description="the last day, in Asia/Tehran; of 366 days at most")
    reason: BriefSaying


class EndAbsence(RequestBody):
    """Nothing has to be said."""


class AbsenceItem(BaseModel):
    """An absence of a deputy."""

    absence_id: str
    deputy: str
    substitute: str = Field(description="who acts for the deputy on these days")
    first_on: date = Field(description="from 00:00 of this day, in Asia/Tehran")
    last_on: date = Field(description="until the end of this day, in Asia/Tehran")
    reason: str
    in_effect: bool = Field(description="the substitute acts for the deputy at this moment")
    declared_by: str
    declared_at: datetime
    ended_by: str | None = Field(description="who ended it before its last day")
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class AppliedAbsences:
    """Finds for which absent deputies a sender acts: implements `identity.Absences`.

    It asks the databases of all deputies once for each request. One that does not answer grants
    nothing, and takes nothing that the sender's roles give.
    """

    contexts: Mapping[str, ApiContext]
    clock: DomainClock

    async def applied_to(self, by: Principal, *, reads: bool) -> Principal:
        """The sender as a substitute too. Who may read everything needs that only to change."""
        if by.is_machine or (reads and reach(by, Action.READ_FOLLOWUPS).everything):
            return by
        try:
            now = await self.clock.now()
        except NoTime:  # the simulated time has not begun, and no absence either
            return by

        async def look(api: ApiContext) -> Sequence[Absence]:
            return await api.store.absences.of_substitute(by.id, tehran_date(now))

        answers, _ = await query_each(self.contexts, look)
        found = (absence for absences in answers for absence in absences)
        return by.with_absences(substitutions(found, by.id, now))


def routes(contexts: ApiContexts, clock: DomainClock) -> APIRouter:
    """The routes of absences."""
    router = APIRouter(prefix="/deputies/{deputy}/absences", tags=["deputies"])
    _add_list(router, contexts, clock)
    _add_declare(router, contexts, clock)
    _add_end(router, contexts, clock)
    return router


def _add_list(router: APIRouter, contexts: ApiContexts, clock: DomainClock) -> None:
    @router.get("")
    async def list_absences(
        by: Reader,
        deputy: Deputy,
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[AbsenceItem]:
        """List the absences of a deputy, also those that are over."""
        api = _context_of(contexts, deputy, by, Action.READ_ABSENCES)
        found, now = await asyncio.gather(
            api.store.absences.page(order.query(limit, {})), clock.now()
        )
        shown, cursor = _SORTS.cut(found, limit, order)
        return Page(items=[absence_item(one, now) for one in shown], next_cursor=cursor)


def _add_declare(router: APIRouter, contexts: ApiContexts, clock: DomainClock) -> None:
    @router.post("", status_code=201)
    async def declare_absence(
        by: Declarer,
        deputy: Deputy,
        body: DeclareAbsence,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> AbsenceItem:
        """The deputy is away on these days, and the substitute acts for the deputy meanwhile.

        Two absences of one deputy cannot have the same day (409 `absence-overlaps`).
        """
        api = _context_of(contexts, deputy, by, Action.DECLARE_ABSENCE)
        asked = _Asked(api, str(uuid4()), by, await clock.now(), traceparent, once)
        return await asked.answer(
            lambda command: handlers.declare_absence(
                command, body.substitute, body.first_on, body.last_on, body.reason
            )
        )


def _add_end(router: APIRouter, contexts: ApiContexts, clock: DomainClock) -> None:
    @router.post("/{absence_id}/end")
    async def end_absence(
        by: Declarer,
        deputy: Deputy,
        absence_id: str,
        body: EndAbsence,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> AbsenceItem:
        """End an absence at once, also one that has not begun."""
        api = _context_of(contexts, deputy, by, Action.DECLARE_ABSENCE)
        asked = _Asked(api, absence_id, by, await clock.now(), traceparent, once)
        return await asked.answer(handlers.end_absence)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that changes an absence."""

    api: ApiContext
    absence_id: str
    by: Principal
    now: datetime
    trace: str | None
    once: Repeatable

    async def answer(self, act: Callable[[AbsenceCommand], Awaitable[Absence]]) -> AbsenceItem:
        """Run a command of `handlers`; answer the absence as it is then. Raises Problem."""

        async def run(reply: Replying[Absence]) -> Absence:
            store, context = self.api.store.absences, self.api.context
            command = AbsenceCommand(
                self.absence_id, store, context, self.by, self.now, self.trace, reply
            )
            with problems(self.absence_id):
                try:
                    return await act(command)
                except UnknownAbsence:
                    raise _no_absence(self.absence_id) from None

        return await self.once(
            self.api.store.replies, run, lambda absence: absence_item(absence, self.now)
        )


def absence_item(absence: Absence, now: datetime) -> AbsenceItem:
    """An absence as the API shows it at an instant (UTC)."""
    return AbsenceItem(
        absence_id=absence.absence_id,
        deputy=absence.deputy,
        substitute=absence.substitute,
        first_on=absence.first_on,
        last_on=absence.last_on,
        reason=absence.reason,
        in_effect=absence.covers(now),
        declared_by=absence.declared_by,
        declared_at=absence.declared_at,
        ended_by=absence.ended_by,
        ended_at=absence.ended_at,
    )


def _context_of(contexts: ApiContexts, deputy: str, by: Principal, action: Action) -> ApiContext:
    """The context of a deputy. Raises Problem 404 for one who is not here, or not one's own."""
    within = reach(by, action)
    api = contexts.get(deputy)
    if api is None or not (within.everything or deputy in within.deputies):
        raise not_found(sentence("no deputy {deputy}", deputy=deputy))
    return api


def _no_absence(absence_id: str) -> Problem:
    return not_found(sentence("no absence {absence_id}", absence_id=absence_id))
