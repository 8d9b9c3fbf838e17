"""Maps facts to the events that others read, and events of others to what the domain knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.reports.domain.catalogue import Catalogue
from services.reports.domain.circulars import Circular
from services.reports.domain.decisions import DUE_BEFORE_THE_SESSION, NotOneProvince
from services.reports.domain.records import (
    AxisCount,
    Distributed,
    Expectation,
    FellOverdue,
    Report,
    Session,
    Submitted,
    Told,
    completeness,
)
from shared.contracts.envelope import rfc3339
from shared.contracts.events import (
    AxisAnswers,
    CatalogueAxis,
    CircularIssued,
    EventData,
    Person,
    ReportDistributed,
    ReportOverdue,
    ReportSubmitted,
    SessionScheduled,
    SubAxis,
)
from shared.messaging.records import Event, event_id


@dataclass(frozen=True, slots=True)
class Addresses:
    """The topics that this service writes to."""

    reports: str
    restricted: str
    circulars: str


def announce(
    expectation: Expectation, fact: Told, addresses: Addresses, trace: str | None
) -> list[Event]:
    """The events of a fact, with the expectation as the fact left it.

    What is restricted goes on a topic of its own, as an aggregate of its own.
    """
    province = expectation.session.province
    assert province is not None, "of a gathering without a report nothing is told"
    data = _data(expectation, fact, province)
    distinction = (
        rfc3339(fact.due_at) if isinstance(fact, FellOverdue) else str(expectation.version)
    )
    id_, version = expectation.session_id, expectation.version
    topic = addresses.reports
    told = [_event(data, expectation, fact, id_, version, distinction, topic, trace)]
    if isinstance(fact, Submitted) and fact.report.restricted_axes:
        report = fact.report
        kept = _submitted(expectation, report, province, report.restricted_axes, paragraphs=False)
        version = expectation.restricted_version
        aggregate = f"{id_}/restricted"
        topic = addresses.restricted
        told.append(_event(kept, expectation, fact, aggregate, version, str(version), topic, trace))
    return told


def _event(
    data: EventData,
    expectation: Expectation,
    fact: Told,
    aggregate_id: str,
    version: int,
    distinction: str,
    topic: str,
    trace: str | None,
) -> Event:
    return Event(
        id=event_id(data.TYPE, aggregate_id, distinction),
        type=data.TYPE,
        topic=topic,
        key=expectation.session_id,
        aggregate_id=aggregate_id,
        version=version,
        time=fact.at,
        dataschema=data.DATASCHEMA,
        data=data.to_json(),
        trace=trace,
    )


def _data(expectation: Expectation, fact: Told, province: str) -> EventData:
    match fact:
        case FellOverdue():
            return ReportOverdue(
                session_id=expectation.session_id,
                province=province,
                due_at=fact.due_at,
                title=expectation.session.title,
            )
        case Submitted(report=report):
            return _submitted(expectation, report, province, report.open_axes, paragraphs=True)
        case Distributed():
            assert expectation.report is not None
            return ReportDistributed(
                report_id=expectation.report_id,
                session_id=expectation.session_id,
                province=province,
                revision=expectation.report.revision,
                distributed_at=fact.at,
                recipients=tuple(
                    Person(role=r.role, id=r.id, name=r.name) for r in fact.recipients
                ),
            )


def _submitted(
    expectation: Expectation,
    report: Report,
    province: str,
    axes: Iterable[AxisCount],
    *,
    paragraphs: bool,
) -> ReportSubmitted:
    """`paragraphs`: whether initiatives and special topics are counted, which is done once."""
    counted = tuple(axes)
    return ReportSubmitted(
        report_id=expectation.report_id,
        session_id=expectation.session_id,
        province=province,
        revision=report.revision,
        catalogue_version=report.catalogue_version,
        submitted_at=report.submitted_at,
        due_at=report.due_at,
        late=report.late,
        completeness=completeness(counted),
        axes=tuple(AxisAnswers(axis=a.axis, answered=a.answered, total=a.total) for a in counted),
        initiatives=len(report.initiatives) if paragraphs else 0,
        special_topics=len(report.special_topics) if paragraphs else 0,
        url=report.url,
    )


def circular_event(
    circular: Circular, catalogue: Catalogue, addresses: Addresses, trace: str | None
) -> Event:
    """The one event of a circular, with the whole catalogue that it sends."""
    data = CircularIssued(
        circular_id=circular.circular_id,
        catalogue_version=circular.catalogue_version,
        issued_at=circular.issued_at,
        axes=tuple(
            CatalogueAxis(
                axis=axis.id,
                title=axis.title,
                sub_axes=tuple(SubAxis(sub_axis=s.id, title=s.title) for s in axis.sub_axes),
            )
            for axis in catalogue.axes
        ),
        provinces=circular.provinces,
    )
    return Event(
        id=event_id(data.TYPE, circular.circular_id, 1),
        type=data.TYPE,
        topic=addresses.circulars,
        key=circular.circular_id,
        aggregate_id=circular.circular_id,
        version=1,
        time=circular.issued_at,
        dataschema=data.DATASCHEMA,
        data=data.to_json(),
        trace=trace,
    )


def session_of(scheduled: SessionScheduled) -> Session:
    """What was scheduled, in the domain's record. Raises NotOneProvince."""
    starts_at = milliseconds(scheduled.starts_at)
    if scheduled.kind != "provincial":
        return Session(None, scheduled.title, starts_at, None)
    if len(scheduled.provinces) != 1:
        raise NotOneProvince(
            f"a provincial session is of one province, this of {len(scheduled.provinces)}"
        )
    due_at = scheduled.report_due_at or starts_at - DUE_BEFORE_THE_SESSION
    return Session(scheduled.provinces[0], scheduled.title, starts_at, milliseconds(due_at))


def milliseconds(instant: datetime) -> datetime:
    """The instant without what is finer: neither MongoDB nor our events keep it."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
