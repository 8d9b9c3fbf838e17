"""Expectations: which report each province owes, when it is due, and its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends

from services.reports.api.context import ApiContext
from services.reports.api.schemas import ExpectationItem, expectation_item
from services.reports.domain.records import Expectation, State
from services.reports.domain.visibility import expectations_within, sees_expectation
from shared.runtime.access import Action, reach
from shared.runtime.http import Limit, Page
from shared.runtime.http.access import may
from shared.runtime.http.filters import Bound, ListFilters, Word, any_of, since, until
from shared.runtime.http.lists import DEFAULT_LIMIT, INSTANT, Order, SortField, Sorts
from shared.runtime.principals import Principal
from shared.runtime.problems import not_found
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_EXPECTATIONS)]

_SORTS = Sorts[Expectation](
    "expectations",
    "session_id",
    lambda expectation: expectation.session_id,
    {
        "due_at": SortField(INSTANT, lambda expected, _: expected.session.due_at),
        "starts_at": SortField(INSTANT, lambda expected, _: expected.session.starts_at),
        "changed_at": SortField(INSTANT, lambda expected, _: expected.changed_at),
    },
)


@dataclass(frozen=True)
class Filters(ListFilters):
    """The fields by which the list of expectations can be filtered."""

    session_id: Annotated[tuple[Word, ...], any_of("The session of the report.")] = ()
    province: Annotated[tuple[Word, ...], any_of("ISO 3166-2:IR code.")] = ()
    state: Annotated[tuple[State, ...], any_of("The state of the report.")] = ()
    due_from: Annotated[Bound | None, since("Due")] = None
    due_to: Annotated[Bound | None, until("Due")] = None
    starts_from: Annotated[Bound | None, since("Its session begins")] = None
    starts_to: Annotated[Bound | None, until("Its session begins")] = None
    changed_from: Annotated[Bound | None, since("Changed last")] = None
    changed_to: Annotated[Bound | None, until("Changed last")] = None


def routes(api: ApiContext) -> APIRouter:
    """The routes of expectations."""
    router = APIRouter(tags=["expectations"])

    @router.get("/expectations")
    async def list_expectations(
        by: Reader,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ExpectationItem]:
        """List which report is expected of which province."""
        within = expectations_within(reach(by, Action.READ_EXPECTATIONS))
        query = order.query(limit, filters.fields(), filters.spans(), within)
        found = await api.store.page(query)
        shown, cursor = _SORTS.cut(found, limit, order)
        return Page(items=[expectation_item(one) for one in shown], next_cursor=cursor)

    @router.get("/expectations/{session_id}")
    async def get_expectation(by: Reader, session_id: str) -> ExpectationItem:
        """The report that is expected for one session."""
        expectation = await api.store.get(session_id)
        read = reach(by, Action.READ_EXPECTATIONS)
        if expectation is None or not sees_expectation(read, expectation):
            raise not_found(
                sentence("no report is expected for {session_id}", session_id=session_id)
            )
        return expectation_item(expectation)

    return router
