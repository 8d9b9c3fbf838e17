"""HTTP under /v1: parse, call a handler, answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol
from uuid import uuid4

from fastapi import APIRouter, Depends

from services.reports import handlers
from services.reports.api.items import (
    CatalogueItem,
    CircularItem,
    ExpectationItem,
    IssueCircular,
    ReportItem,
    SubmitReport,
    WholeReport,
    catalogue_item,
    circular_item,
    expectation_item,
    paragraphs,
    report_item,
    whole_report,
)
from services.reports.domain import decisions
from services.reports.domain.circulars import Circular
from services.reports.domain.decisions import (
    Faulty,
    NotAllowed,
    Refused,
    Submission,
    UnknownSession,
)
from services.reports.domain.records import Expectation, Fact, State
from services.reports.events import milliseconds
from services.reports.handlers import Circulars, Expectations, Query, Reception
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Limit, Page, SortKeys, Traceparent, fitting
from shared.runtime.http.lists import DEFAULT_LIMIT
from shared.runtime.identity import Caller
from shared.runtime.principals import Principal
from shared.runtime.problems import Problem, invalid_field, not_found

_BY_ID = SortKeys(str)


class ReadableExpectations(Expectations, Protocol):
    """What the API needs of the store besides what the handlers do."""

    async def of_report(self, report_id: str) -> Expectation | None: ...
    async def page(self, query: Query) -> Sequence[Expectation]: ...


class ReadableCirculars(Circulars, Protocol):
    """What the API needs of the store of circulars besides what the handlers do."""

    async def page(self, after: str | None, limit: int) -> Sequence[Circular]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Where reports are received, and by which rules."""

    store: ReadableExpectations
    circulars: ReadableCirculars
    reception: Reception


@dataclass(frozen=True)
class ReportFilters:
    """The fields by which the list of reports can be filtered."""

    report_id: str | None = None
    session_id: str | None = None
    province: str | None = None
    late: bool | None = None

    def fields(self) -> dict[str, object]:
        """The wanted value of each field, but for its id."""
        names = ("session_id", "province", "late")
        return {n: v for n in names if (v := getattr(self, n)) is not None}


@dataclass(frozen=True)
class ExpectationFilters:
    """The fields by which the list of expectations can be filtered."""

    session_id: str | None = None
    province: str | None = None
    state: State | None = None


def routes(desk: Desk, clock: DomainClock) -> APIRouter:
    """The routes of this service."""
    router = APIRouter()
    _circular_routes(router, desk, clock)
    _report_routes(router, desk, clock)
    _expectation_routes(router, desk)
    return router


def _circular_routes(router: APIRouter, desk: Desk, clock: DomainClock) -> None:
    @router.get("/catalogues/{version}", tags=["circulars"])
    async def get_catalogue(_: Caller, version: int) -> CatalogueItem:
        """One catalogue of axes and sub-axes."""
        catalogue = desk.reception.catalogues.get(version)
        if catalogue is None:
            raise not_found(f"no catalogue {version}")
        return catalogue_item(catalogue)

    @router.post("/circulars", status_code=201, tags=["circulars"])
    async def issue_circular(
        by: Caller, body: IssueCircular, traceparent: Traceparent = None
    ) -> CircularItem:
        """Coordination sends a catalogue to provinces. The same again is answered the same."""
        circular_id = body.circular_id or str(uuid4())
        version, provinces = body.catalogue_version, body.provinces
        now = milliseconds(await clock.now())
        try:
            catalogues = desk.reception.catalogues
            wanted = decisions.issue(circular_id, by, version, provinces, catalogues, now)
            issued = await handlers.issue(wanted, desk.circulars, desk.reception, by, traceparent)
        except Refused as refused:
            raise _problem(refused) from refused
        return circular_item(issued)

    @router.get("/circulars", tags=["circulars"])
    async def list_circulars(
        _: Caller,
        after: Annotated[tuple[Any, ...] | None, Depends(_BY_ID)],
        limit: Limit = DEFAULT_LIMIT,
        circular_id: str | None = None,
    ) -> Page[CircularItem]:
        """List circulars by their ids."""
        if circular_id is not None:
            one = await desk.circulars.get(circular_id)
            item = None if one is None else circular_item(one)
            return Page(items=fitting(item, "circular_id", after, {}))
        found = await desk.circulars.page(None if after is None else after[0], limit + 1)
        more = len(found) > limit
        return Page(
            items=[circular_item(circular) for circular in found[:limit]],
            next_cursor=_BY_ID.write(found[limit - 1].circular_id) if more else None,
        )

    @router.get("/circulars/{circular_id}", tags=["circulars"])
    async def get_circular(_: Caller, circular_id: str) -> CircularItem:
        """One circular."""
        circular = await desk.circulars.get(circular_id)
        if circular is None:
            raise not_found(f"no circular {circular_id}")
        return circular_item(circular)


