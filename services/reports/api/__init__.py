"""HTTP under /v1: parse, call a handler, answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol
from uuid import uuid4

from fastapi import APIRouter, Depends

from services.reports import handlers
from services.reports.api.schemas import (
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
from services.reports.domain.decisions import Faulty, Submission, UnknownSession
from services.reports.domain.records import Expectation, Fact, State
from services.reports.handlers import CircularRepository, ExpectationRepository, HandlerContext
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Limit, Once, Page, Repeatable, Traceparent
from shared.runtime.http.lists import (
    DEFAULT_LIMIT,
    INSTANT,
    Bound,
    Order,
    Sorts,
    Word,
    any_of,
    bounded,
    chosen,
    instant_span,
    since,
    until,
)
from shared.runtime.http.refusals import refusal
from shared.runtime.idempotent_replies import Replies, Replying
from shared.runtime.identity import Caller
from shared.runtime.list_queries import ListQuery, Place, Value, ValueRange
from shared.runtime.principals import Principal
from shared.runtime.problems import Problem, invalid_field, not_found
from shared.runtime.refusals import Refused
from shared.runtime.sentences import sentence

_CIRCULARS = Sorts("circulars", "circular_id", {})
_REPORTS = Sorts("reports", "session_id", {"due_at": INSTANT, "submitted_at": INSTANT})
_EXPECTATIONS = Sorts(
    "expectations",
    "session_id",
    {"due_at": INSTANT, "starts_at": INSTANT, "changed_at": INSTANT},
)


class ReadableExpectations(ExpectationRepository, Protocol):
    """What the API needs of the store besides what the handlers do."""

    @property
    def replies(self) -> Replies: ...
    async def of_report(self, report_id: str) -> Expectation | None: ...
    async def page(self, query: ListQuery) -> Sequence[Expectation]: ...
    async def page_of_reports(self, query: ListQuery) -> Sequence[Expectation]: ...


class ReadableCirculars(CircularRepository, Protocol):
    """What the API needs of the store of circulars besides what the handlers do."""

    @property
    def replies(self) -> Replies: ...
    async def page(self, query: ListQuery) -> Sequence[Circular]: ...


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Where reports are received, and by which rules."""

    store: ReadableExpectations
    circulars: ReadableCirculars
    context: HandlerContext


@dataclass(frozen=True)
class ReportFilters:
    """The fields by which the list of reports can be filtered."""

    report_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()
    session_id: Annotated[tuple[Word, ...], any_of("For which it is.")] = ()
    province: Annotated[tuple[Word, ...], any_of("ISO 3166-2:IR code.")] = ()
    late: Annotated[tuple[bool, ...], any_of("Whether its revision came late.")] = ()
    due_from: Annotated[Bound | None, since("Due")] = None
    due_to: Annotated[Bound | None, until("Due")] = None
    submitted_from: Annotated[Bound | None, since("Submitted last")] = None
    submitted_to: Annotated[Bound | None, until("Submitted last")] = None

    def fields(self) -> dict[str, Collection[Value]]:
        """The wanted values of each field."""
        return chosen(
            {
                "report_id": self.report_id,
                "session_id": self.session_id,
                "province": self.province,
                "late": self.late,
            }
        )

    def spans(self) -> dict[str, ValueRange]:
        """From when to when. Raises Problem 422 where that is backwards."""
        return bounded(
            {
                "due_at": instant_span("due", self.due_from, self.due_to),
                "submitted_at": instant_span("submitted", self.submitted_from, self.submitted_to),
            }
        )


