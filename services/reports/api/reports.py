"""Reports: submitted by the provinces, distributed to the deputies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends

from services.reports import handlers
from services.reports.api.context import ApiContext, problems
from services.reports.api.schemas import (
    ReportItem,
    SubmitReport,
    WholeReport,
    paragraphs,
    report_item,
    whole_report,
)
from services.reports.domain.decisions import Submission
from services.reports.domain.reads import restricted_read
from services.reports.domain.records import Expectation, Report
from services.reports.domain.visibility import expectations_within, sees_expectation
from shared.runtime.access import Action, Reach, reach
from shared.runtime.clocks import DomainClock
from shared.runtime.commands import Command
from shared.runtime.http import Limit, Page, Repeatable, Traceparent
from shared.runtime.http.access import may
from shared.runtime.http.filters import Bound, ListFilters, Word, any_of, since, until
from shared.runtime.http.lists import DEFAULT_LIMIT, INSTANT, Order, SortField, Sorts
from shared.runtime.idempotent_replies import Replying
from shared.runtime.principals import Principal
from shared.runtime.problems import not_found
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_REPORTS)]
Submitter: TypeAlias = Annotated[Principal, may(Action.SUBMIT_REPORT)]
Distributor: TypeAlias = Annotated[Principal, may(Action.DISTRIBUTE_REPORT)]


def _report(expectation: Expectation) -> Report:
    assert expectation.report is not None, "only expectations with a report are listed"
    return expectation.report


_SORTS = Sorts[Expectation](
    "reports",
    "session_id",
    lambda expectation: expectation.session_id,
    {
        "due_at": SortField(INSTANT, lambda listed, _: _report(listed).due_at),
        "submitted_at": SortField(INSTANT, lambda listed, _: _report(listed).submitted_at),
    },
)


@dataclass(frozen=True)
class Filters(ListFilters):
    """The fields by which the list of reports can be filtered."""

    report_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()
    session_id: Annotated[tuple[Word, ...], any_of("The session that it is for.")] = ()
    province: Annotated[tuple[Word, ...], any_of("ISO 3166-2:IR code.")] = ()
    late: Annotated[tuple[bool, ...], any_of("Whether its latest revision was late.")] = ()
    due_from: Annotated[Bound | None, since("Due")] = None
    due_to: Annotated[Bound | None, until("Due")] = None
    submitted_from: Annotated[Bound | None, since("Submitted last")] = None
    submitted_to: Annotated[Bound | None, until("Submitted last")] = None


def routes(api: ApiContext, clock: DomainClock) -> APIRouter:
    """The routes of reports."""
    router = APIRouter(tags=["reports"])
    _command_routes(router, api, clock)
    _read_routes(router, api)
    return router


def _command_routes(router: APIRouter, api: ApiContext, clock: DomainClock) -> None:
    @router.post("/reports", status_code=201)
    async def submit_report(
        by: Submitter, body: SubmitReport, once: Repeatable, traceparent: Traceparent = None
    ) -> WholeReport:
        """The province sends its report, or the next revision of it."""
        submission = Submission(
            province=body.province,
            catalogue_version=body.catalogue_version,
            answers=body.answers,
            initiatives=paragraphs(body.initiatives),
            special_topics=paragraphs(body.special_topics),
            url=body.url,
        )
        now = await clock.now()

        async def submit(reply: Replying[Expectation]) -> Expectation:
            with problems():
                return await handlers.submit_report(
                    Command(body.session_id, api.store, api.context, by, now, traceparent, reply),
                    submission,
                )

        return await once(api.store.replies, submit, lambda after: whole_report(after, by))

    @router.post("/reports/{report_id}/distribute")
    async def distribute(
        by: Distributor, report_id: str, once: Repeatable, traceparent: Traceparent = None
    ) -> WholeReport:
        """Coordination sends the latest revision to all deputies."""
        found = await _find(api, report_id, reach(by, Action.DISTRIBUTE_REPORT))
        session_id, now = found.session_id, await clock.now()

        async def send(reply: Replying[Expectation]) -> Expectation:
            with problems():
                return await handlers.distribute_report(
                    Command(session_id, api.store, api.context, by, now, traceparent, reply)
                )

        await _log_read(api, [found], by, texts=True)
        return await once(api.store.replies, send, lambda after: whole_report(after, by))


def _read_routes(router: APIRouter, api: ApiContext) -> None:
    @router.get("/reports")
    async def list_reports(
        by: Reader,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ReportItem]:
        """List reports, without their texts."""
        within = expectations_within(reach(by, Action.READ_REPORTS))
        query = order.query(limit, filters.fields(), filters.spans(), within)
        found = await api.store.page_of_reports(query)
        shown, cursor = _SORTS.cut(found, limit, order)
        await _log_read(api, shown, by, texts=False)
        return Page(items=[report_item(one, by) for one in shown], next_cursor=cursor)

    @router.get("/reports/{report_id}")
    async def get_report(by: Reader, report_id: str) -> WholeReport:
        """One report with its texts, as far as the caller may read them."""
        found = await _find(api, report_id, reach(by, Action.READ_REPORTS))
        await _log_read(api, [found], by, texts=True)
        return whole_report(found, by)


async def _log_read(
    api: ApiContext, shown: Sequence[Expectation], by: Principal, *, texts: bool
) -> None:
    """Keep who reads restricted axes before they are sent. If that fails, so does the request."""
    read = restricted_read(shown, by, api.reads.now(), texts=texts)
    if read is not None:
        await api.reads.add(read)


async def _find(api: ApiContext, report_id: str, within: Reach) -> Expectation:
    expectation = await api.store.of_report(report_id)
    if expectation is None or not sees_expectation(within, expectation):
        raise not_found(sentence("no report {report_id}", report_id=report_id))
    return expectation
