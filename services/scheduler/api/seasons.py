"""Seasons: all sessions of a year's round at once."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from services.scheduler import handlers
from services.scheduler.api.desk import Desk, problems
from services.scheduler.api.fields import SeasonName, StartDay, TimeOfDay
from services.scheduler.api.items import (
    SeasonItem,
    SeasonWithSessions,
    season_with_sessions,
)
from services.scheduler.domain.records import Season
from services.scheduler.handlers import Query
from shared.contracts.events.base import Name, ProvinceCode
from shared.contracts.events.sessions import SessionMode
from shared.contracts.reference import PROVINCES
from shared.runtime.http import Limit, Page, RequestBody, SortKeys, Traceparent, fitting
from shared.runtime.http.lists import DEFAULT_LIMIT
from shared.runtime.identity import Caller
from shared.runtime.problems import not_found

_BY_ID = SortKeys(str)


class CreateSeason(RequestBody):
    season: SeasonName
    starts_on: StartDay = Field(description="of the first session, in Asia/Tehran")
    starts_at_time: TimeOfDay = Field(time(9), description="of every session, in Asia/Tehran")
    minutes: int = Field(270, ge=1, le=1_440, strict=True, description="how long each lasts")
    provinces: tuple[ProvinceCode, ...] = Field(
        tuple(province.code for province in PROVINCES),
        description="each exactly once, in the order of their turns",
    )
    mode: SessionMode = "in-person"
    venue: Name | None = None


def routes(desk: Desk) -> APIRouter:
    """The routes of seasons."""
    router = APIRouter(tags=["seasons"])

    @router.post("/seasons", status_code=201)
    async def create_season(
        by: Caller, body: CreateSeason, traceparent: Traceparent = None
    ) -> SeasonWithSessions:
        """Coordination plans a season: one province a week, each exactly once."""
        season = Season(**dict(body), created_at=await desk.now())
        with problems():
            sessions = await handlers.create_season(
                season, desk.register, desk.rules, by, traceparent
            )
        return season_with_sessions(season, sessions)

    @router.get("/seasons")
    async def list_seasons(
        _: Caller,
        after: Annotated[tuple[Any, ...] | None, Depends(_BY_ID)],
        limit: Limit = DEFAULT_LIMIT,
        season: str | None = None,
    ) -> Page[SeasonItem]:
        """List seasons by their names."""
        if season is not None:
            one = await desk.register.season(season)
            item = None if one is None else SeasonItem.model_validate(one)
            return Page(items=fitting(item, "season", after, {}))
        query = Query({}, None if after is None else after[0], limit + 1)
        found = await desk.register.page_of_seasons(query)
        return Page(
            items=[SeasonItem.model_validate(season) for season in found[:limit]],
            next_cursor=_BY_ID.write(found[limit - 1].season) if len(found) > limit else None,
        )

    @router.get("/seasons/{season}")
    async def get_season(_: Caller, season: str) -> SeasonWithSessions:
        """One season with its sessions."""
        found = await desk.register.season(season)
        if found is None:
            raise not_found(f"no season {season}")
        return season_with_sessions(found, await desk.register.sessions_of_season(season))

    return router