@dataclass(frozen=True)
class ExpectationFilters:
    """The fields by which the list of expectations can be filtered."""

    session_id: Annotated[tuple[Word, ...], any_of("Of which it is expected.")] = ()
    province: Annotated[tuple[Word, ...], any_of("ISO 3166-2:IR code.")] = ()
    state: Annotated[tuple[State, ...], any_of("What has come of it.")] = ()
    due_from: Annotated[Bound | None, since("Due")] = None
    due_to: Annotated[Bound | None, until("Due")] = None
    starts_from: Annotated[Bound | None, since("Its session begins")] = None
    starts_to: Annotated[Bound | None, until("Its session begins")] = None
    changed_from: Annotated[Bound | None, since("Changed last")] = None
    changed_to: Annotated[Bound | None, until("Changed last")] = None

    def fields(self) -> dict[str, Collection[Value]]:
        """The wanted values of each field."""
        return chosen(
            {
                "session_id": self.session_id,
                "province": self.province,
                "state": tuple(state.value for state in self.state),
            }
        )

    def spans(self) -> dict[str, ValueRange]:
        """From when to when. Raises Problem 422 where that is backwards."""
        return bounded(
            {
                "due_at": instant_span("due", self.due_from, self.due_to),
                "starts_at": instant_span("starts", self.starts_from, self.starts_to),
                "changed_at": instant_span("changed", self.changed_from, self.changed_to),
            }
        )


def routes(api: ApiContext, clock: DomainClock) -> APIRouter:
    """The routes of this service."""
    router = APIRouter()
    _circular_routes(router, api, clock)
    _report_routes(router, api, clock)
    _expectation_routes(router, api)
    return router


def _circular_routes(router: APIRouter, api: ApiContext, clock: DomainClock) -> None:
    @router.get("/catalogues/{version}", tags=["circulars"])
    async def get_catalogue(_: Caller, version: int) -> CatalogueItem:
        """One catalogue of axes and sub-axes."""
        catalogue = api.context.catalogues.get(version)
        if catalogue is None:
            raise not_found(sentence("no catalogue {version}", version=version))
        return catalogue_item(catalogue)

    @router.post("/circulars", status_code=201, tags=["circulars"])
    async def issue_circular(
        by: Caller, body: IssueCircular, once: Repeatable, traceparent: Traceparent = None
    ) -> CircularItem:
        """Coordination sends a catalogue to provinces. The same again is answered the same."""
        circular_id = body.circular_id or str(uuid4())
        version, provinces = body.catalogue_version, body.provinces
        now = await clock.now()

        async def issue(reply: Replying[Circular]) -> Circular:
            try:
                catalogues = api.context.catalogues
                wanted = decisions.issue(circular_id, by, version, provinces, catalogues, now)
                return await handlers.issue(
                    wanted, api.circulars, api.context, by, traceparent, reply
                )
            except Refused as refused:
                raise _problem(refused) from refused

        return await once(api.circulars.replies, issue, circular_item)

    @router.get("/circulars", tags=["circulars"])
    async def list_circulars(
        _: Caller,
        order: Annotated[Order, Depends(_CIRCULARS)],
        limit: Limit = DEFAULT_LIMIT,
        circular_id: Annotated[tuple[Word, ...], any_of("Its id.")] = (),
    ) -> Page[CircularItem]:
        """List circulars by their ids."""
        fields = chosen({"circular_id": circular_id})
        found = await api.circulars.page(order.query(limit, fields))
        shown, cursor = _CIRCULARS.cut(found, limit, order, lambda one: Place(one.circular_id))
        return Page(items=[circular_item(circular) for circular in shown], next_cursor=cursor)

    @router.get("/circulars/{circular_id}", tags=["circulars"])
    async def get_circular(_: Caller, circular_id: str) -> CircularItem:
        """One circular."""
        circular = await api.circulars.get(circular_id)
        if circular is None:
            raise not_found(sentence("no circular {circular_id}", circular_id=circular_id))
        return circular_item(circular)


