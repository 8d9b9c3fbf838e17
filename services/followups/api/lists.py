"""Reading follow-ups: lists over several deputies, one of them, its history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from services.followups import events
from services.followups.api.desks import Desk, Desks, ask
from services.followups.api.items import (
    FollowupItem,
    FollowupPage,
    HistoryItem,
    followup_item,
    history_item,
)
from services.followups.api.work import CommentItem, comment_items
from services.followups.domain.records import State
from services.followups.domain.timeline import Timeline, timeline
from services.followups.handlers import Query
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Limit, SortKeys, fitting
from shared.runtime.http.disposition import inline
from shared.runtime.http.lists import DEFAULT_LIMIT
from shared.runtime.identity import Caller

_BY_ID = SortKeys(str)


@dataclass(frozen=True)
class Filters:
    """The fields by which the list of follow-ups can be filtered."""

    followup_id: str | None = None
    deputy: str | None = None
    resolution_id: str | None = None
    state: State | None = None
    session_id: str | None = None
    province: str | None = None
    axis: str | None = None
    priority: Literal["normal", "urgent"] | None = None
    level: Annotated[int | None, Field(ge=0, le=3)] = None
    overdue: bool | None = None
    predecessor: str | None = None

    def fields(self) -> dict[str, object]:
        """The wanted value of each stored field, but for its id and its deputy."""
        names = (
            "resolution_id",
            "session_id",
            "province",
            "axis",
            "priority",
            "level",
            "overdue",
            "predecessor",
        )
        wanted: dict[str, object] = {name: getattr(self, name) for name in names}
        wanted["state"] = None if self.state is None else self.state.value
        return {name: value for name, value in wanted.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Picture:
    """How the life of a follow-up is drawn."""

    media_type: str
    draw: Callable[[Timeline, datetime], bytes]  # as it is at an instant (UTC)


def routes(desks: Desks, clock: DomainClock, picture: Picture) -> APIRouter:
    """The routes that read."""
    router = APIRouter(tags=["follow-ups"])

    @router.get("/followups")
    async def list_followups(
        _: Caller,
        filters: Annotated[Filters, Depends()],
        after: Annotated[tuple[Any, ...] | None, Depends(_BY_ID)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> FollowupPage:
        """List follow-ups by their ids; of all deputies, or of one."""
        asked = desks.wanted(filters.deputy)
        if filters.followup_id is not None:
            return await _only(asked, filters.followup_id, filters, after, await clock.now())
        query = Query(filters.fields(), None if after is None else after[0], limit + 1)
        pages, partial = await ask(asked, lambda desk: desk.store.page(query))
        found = sorted((f for page in pages for f in page), key=lambda f: f.followup_id)
        now = await clock.now()
        more = len(found) > limit
        return FollowupPage(
            items=[followup_item(followup, now) for followup in found[:limit]],
            next_cursor=_BY_ID.write(found[limit - 1].followup_id) if more else None,
            partial=partial,
        )

    @router.get("/followups/{followup_id}")
    async def get_followup(_: Caller, followup_id: str) -> FollowupItem:
        """One follow-up."""
        _desk, followup = await desks.find(followup_id)
        return followup_item(followup, await clock.now())

    @router.get("/followups/{followup_id}/history")
    async def get_history(_: Caller, followup_id: str) -> list[HistoryItem]:
        """Everything that happened to a follow-up, by version."""
        desk, _followup = await desks.find(followup_id)
        return [history_item(entry) for entry in await desk.store.history(followup_id)]

    @router.get(
        "/followups/{followup_id}/timeline.svg",
        response_class=Response,
        responses={200: {"content": {picture.media_type: {}}}},
    )
    async def get_timeline(_: Caller, followup_id: str) -> Response:
        """The life of a follow-up as a picture: states, due dates, extensions, levels, progress."""
        desk, _followup = await desks.find(followup_id)
        history = await desk.store.history(followup_id)
        life = timeline(events.steps_of(entry.event for entry in history))
        content = await asyncio.to_thread(picture.draw, life, await clock.now())
        name = {"Content-Disposition": inline(f"timeline-{followup_id}.svg")}
        return Response(content, headers=name, media_type=picture.media_type)

    @router.get("/followups/{followup_id}/comments")
    async def get_comments(_: Caller, followup_id: str) -> list[CommentItem]:
        """What was said about a follow-up, the earliest first."""
        desk, _followup = await desks.find(followup_id)
        return comment_items(await desk.store.history(followup_id))

    return router


async def _only(
    desks: Mapping[str, Desk],
    followup_id: str,
    filters: Filters,
    after: tuple[Any, ...] | None,
    now: datetime,
) -> FollowupPage:
    answers, partial = await ask(desks, lambda desk: desk.store.get(followup_id))
    found = (followup_item(followup, now) for followup in answers if followup is not None)
    one = fitting(next(found, None), "followup_id", after, filters.fields())
    return FollowupPage(items=one, partial=partial)