def _report_routes(router: APIRouter, desk: Desk, clock: DomainClock) -> None:
    async def act(
        session_id: str,
        by: Principal,
        decide: Callable[[Expectation, datetime], Sequence[Fact]],
        traceparent: str | None,
    ) -> WholeReport:
        now = milliseconds(await clock.now())
        try:
            after = await handlers.act(
                session_id, desk.store, desk.reception, by, lambda e: decide(e, now), traceparent
            )
        except Refused as refused:
            raise _problem(refused) from refused
        return whole_report(after, by)

    @router.post("/reports", status_code=201, tags=["reports"])
    async def submit_report(
        by: Caller, body: SubmitReport, traceparent: Traceparent = None
    ) -> WholeReport:
        """The province sends its report, or the next revision of it."""
        sent = Submission(
            province=body.province,
            catalogue_version=body.catalogue_version,
            answers=body.answers,
            initiatives=paragraphs(body.initiatives),
            special_topics=paragraphs(body.special_topics),
            url=body.url,
        )
        rules = desk.reception
        return await act(
            body.session_id,
            by,
            lambda e, now: decisions.submit(e, by, sent, rules.catalogues, rules.restricted, now),
            traceparent,
        )

    @router.post("/reports/{report_id}/distribute", tags=["reports"])
    async def distribute(
        by: Caller, report_id: str, traceparent: Traceparent = None
    ) -> WholeReport:
        """Coordination gives the latest revision to all deputies."""
        session_id = (await _find(desk, report_id)).session_id
        recipients = desk.reception.recipients
        return await act(
            session_id,
            by,
            lambda e, now: [decisions.distribute(e, by, recipients, now)],
            traceparent,
        )

    @router.get("/reports", tags=["reports"])
    async def list_reports(
        by: Caller,
        filters: Annotated[ReportFilters, Depends()],
        after: Annotated[tuple[Any, ...] | None, Depends(_BY_ID)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ReportItem]:
        """List reports by their sessions' ids, without what they say."""
        if filters.report_id is not None:
            one = await desk.store.of_report(filters.report_id)
            item = None if one is None else report_item(one, by)
            return Page(items=fitting(item, "session_id", after, filters.fields()))
        query = Query(
            None if after is None else after[0],
            limit + 1,
            session_id=filters.session_id,
            province=filters.province,
            late=filters.late,
            with_report=True,
        )
        found = await desk.store.page(query)
        return Page(
            items=[report_item(expectation, by) for expectation in found[:limit]],
            next_cursor=_next(found, limit),
        )

    @router.get("/reports/{report_id}", tags=["reports"])
    async def get_report(by: Caller, report_id: str) -> WholeReport:
        """One report with what it says, as far as the caller may read it."""
        return whole_report(await _find(desk, report_id), by)


def _expectation_routes(router: APIRouter, desk: Desk) -> None:
    @router.get("/expectations", tags=["expectations"])
    async def list_expectations(
        _: Caller,
        filters: Annotated[ExpectationFilters, Depends()],
        after: Annotated[tuple[Any, ...] | None, Depends(_BY_ID)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ExpectationItem]:
        """List what is expected of whom, by the sessions' ids."""
        query = Query(
            None if after is None else after[0],
            limit + 1,
            session_id=filters.session_id,
            province=filters.province,
            state=filters.state,
        )
        found = await desk.store.page(query)
        return Page(
            items=[expectation_item(expectation) for expectation in found[:limit]],
            next_cursor=_next(found, limit),
        )

    @router.get("/expectations/{session_id}", tags=["expectations"])
    async def get_expectation(_: Caller, session_id: str) -> ExpectationItem:
        """What is expected for one session."""
        expectation = await desk.store.get(session_id)
        if expectation is None or expectation.session.province is None:
            raise not_found(f"no report is expected for a session {session_id}")
        return expectation_item(expectation)


async def _find(desk: Desk, report_id: str) -> Expectation:
    expectation = await desk.store.of_report(report_id)
    if expectation is None:
        raise not_found(f"no report {report_id}")
    return expectation


def _next(found: Sequence[Expectation], limit: int) -> str | None:
    return _BY_ID.write(found[limit - 1].session_id) if len(found) > limit else None


def _problem(refused: Refused) -> Problem:
    if isinstance(refused, Faulty):
        return invalid_field(refused.field, str(refused))
    if isinstance(refused, UnknownSession):
        return invalid_field("session_id", str(refused))
    status = 403 if isinstance(refused, NotAllowed) else 409
    title = "Not allowed" if status == 403 else "Not possible as things stand"
    return Problem(status, refused.reason, title, str(refused))