def _report_routes(router: APIRouter, api: ApiContext, clock: DomainClock) -> None:
    async def act(
        session_id: str,
        by: Principal,
        decide: Callable[[Expectation, datetime], Sequence[Fact]],
        once: Once,
        traceparent: str | None,
    ) -> WholeReport:
        now = await clock.now()

        def decided(expectation: Expectation) -> Sequence[Fact]:
            return decide(expectation, now)

        async def done(reply: Replying[Expectation]) -> Expectation:
            try:
                return await handlers.act(
                    session_id, api.store, api.context, by, decided, traceparent, reply
                )
            except Refused as refused:
                raise _problem(refused) from refused

        return await once(api.store.replies, done, lambda after: whole_report(after, by))

    @router.post("/reports", status_code=201, tags=["reports"])
    async def submit_report(
        by: Caller, body: SubmitReport, once: Repeatable, traceparent: Traceparent = None
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
        rules = api.context
        return await act(
            body.session_id,
            by,
            lambda e, now: decisions.submit(e, by, sent, rules.catalogues, rules.restricted, now),
            once,
            traceparent,
        )

    @router.post("/reports/{report_id}/distribute", tags=["reports"])
    async def distribute(
        by: Caller, report_id: str, once: Repeatable, traceparent: Traceparent = None
    ) -> WholeReport:
        """Coordination gives the latest revision to all deputies."""
        session_id = (await _find(api, report_id)).session_id
        recipients = api.context.recipients
        return await act(
            session_id,
            by,
            lambda e, now: [decisions.distribute(e, by, recipients, now)],
            once,
            traceparent,
        )

    @router.get("/reports", tags=["reports"])
    async def list_reports(
        by: Caller,
        filters: Annotated[ReportFilters, Depends()],
        order: Annotated[Order, Depends(_REPORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ReportItem]:
        """List reports, without what they say."""
        query = order.query(limit, filters.fields(), filters.spans())
        found = await api.store.page_of_reports(query)
        shown, cursor = _REPORTS.cut(found, limit, order, _places_of_reports(order))
        return Page(items=[report_item(one, by) for one in shown], next_cursor=cursor)

    @router.get("/reports/{report_id}", tags=["reports"])
    async def get_report(by: Caller, report_id: str) -> WholeReport:
        """One report with what it says, as far as the caller may read it."""
        return whole_report(await _find(api, report_id), by)


def _expectation_routes(router: APIRouter, api: ApiContext) -> None:
    @router.get("/expectations", tags=["expectations"])
    async def list_expectations(
        _: Caller,
        filters: Annotated[ExpectationFilters, Depends()],
        order: Annotated[Order, Depends(_EXPECTATIONS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ExpectationItem]:
        """List what is expected of whom."""
        query = order.query(limit, filters.fields(), filters.spans())
        found = await api.store.page(query)
        shown, cursor = _EXPECTATIONS.cut(found, limit, order, _places(order))
        return Page(items=[expectation_item(one) for one in shown], next_cursor=cursor)

    @router.get("/expectations/{session_id}", tags=["expectations"])
    async def get_expectation(_: Caller, session_id: str) -> ExpectationItem:
        """What is expected for one session."""
        expectation = await api.store.get(session_id)
        if expectation is None or expectation.session.province is None:
            raise not_found(
                sentence("no report is expected for {session_id}", session_id=session_id)
            )
        return expectation_item(expectation)


async def _find(api: ApiContext, report_id: str) -> Expectation:
    expectation = await api.store.of_report(report_id)
    if expectation is None:
        raise not_found(sentence("no report {report_id}", report_id=report_id))
    return expectation


def _places(order: Order) -> Callable[[Expectation], Place]:
    """Where what is expected stands by a sort."""

    def place(expectation: Expectation) -> Place:
        key: datetime | None = None
        match order.sort.field:
            case "due_at":
                key = expectation.session.due_at
            case "starts_at":
                key = expectation.session.starts_at
            case "changed_at":
                key = expectation.changed_at
        return Place(expectation.session_id, key)

    return place


def _places_of_reports(order: Order) -> Callable[[Expectation], Place]:
    """Where a report stands by a sort."""

    def place(expectation: Expectation) -> Place:
        report, key = expectation.report, None
        assert report is not None, "where there is no report, none is listed"
        match order.sort.field:
            case "due_at":
                key = report.due_at
            case "submitted_at":
                key = report.submitted_at
        return Place(expectation.session_id, key)

    return place


def _problem(refused: Refused) -> Problem:
    if isinstance(refused, Faulty):
        return invalid_field(refused.field, str(refused))
    if isinstance(refused, UnknownSession):
        return invalid_field("session_id", str(refused))
    return refusal(refused)
