"""Reading follow-ups: lists over several deputies, a single one, its history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from services.followups import events
from services.followups.api.context import ApiContext, ApiContexts, query_all
from services.followups.api.schemas import (
    FollowupItem,
    FollowupPage,
    HistoryItem,
    followup_item,
    history_item,
)
from services.followups.api.work_schemas import CommentItem, comment_items
from services.followups.domain.escalation import days_late
from services.followups.domain.records import Followup, State
from services.followups.domain.timeline import Timeline, timeline
from services.followups.domain.visibility import within
from shared.contracts.events.base import Day
from shared.runtime.access import Action, reach
from shared.runtime.calendar import start_of_day, tehran_date
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Limit
from shared.runtime.http.access import may
from shared.runtime.http.disposition import inline
from shared.runtime.http.filters import (
    AnyFigures,
    AnySpelling,
    Bound,
    ListFilters,
    Word,
    any_of,
    since,
    since_day,
    until,
    until_day,
)
from shared.runtime.http.lists import (
    DAY,
    DAYS_LATE,
    DEFAULT_LIMIT,
    INSTANT,
    Order,
    SortField,
    Sorts,
)
from shared.runtime.list_queries import Value, arranged
from shared.runtime.principals import Principal

Reader: TypeAlias = Annotated[Principal, may(Action.READ_FOLLOWUPS)]


def _days_overdue(followup: Followup, as_of: date | None) -> int:
    assert as_of is not None, "the sort by lateness is as of a day"
    return days_late(followup, followup.resolution.due_on, start_of_day(as_of))


_SORTS = Sorts[Followup](
    "followups",
    "followup_id",
    lambda followup: followup.followup_id,
    {
        "due_on": SortField(DAY, lambda followup, _: followup.resolution.due_on),
        "days_overdue": SortField(DAYS_LATE, _days_overdue),
        "approved_at": SortField(INSTANT, lambda followup, _: followup.resolution.approved_at),
        "changed_at": SortField(INSTANT, lambda followup, _: followup.changed_at),
        "number": SortField(str | None, lambda followup, _: followup.resolution.number),
    },
)


@dataclass(frozen=True)
class Filters(ListFilters):
    """The fields by which the list of follow-ups can be filtered."""

    DAYS = frozenset({"due"})

    followup_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()
    deputy: Annotated[tuple[Word, ...], any_of("Who answers for it.")] = ()
    resolution_id: Annotated[tuple[Word, ...], any_of("The resolution that it follows.")] = ()
    state: Annotated[tuple[State, ...], any_of("Its state.")] = ()
    session_id: Annotated[tuple[Word, ...], any_of("The session that approved it.")] = ()
    province: Annotated[tuple[Word, ...], any_of("ISO 3166-2:IR code.")] = ()
    axis: Annotated[tuple[Word, ...], any_of("An axis of the catalogue.")] = ()
    executing_body: AnySpelling = ()
    priority: Annotated[tuple[Literal["normal", "urgent"], ...], any_of("Its priority.")] = ()
    level: Annotated[
        tuple[Annotated[int, AnyFigures, Field(ge=0, le=3)], ...],
        any_of("The level of overdue that was announced for its due date; 0: none."),
    ] = ()
    overdue: Annotated[tuple[bool, ...], any_of("Open, and a level was announced.")] = ()
    predecessor: Annotated[tuple[Word, ...], any_of("The resolution that it continues.")] = ()
    due_from: Annotated[Day | None, since_day("Due")] = None
    due_to: Annotated[Day | None, until_day("Due")] = None
    approved_from: Annotated[Bound | None, since("Approved")] = None
    approved_to: Annotated[Bound | None, until("Approved")] = None
    changed_from: Annotated[Bound | None, since("Changed last")] = None
    changed_to: Annotated[Bound | None, until("Changed last")] = None

    def fields(self) -> dict[str, Collection[Value]]:
        """The accepted values of each stored field, without the deputy."""
        return {name: values for name, values in super().fields().items() if name != "deputy"}


@dataclass(frozen=True, slots=True)
class Picture:
    """Draws the life of a follow-up."""

    media_type: str
    draw: Callable[[Timeline, datetime], bytes]  # as of an instant (UTC)


def routes(contexts: ApiContexts, clock: DomainClock, picture: Picture) -> APIRouter:
    """The routes that read."""
    router = APIRouter(tags=["follow-ups"])
    _add_list(router, contexts, clock)
    _add_single(router, contexts, clock)
    _add_timeline(router, contexts, clock, picture)
    _add_comments(router, contexts)
    return router


def _add_list(router: APIRouter, contexts: ApiContexts, clock: DomainClock) -> None:

    @router.get("/followups")
    async def list_followups(
        by: Reader,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> FollowupPage:
        """List follow-ups of all deputies, or of some."""
        now = await clock.now()
        if order.sort.field == "days_overdue" and order.as_of is None:
            order = replace(order, as_of=tehran_date(now))  # the same on each page of the list
        query = order.query(limit, filters.fields(), filters.spans())
        read = reach(by, Action.READ_FOLLOWUPS)

        async def page(api: ApiContext) -> Sequence[Followup]:
            narrowed = replace(query, within=within(read, api.context.deputy, now))
            return await api.store.page(narrowed)

        pages, partial = await query_all(contexts.select(filters.deputy), page)
        # A follow-up that moves meanwhile may be in two databases.
        by_id = {f.followup_id: f for page in pages for f in page}
        found = arranged(by_id.values(), order.sort, lambda one: _SORTS.place(one, order))
        shown, cursor = _SORTS.cut(found, limit, order)
        return FollowupPage(
            items=[followup_item(followup, now) for followup in shown],
            next_cursor=cursor,
            partial=partial,
        )


def _add_single(router: APIRouter, contexts: ApiContexts, clock: DomainClock) -> None:
    @router.get("/followups/{followup_id}")
    async def get_followup(by: Reader, followup_id: str) -> FollowupItem:
        """One follow-up."""
        _api, followup = await contexts.find(followup_id, by)
        return followup_item(followup, await clock.now())

    @router.get("/followups/{followup_id}/history")
    async def get_history(by: Reader, followup_id: str) -> list[HistoryItem]:
        """Everything that happened to a follow-up, by version."""
        api, _followup = await contexts.find(followup_id, by)
        return [history_item(entry) for entry in await api.store.history(followup_id)]


def _add_timeline(
    router: APIRouter, contexts: ApiContexts, clock: DomainClock, picture: Picture
) -> None:
    @router.get(
        "/followups/{followup_id}/timeline.svg",
        response_class=Response,
        responses={200: {"content": {picture.media_type: {}}}},
    )
    async def get_timeline(by: Reader, followup_id: str) -> Response:
        """The life of a follow-up as a picture: states, due dates, extensions, levels, progress."""
        api, _followup = await contexts.find(followup_id, by)
        history = await api.store.history(followup_id)
        life = timeline(events.steps_of(entry.event for entry in history))
        content = await asyncio.to_thread(picture.draw, life, await clock.now())
        name = {"Content-Disposition": inline(f"timeline-{followup_id}.svg")}
        return Response(content, headers=name, media_type=picture.media_type)


def _add_comments(router: APIRouter, contexts: ApiContexts) -> None:
    @router.get("/followups/{followup_id}/comments")
    async def get_comments(by: Reader, followup_id: str) -> list[CommentItem]:
        """The comments on a follow-up, the earliest first."""
        api, _followup = await contexts.find(followup_id, by)
        return comment_items(await api.store.history(followup_id))
