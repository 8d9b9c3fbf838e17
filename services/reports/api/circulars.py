"""Circulars, and the catalogues of axes that they send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias
from uuid import uuid4

from fastapi import APIRouter, Depends

from services.reports import handlers
from services.reports.api.context import ApiContext, problems
from services.reports.api.schemas import (
    CatalogueItem,
    CircularItem,
    IssueCircular,
    catalogue_item,
    circular_item,
)
from services.reports.domain.circulars import Circular
from shared.runtime.access import Action
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Limit, Page, Repeatable, Traceparent
from shared.runtime.http.access import may
from shared.runtime.http.filters import ListFilters, Word, any_of
from shared.runtime.http.lists import DEFAULT_LIMIT, Order, Sorts
from shared.runtime.idempotent_replies import Replying
from shared.runtime.principals import Principal
from shared.runtime.problems import not_found
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_CIRCULARS)]
Issuer: TypeAlias = Annotated[Principal, may(Action.ISSUE_CIRCULAR)]

_SORTS = Sorts[Circular]("circulars", "circular_id", lambda circular: circular.circular_id)


@dataclass(frozen=True)
class Filters(ListFilters):
    """The fields by which the list of circulars can be filtered."""

    circular_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()


def routes(api: ApiContext, clock: DomainClock) -> APIRouter:
    """The routes of circulars and catalogues."""
    router = APIRouter(tags=["circulars"])
    _catalogue_routes(router, api)
    _command_routes(router, api, clock)
    _read_routes(router, api)
    return router


def _catalogue_routes(router: APIRouter, api: ApiContext) -> None:
    @router.get("/catalogues/{version}")
    async def get_catalogue(_: Reader, version: int) -> CatalogueItem:
        """One catalogue of axes and sub-axes."""
        catalogue = api.context.catalogues.get(version)
        if catalogue is None:
            raise not_found(sentence("no catalogue {version}", version=version))
        return catalogue_item(catalogue)


def _command_routes(router: APIRouter, api: ApiContext, clock: DomainClock) -> None:
    @router.post("/circulars", status_code=201)
    async def issue_circular(
        by: Issuer, body: IssueCircular, once: Repeatable, traceparent: Traceparent = None
    ) -> CircularItem:
        """Coordination sends a catalogue to provinces. A repeated request has the same answer."""
        circular_id = body.circular_id or str(uuid4())
        now = await clock.now()

        async def issue(reply: Replying[Circular]) -> Circular:
            with problems():
                return await handlers.issue_circular(
                    circular_id,
                    body.catalogue_version,
                    body.provinces,
                    api.circulars,
                    api.context,
                    by,
                    now,
                    traceparent,
                    reply,
                )

        return await once(api.circulars.replies, issue, circular_item)


def _read_routes(router: APIRouter, api: ApiContext) -> None:
    @router.get("/circulars")
    async def list_circulars(
        _: Reader,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[CircularItem]:
        """List circulars by their ids."""
        found = await api.circulars.page(order.query(limit, filters.fields()))
        shown, cursor = _SORTS.cut(found, limit, order)
        return Page(items=[circular_item(circular) for circular in shown], next_cursor=cursor)

    @router.get("/circulars/{circular_id}")
    async def get_circular(_: Reader, circular_id: str) -> CircularItem:
        """One circular."""
        circular = await api.circulars.get(circular_id)
        if circular is None:
            raise not_found(sentence("no circular {circular_id}", circular_id=circular_id))
        return circular_item(circular)
