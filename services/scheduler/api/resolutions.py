"""Resolutions: recorded in a session, amended, withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from services.scheduler import handlers
from services.scheduler.api.context import ApiContext, problems
from services.scheduler.api.schemas import Recorded, ResolutionItem, resolution_item
from services.scheduler.domain import decisions
from services.scheduler.domain.records import (
    Amendment,
    Resolution,
    ResolutionFact,
    ResolutionState,
    Terms,
)
from services.scheduler.handlers import Proposal
from shared.contracts.events.base import Day, Name, ProvinceCode, Slug, Text, Title
from shared.contracts.events.resolutions import Bodies, OrNormal, Priority, Supporting
from shared.runtime.http import (
    Limit,
    NewId,
    Once,
    Page,
    Repeatable,
    RequestBody,
    Traceparent,
)
from shared.runtime.http.lists import (
    DAY,
    DEFAULT_LIMIT,
    INSTANT,
    AnySpelling,
    Bound,
    Order,
    Sorts,
    Word,
    any_of,
    bounded,
    chosen,
    day_span,
    instant_span,
    since,
    since_day,
    until,
    until_day,
)
from shared.runtime.idempotent_replies import Replying
from shared.runtime.identity import Caller
from shared.runtime.list_queries import Place, Value, ValueRange
from shared.runtime.principals import Principal
from shared.runtime.problems import not_found
from shared.runtime.sentences import sentence

_SORTS = Sorts(
    "resolutions",
    "resolution_id",
    {"due_on": DAY, "approved_at": INSTANT, "changed_at": INSTANT, "number": str | None},
)


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

    resolution_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()
    session_id: Annotated[tuple[Word, ...], any_of("Where it was resolved.")] = ()
    deputy: Annotated[tuple[Word, ...], any_of("Who answers for it.")] = ()
    state: Annotated[tuple[ResolutionState, ...], any_of("Where it stands.")] = ()
    province: Annotated[tuple[Word, ...], any_of("ISO 3166-2:IR code.")] = ()
    axis: Annotated[tuple[Word, ...], any_of("Of the catalogue.")] = ()
    executing_body: AnySpelling = ()
    priority: Annotated[tuple[Priority, ...], any_of("How urgent.")] = ()
    due_from: Annotated[Day | None, since_day("Due")] = None
    due_to: Annotated[Day | None, until_day("Due")] = None
    approved_from: Annotated[Bound | None, since("Approved")] = None
    approved_to: Annotated[Bound | None, until("Approved")] = None
    changed_from: Annotated[Bound | None, since("Changed last")] = None
    changed_to: Annotated[Bound | None, until("Changed last")] = None

    def fields(self) -> dict[str, Collection[Value]]:
        """The wanted values of each stored field."""
        return chosen(
            {
                "resolution_id": self.resolution_id,
                "session_id": self.session_id,
                "deputy": self.deputy,
                "state": tuple(state.value for state in self.state),
                "province": self.province,
                "axis": self.axis,
                "executing_body": self.executing_body,
                "priority": self.priority,
            }
        )

    def spans(self) -> dict[str, ValueRange]:
        """From when to when. Raises Problem 422 where that is backwards."""
        return bounded(
            {
                "due_on": day_span("due", self.due_from, self.due_to),
                "approved_at": instant_span("approved", self.approved_from, self.approved_to),
                "changed_at": instant_span("changed", self.changed_from, self.changed_to),
            }
        )


def routes(api: ApiContext) -> APIRouter:
    """The routes of resolutions."""
    router = APIRouter(tags=["resolutions"])

    @router.post("/sessions/{session_id}/resolutions", status_code=201)
    async def record(
        by: Caller,
        session_id: str,
        body: Record,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> Recorded:
        """Record what was resolved: all of it, or nothing."""
        proposals = [proposed.proposal() for proposed in body.resolutions]
        now = await api.clock.now()

        async def put(reply: Replying[list[Resolution]]) -> list[Resolution]:
            with problems():
                return await handlers.record(
                    session_id, proposals, api.store, api.context, by, now, traceparent, reply
                )

        return await once(api.store.replies, put, _recorded)

    @router.get("/resolutions")
    async def list_resolutions(
        _: Caller,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ResolutionItem]:
        """List resolutions."""
        query = order.query(limit, filters.fields(), filters.spans())
        found = await api.store.page_of_resolutions(query)
        shown, cursor = _SORTS.cut(found, limit, order, _places(order))
        return Page(items=[resolution_item(one) for one in shown], next_cursor=cursor)

    @router.get("/resolutions/{resolution_id}")
    async def get_resolution(_: Caller, resolution_id: str) -> ResolutionItem:
        """One resolution."""
        resolution = await api.store.resolution(resolution_id)
        if resolution is None:
            raise not_found(sentence("no resolution {resolution_id}", resolution_id=resolution_id))
        return resolution_item(resolution)

    async def act(
        resolution_id: str,
        by: Principal,
        decide: Callable[[Resolution], ResolutionFact | None],
        once: Once,
        traceparent: str | None,
    ) -> ResolutionItem:
        async def done(reply: Replying[Resolution]) -> Resolution:
            with problems():
                return await handlers.act_on_resolution(
                    resolution_id, api.store, api.context, by, decide, traceparent, reply
                )

        return await once(api.store.replies, done, resolution_item)

    @router.post("/resolutions/{resolution_id}/amend")
    async def amend(
        by: Caller,
        resolution_id: str,
        body: Amend,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> ResolutionItem:
        """Change what was resolved; its deputy follows it as amended."""
        now, amendment = await api.clock.now(), body.amendment()
        return await act(
            resolution_id,
            by,
            lambda r: decisions.amend(r, by, amendment, body.reason, now),
            once,
            traceparent,
        )

    @router.post("/resolutions/{resolution_id}/withdraw")
    async def withdraw(
        by: Caller,
        resolution_id: str,
        once: Repeatable,
        body: Withdraw | None = None,
        traceparent: Traceparent = None,
    ) -> ResolutionItem:
        """It no longer stands, and its follow-up ends."""
        now, reason = await api.clock.now(), None if body is None else body.reason
        return await act(
            resolution_id,
            by,
            lambda r: decisions.withdraw(r, by, reason, now),
            once,
            traceparent,
        )

    return router


def _places(order: Order) -> Callable[[Resolution], Place]:
    """Where a resolution stands by a sort."""

    def place(resolution: Resolution) -> Place:
        key: object = None
        match order.sort.field:
            case "due_on":
                key = resolution.terms.due_on
            case "approved_at":
                key = resolution.approved_at
            case "changed_at":
                key = resolution.changed_at
            case "number":
                key = resolution.terms.number
        return Place(resolution.resolution_id, key)

    return place


def _recorded(resolutions: list[Resolution]) -> Recorded:
    return Recorded(items=[resolution_item(resolution) for resolution in resolutions])
