"""Resolutions: recorded in a session, amended, withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends

from services.scheduler import handlers
from services.scheduler.api.context import ApiContext, problems
from services.scheduler.api.resolution_schemas import (
    Amend,
    Record,
    Recorded,
    ResolutionItem,
    Withdraw,
    resolution_item,
)
from services.scheduler.domain.records import Resolution, ResolutionState
from services.scheduler.domain.visibility import resolutions_within, sees_resolution
from shared.contracts.events.base import Day
from shared.contracts.events.resolutions import Priority
from shared.runtime.access import Action, reach
from shared.runtime.commands import Command
from shared.runtime.http import Limit, Page, Repeatable, Traceparent
from shared.runtime.http.access import may
from shared.runtime.http.filters import (
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
from shared.runtime.http.lists import DAY, DEFAULT_LIMIT, INSTANT, Order, SortField, Sorts
from shared.runtime.idempotent_replies import Replying
from shared.runtime.principals import Principal
from shared.runtime.problems import not_found
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_RESOLUTIONS)]
Approver: TypeAlias = Annotated[Principal, may(Action.APPROVE_RESOLUTION)]
Changer: TypeAlias = Annotated[Principal, may(Action.CHANGE_RESOLUTION)]

_SORTS = Sorts[Resolution](
    "resolutions",
    "resolution_id",
    lambda resolution: resolution.resolution_id,
    {
        "due_on": SortField(DAY, lambda resolution, _: resolution.terms.due_on),
        "approved_at": SortField(INSTANT, lambda resolution, _: resolution.approved_at),
        "changed_at": SortField(INSTANT, lambda resolution, _: resolution.changed_at),
        "number": SortField(str | None, lambda resolution, _: resolution.terms.number),
    },
)


@dataclass(frozen=True)
class Filters(ListFilters):
    """The fields by which the list of resolutions can be filtered."""

    DAYS = frozenset({"due"})

    resolution_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()
    session_id: Annotated[tuple[Word, ...], any_of("The session that it was recorded in.")] = ()
    deputy: Annotated[tuple[Word, ...], any_of("The deputy who answers for it.")] = ()
    state: Annotated[tuple[ResolutionState, ...], any_of("Its state.")] = ()
    province: Annotated[tuple[Word, ...], any_of("ISO 3166-2:IR code.")] = ()
    axis: Annotated[tuple[Word, ...], any_of("An axis of the catalogue.")] = ()
    executing_body: AnySpelling = ()
    priority: Annotated[tuple[Priority, ...], any_of("Its priority.")] = ()
    due_from: Annotated[Day | None, since_day("Due")] = None
    due_to: Annotated[Day | None, until_day("Due")] = None
    approved_from: Annotated[Bound | None, since("Approved")] = None
    approved_to: Annotated[Bound | None, until("Approved")] = None
    changed_from: Annotated[Bound | None, since("Changed last")] = None
    changed_to: Annotated[Bound | None, until("Changed last")] = None


def routes(api: ApiContext) -> APIRouter:
    """The routes of resolutions."""
    router = APIRouter(tags=["resolutions"])
    _record_route(router, api)
    _read_routes(router, api)
    _change_routes(router, api)
    return router


def _record_route(router: APIRouter, api: ApiContext) -> None:
    @router.post("/sessions/{session_id}/resolutions", status_code=201)
    async def record(
        by: Approver,
        session_id: str,
        body: Record,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> Recorded:
        """Record the resolutions of a session: all of them, or none."""
        proposals = [proposed.proposal() for proposed in body.resolutions]
        now = await api.clock.now()

        async def put(reply: Replying[list[Resolution]]) -> list[Resolution]:
            with problems():
                return await handlers.record_resolutions(
                    session_id, proposals, api.store, api.context, by, now, traceparent, reply
                )

        return await once(api.store.replies, put, _recorded)


def _read_routes(router: APIRouter, api: ApiContext) -> None:
    @router.get("/resolutions")
    async def list_resolutions(
        by: Reader,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ResolutionItem]:
        """List resolutions."""
        within = resolutions_within(reach(by, Action.READ_RESOLUTIONS))
        query = order.query(limit, filters.fields(), filters.spans(), within)
        found = await api.store.page_of_resolutions(query)
        shown, cursor = _SORTS.cut(found, limit, order)
        return Page(items=[resolution_item(one) for one in shown], next_cursor=cursor)

    @router.get("/resolutions/{resolution_id}")
    async def get_resolution(by: Reader, resolution_id: str) -> ResolutionItem:
        """One resolution."""
        resolution = await api.store.resolution(resolution_id)
        read = reach(by, Action.READ_RESOLUTIONS)
        if resolution is None or not sees_resolution(read, resolution):
            raise not_found(sentence("no resolution {resolution_id}", resolution_id=resolution_id))
        return resolution_item(resolution)


def _change_routes(router: APIRouter, api: ApiContext) -> None:
    @router.post("/resolutions/{resolution_id}/amend")
    async def amend(
        by: Changer,
        resolution_id: str,
        body: Amend,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> ResolutionItem:
        """Amend a resolution; its deputy follows it as amended."""
        now, amendment = await api.clock.now(), body.amendment()

        async def change(reply: Replying[Resolution]) -> Resolution:
            with problems():
                return await handlers.amend_resolution(
                    Command(resolution_id, api.store, api.context, by, now, traceparent, reply),
                    amendment,
                    body.reason,
                )

        return await once(api.store.replies, change, resolution_item)

    @router.post("/resolutions/{resolution_id}/withdraw")
    async def withdraw(
        by: Changer,
        resolution_id: str,
        once: Repeatable,
        body: Withdraw | None = None,
        traceparent: Traceparent = None,
    ) -> ResolutionItem:
        """Withdraw a resolution; its follow-up ends."""
        now, reason = await api.clock.now(), None if body is None else body.reason

        async def revoke(reply: Replying[Resolution]) -> Resolution:
            with problems():
                return await handlers.withdraw_resolution(
                    Command(resolution_id, api.store, api.context, by, now, traceparent, reply),
                    reason,
                )

        return await once(api.store.replies, revoke, resolution_item)


def _recorded(resolutions: list[Resolution]) -> Recorded:
    return Recorded(items=[resolution_item(resolution) for resolution in resolutions])
