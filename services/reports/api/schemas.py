"""What goes in and out over HTTP, and how it is made of the domain's records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from services.reports.domain.catalogue import Catalogue
from services.reports.domain.circulars import Circular
from services.reports.domain.records import (
    Expectation,
    Paragraph,
    Report,
    State,
    completeness,
)
from services.reports.domain.visibility import readable_axes
from shared.contracts.events.base import Id, ProvinceCode, Text, Title, Version
from shared.contracts.reference import PROVINCES
from shared.runtime.http import NewId, RequestBody
from shared.runtime.principals import Principal

Url = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^https?://\S+$")]

_EVERY_PROVINCE = tuple(province.code for province in PROVINCES)


class SubAxisItem(BaseModel):
    sub_axis: str
    title: str


class AxisItem(BaseModel):
    axis: str
    title: str
    sub_axes: list[SubAxisItem]


class CatalogueItem(BaseModel):
    """A catalogue, with the field names of the events."""

    catalogue_version: int
    axes: list[AxisItem]


class CircularItem(BaseModel):
    circular_id: str
    catalogue_version: int
    provinces: tuple[str, ...]
    issued_at: datetime
    issued_by: str | None = Field(
        description="null: not known, because the circular was restored from its event"
    )


class ExpectationItem(BaseModel):
    """The report that is expected of a session's province."""

    session_id: str
    report_id: str
    province: str
    title: str
    state: State
    starts_at: datetime
    due_at: datetime
    changed_at: datetime
    version: int = Field(description="the number of its events on the topic of reports")


class AxisCountItem(BaseModel):
    axis: str
    answered: int
    total: int


class ReportItem(BaseModel):
    """A report in its latest revision, with the field names of the events."""

    report_id: str
    session_id: str
    province: str
    revision: int
    catalogue_version: int
    submitted_at: datetime
    submitted_by: str | None = Field(description="null: not known, see texts_lost")
    due_at: datetime
    late: bool
    completeness: float = Field(description="0 to 1; restricted axes left out")
    axes: list[AxisCountItem] = Field(description="those that the caller may read")
    initiatives: int
    special_topics: int
    url: str | None
    texts_lost: bool = Field(
        description="whether the texts of this revision are gone: the database was restored from "
        "an older copy, or they were erased; the province may send a further revision"
    )
    erased_at: datetime | None = Field(description="null: nobody erased the texts")
    distributed_at: datetime | None = Field(description="null: this revision was not distributed")
    version: int


class ParagraphItem(BaseModel):
    title: str
    text: str


class ReportContent(BaseModel):
    """The texts of a province, as far as the caller may read them."""

    answers: dict[str, dict[str, str]]
    initiatives: list[ParagraphItem]
    special_topics: list[ParagraphItem]


class WholeReport(ReportItem):
    """A report with its texts."""

    content: ReportContent | None = Field(description="null: gone, see texts_lost")


class IssueCircular(RequestBody):
    catalogue_version: Version
    provinces: Annotated[tuple[ProvinceCode, ...], Field(min_length=1)] = _EVERY_PROVINCE
    circular_id: NewId | None = None


class SentParagraph(RequestBody):
    title: Title
    text: Text = ""


Paragraphs = Annotated[tuple[SentParagraph, ...], Field(max_length=200)]


class SubmitReport(RequestBody):
    session_id: Id
    province: ProvinceCode
    catalogue_version: Version
    answers: dict[str, dict[str, Text]] = Field(description="axis to sub-axis to text")
    initiatives: Paragraphs = ()
    special_topics: Paragraphs = ()
    url: Url | None = None


def paragraphs(items: Sequence[SentParagraph]) -> tuple[Paragraph, ...]:
    return tuple(Paragraph(item.title, item.text) for item in items)


def catalogue_item(catalogue: Catalogue) -> CatalogueItem:
    return CatalogueItem(
        catalogue_version=catalogue.version,
        axes=[
            AxisItem(
                axis=axis.id,
                title=axis.title,
                sub_axes=[SubAxisItem(sub_axis=s.id, title=s.title) for s in axis.sub_axes],
            )
            for axis in catalogue.axes
        ],
    )


def circular_item(circular: Circular) -> CircularItem:
    return CircularItem(
        circular_id=circular.circular_id,
        catalogue_version=circular.catalogue_version,
        provinces=circular.provinces,
        issued_at=circular.issued_at,
        issued_by=circular.issued_by,
    )


def expectation_item(expectation: Expectation) -> ExpectationItem:
    session = expectation.session
    assert session.province is not None, "a gathering without a report is not listed"
    assert session.due_at is not None, "a gathering without a report is not listed"
    return ExpectationItem(
        session_id=expectation.session_id,
        report_id=expectation.report_id,
        province=session.province,
        title=session.title,
        state=expectation.state,
        starts_at=session.starts_at,
        due_at=session.due_at,
        changed_at=expectation.changed_at,
        version=expectation.version,
    )


def report_item(expectation: Expectation, by: Principal) -> ReportItem:
    report, province = expectation.report, expectation.session.province
    assert report is not None, "only expectations with a report are listed"
    assert province is not None, "only provincial sessions have a report"
    readable = readable_axes(report, province, by)
    return ReportItem(
        report_id=expectation.report_id,
        session_id=expectation.session_id,
        province=province,
        revision=report.revision,
        catalogue_version=report.catalogue_version,
        submitted_at=report.submitted_at,
        submitted_by=report.submitted_by,
        due_at=report.due_at,
        late=report.late,
        completeness=completeness(report.open_axes),
        axes=[
            AxisCountItem(axis=count.axis, answered=count.answered, total=count.total)
            for count in report.axes
            if count.axis in readable
        ],
        initiatives=report.initiative_count,
        special_topics=report.special_topic_count,
        url=report.url,
        texts_lost=report.lost is not None,
        erased_at=None if report.lost is None else report.lost.erased_at,
        distributed_at=report.distributed_at,
        version=expectation.version,
    )


def whole_report(expectation: Expectation, by: Principal) -> WholeReport:
    report, province = expectation.report, expectation.session.province
    assert report is not None, "only expectations with a report are shown"
    assert province is not None, "only provincial sessions have a report"
    content = None if report.lost else _content(report, readable_axes(report, province, by))
    return WholeReport(**dict(report_item(expectation, by)), content=content)


def _content(report: Report, readable: Collection[str]) -> ReportContent:
    return ReportContent(
        answers={a: dict(texts) for a, texts in report.answers.items() if a in readable},
        initiatives=[ParagraphItem(title=p.title, text=p.text) for p in report.initiatives],
        special_topics=[ParagraphItem(title=p.title, text=p.text) for p in report.special_topics],
    )
