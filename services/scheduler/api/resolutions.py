"""Resolutions: recorded in a session, amended, withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from services.scheduler import handlers
from services.scheduler.api.desk import Desk, problems
from services.scheduler.api.items import Recorded, ResolutionItem, resolution_item
from services.scheduler.domain import decisions
from services.scheduler.domain.records import Amendment, Standing, Terms
from services.scheduler.handlers import Proposal, Query
from shared.contracts.events.base import Day, Name, ProvinceCode, Slug, Text, Title
from shared.contracts.events.resolutions import Bodies, OrNormal, Priority, Supporting
from shared.runtime.http import (
    Limit,
    NewId,
    Page,
    RequestBody,
    SortKeys,
    Traceparent,
    fitting,
)
from shared.runtime.http.lists import DEFAULT_LIMIT
from shared.runtime.identity import Caller
from shared.runtime.problems import not_found

_BY_ID = SortKeys(str)


class Propose(RequestBody):
    resolution_id: NewId | None = Field(
        None,
        description="by default the session's next: `1402-IR-09-R001`. Whoever may have to ask "
        "again gives one: the same again is recorded once.",
    )
    deputy: Slug
    title: Title
    due_on: Day = Field(description="in Asia/Tehran, not before the day of approval")
    axis: Slug | None = None
    province: ProvinceCode | None = Field(
        None, description="by default that of a provincial session"
    )
    text: Text | None = None
    supporting: Supporting = ()
    executing_body: Name | None = None
    priority: OrNormal = "normal"
    number: Name | None = None
    baseline_on: Day | None = None

    def proposal(self) -> Proposal:
        """The proposal in the domain's record."""
        terms = dict(self)
        resolution_id = terms.pop("resolution_id")
        return Proposal(resolution_id, Terms(**terms))


class Record(RequestBody):
    resolutions: Annotated[list[Propose], Field(min_length=1, max_length=200)]


class Amend(RequestBody):
    """What is to be otherwise; what is left out or null stays."""

    title: Title | None = None
    due_on: Day | None = None
    text: Text | None = None
    supporting: Bodies | None = None
    executing_body: Name | None = None
    priority: Priority | None = None
    number: Name | None = None
    reason: Text | None = None

    def amendment(self) -> Amendment:
        """The amendment in the domain's record."""
        changes = dict(self)
        del changes["reason"]
        return Amendment(**changes)


class Withdraw(RequestBody):
    reason: Text | None = None


@dataclass(frozen=True)
class Filters:
    """The fields by which the list of resolutions can be filtered."""

    resolution_id: str | None = None
    session_id: str | None = None
    deputy: str | None = None
    state: Standing | None = None
    province: str | None = None
    axis: str | None = None

    def fields(self) -> dict[str, object]:
        """The wanted value of each stored field, but for its id."""
        names = ("session_id", "deputy", "province", "axis")
        wanted: dict[str, object] = {name: getattr(self, name) for name in names}
        wanted["state"] = None if self.state is None else self.state.value
        return {name: value for name, value in wanted.items() if value is not None}


def routes(desk: Desk) -> APIRouter:
    """The routes of resolutions."""
    router = APIRouter(tags=["resolutions"])

    @router.post("/sessions/{session_id}/resolutions", status_code=201)
    async def record(
        by: Caller, session_id: str, body: Record, traceparent: Traceparent = None
    ) -> Recorded:
        """Record what was resolved: all of it, or nothing."""
        proposals = [proposed.proposal() for proposed in body.resolutions]
        now = await desk.now()
        with problems():
            recorded = await handlers.record(
                session_id, proposals, desk.register, desk.rules, by, now, traceparent
            )
        return Recorded(items=[resolution_item(resolution) for resolution in recorded])

    @router.get("/resolutions")
    async def list_resolutions(
        _: Caller,
        filters: Annotated[Filters, Depends()],
        after: Annotated[tuple[Any, ...] | None, Depends(_BY_ID)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ResolutionItem]:
        """List resolutions by their ids."""
        if filters.resolution_id is not None:
            one = await desk.register.resolution(filters.resolution_id)
            item = None if one is None else resolution_item(one)
            return Page(items=fitting(item, "resolution_id", after, filters.fields()))
        query = Query(filters.fields(), None if after is None else after[0], limit + 1)
        found = await desk.register.page_of_resolutions(query)
        more = len(found) > limit
        return Page(
            items=[resolution_item(resolution) for resolution in found[:limit]],
            next_cursor=_BY_ID.write(found[limit - 1].resolution_id) if more else None,
        )

    @router.get("/resolutions/{resolution_id}")
    async def get_resolution(_: Caller, resolution_id: str) -> ResolutionItem:
        """One resolution."""
        resolution = await desk.register.resolution(resolution_id)
        if resolution is None:
            raise not_found(f"no resolution {resolution_id}")
        return resolution_item(resolution)

    @router.post("/resolutions/{resolution_id}/amend")
    async def amend(
        by: Caller, resolution_id: str, body: Amend, traceparent: Traceparent = None
    ) -> ResolutionItem:
        """Change what was resolved; its deputy follows it as amended."""
        now, amendment = await desk.now(), body.amendment()
        with problems():
            resolution = await handlers.act_on_resolution(
                resolution_id,
                desk.register,
                desk.rules,
                by,
                lambda r: decisions.amend(r, by, amendment, body.reason, now),
                traceparent,
            )
        return resolution_item(resolution)

    @router.post("/resolutions/{resolution_id}/withdraw")
    async def withdraw(
        by: Caller,
        resolution_id: str,
        body: Withdraw | None = None,
        traceparent: Traceparent = None,
    ) -> ResolutionItem:
        """It no longer stands, and its follow-up ends."""
        now, reason = await desk.now(), None if body is None else body.reason
        with problems():
            resolution = await handlers.act_on_resolution(
                resolution_id,
                desk.register,
                desk.rules,
                by,
                lambda r: decisions.withdraw(r, by, reason, now),
                traceparent,
            )
        return resolution_item(resolution)

    return router
