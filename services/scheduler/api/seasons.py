"""Seasons: all sessions of a year's round at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends

from services.scheduler import handlers
from services.scheduler.api.context import ApiContext, problems
from services.scheduler.api.schemas import (
    CreateSeason,
    SeasonItem,
    SeasonWithSessions,
    season_with_sessions,
)
from services.scheduler.domain.records import Season, Session
from services.scheduler.domain.visibility import sees_session
from shared.runtime.access import Action, reach
from shared.runtime.http import Limit, Page, Repeatable, Traceparent
from shared.runtime.http.access import may
from shared.runtime.http.filters import ListFilters, Word, any_of
from shared.runtime.http.lists import DEFAULT_LIMIT, Order, Sorts
from shared.runtime.idempotent_replies import Replying
from shared.runtime.principals import Principal
from shared.runtime.problems import not_found
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_SEASONS)]
Planner: TypeAlias = Annotated[Principal, may(Action.CREATE_SEASON)]

_SORTS = Sorts[Season]("seasons", "season", lambda season: season.season)


@dataclass(frozen=True)
class Filters(ListFilters):
    """The fields by which the list of seasons can be filtered."""

    season: Annotated[tuple[Word, ...], any_of("Its name.")] = ()


def routes(api: ApiContext) -> APIRouter:
    """The routes of seasons."""
    router = APIRouter(tags=["seasons"])

    @router.post("/seasons", status_code=201)
    async def create_season(
        by: Planner, body: CreateSeason, once: Repeatable, traceparent: Traceparent = None
    ) -> SeasonWithSessions:
        """Coordination plans a season: one province a week, each exactly once."""
        season = Season(**dict(body), created_at=await api.clock.now())

        async def put(reply: Replying[list[Session]]) -> list[Session]:
            with problems():
                return await handlers.create_season(
                    season, api.store, api.context, by, traceparent, reply
                )

        return await once(
            api.store.replies, put, lambda sessions: season_with_sessions(season, sessions)
        )

    @router.get("/seasons")
    async def list_seasons(
        _: Reader,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[SeasonItem]:
        """List seasons by their names."""
        query = order.query(limit, filters.fields())
        found = await api.store.page_of_seasons(query)
        shown, cursor = _SORTS.cut(found, limit, order)
        return Page(items=[SeasonItem.model_validate(s) for s in shown], next_cursor=cursor)

    @router.get("/seasons/{season}")
    async def get_season(by: Reader, season: str) -> SeasonWithSessions:
        """One season with those of its sessions that the caller may see."""
        found = await api.store.season(season)
        if found is None:
            raise not_found(sentence("no season {season}", season=season))
        read = reach(by, Action.READ_SESSIONS)
        sessions = await api.store.sessions_of_season(season)
        return season_with_sessions(found, [one for one in sessions if sees_session(read, one)])

    return router
