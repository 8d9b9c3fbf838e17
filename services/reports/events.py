"""Maps facts to this service's events and back, and the scheduler's events to the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from services.reports.domain.catalogue import Catalogue
from services.reports.domain.circulars import Circular
from services.reports.domain.decisions import DUE_BEFORE_THE_SESSION, NotOneProvince
from services.reports.domain.records import (
    AxisCount,
    Distributed,
    Expectation,
    FellOverdue,
    Lost,
    PublishedFact,
    Recipient,
    Report,
    RestrictedCounted,
    Session,
    Submitted,
    completeness,
)
from shared.contracts.envelope import rfc3339
from shared.contracts.events import (
    EVENTS,
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
from shared.messaging.core.model import Event, event_of
from shared.runtime.clocks import milliseconds

ReportEvent: TypeAlias = ReportOverdue | ReportSubmitted | ReportDistributed
"""This service's events about a report."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The topics that this service writes to."""

    reports: str
    restricted: str
    circulars: str


def to_event(
    expectation: Expectation, fact: PublishedFact, addresses: Addresses, trace: str | None
) -> list[Event]:
    """The events of a fact, with the expectation after it.

    Restricted axes go to a separate topic, as a separate aggregate.
    """
    province = expectation.session.province
    assert province is not None, "a gathering without a report has no facts to publish"
    session_id = expectation.session_id
    published = [
        event_of(
            _data(expectation, fact, province),
            topic=addresses.reports,
            aggregate_id=session_id,
            version=expectation.version,
            time=fact.at,
            dedup_key=rfc3339(fact.due_at) if isinstance(fact, FellOverdue) else None,
            trace=trace,
        )
    ]
    if isinstance(fact, Submitted) and (axes := fact.report.restricted_axes):
        restricted = event_of(
            _submitted(expectation, fact.report, province, axes, paragraphs=False),
            topic=addresses.restricted,
            key=session_id,
            aggregate_id=restricted_aggregate(session_id),
            version=expectation.restricted_version,
            time=fact.at,
            trace=trace,
        )
        published.append(restricted)
    return published


def _data(expectation: Expectation, fact: PublishedFact, province: str) -> EventData:
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
    """`paragraphs`: whether to count initiatives and special topics; only one event counts them."""
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
        initiatives=report.initiative_count if paragraphs else 0,
        special_topics=report.special_topic_count if paragraphs else 0,
        url=report.url,
    )


def restricted_aggregate(session_id: str) -> str:
    """The aggregate id of a session's events on the restricted topic."""
    return f"{session_id}/restricted"


def from_event(
    event: Event,
    expectation: Expectation,
    addresses: Addresses,
    catalogues: Mapping[int, Catalogue],
) -> PublishedFact | RestrictedCounted | None:
    """The fact of one of our own events; None for other events.

    `expectation` is the state before the event. The texts of a report and who submitted it are in
    no event.
    """
    data = EVENTS[event.type].from_json(event.data)
    match data:
        case ReportOverdue():
            return FellOverdue(event.time, data.due_at)
        case ReportSubmitted() if event.topic == addresses.restricted:
            known = () if expectation.report is None else expectation.report.axes
            counts = {count.axis: count for count in (*known, *_counts(data))}
            order = _axes(data, catalogues) or list(counts)
            axes = tuple(counts[id_] for id_ in order if id_ in counts)
            restricted = frozenset(a.axis for a in data.axes)
            return RestrictedCounted(event.time, data.revision, restricted, axes)
        case ReportSubmitted():
            return Submitted(event.time, _report_of(data, catalogues))
        case ReportDistributed() if expectation.report is not None:
            recipients = tuple(Recipient(p.role, p.id, p.name or p.id) for p in data.recipients)
            return Distributed(event.time, recipients)
        case _:
            return None


def _report_of(data: ReportSubmitted, catalogues: Mapping[int, Catalogue]) -> Report:
    counts = _counts(data)
    open_axes = {count.axis for count in counts}
    return Report(
        revision=data.revision,
        catalogue_version=data.catalogue_version,
        submitted_at=data.submitted_at,
        submitted_by=None,
        due_at=data.due_at,
        late=data.late,
        answers={},
        axes=counts,
        restricted=frozenset(_axes(data, catalogues)) - open_axes,
        initiatives=(),
        special_topics=(),
        url=data.url,
        lost=Lost(data.initiatives, data.special_topics),
    )


def _counts(data: ReportSubmitted) -> tuple[AxisCount, ...]:
    return tuple(AxisCount(a.axis, a.answered, a.total) for a in data.axes)


def _axes(data: ReportSubmitted, catalogues: Mapping[int, Catalogue]) -> list[str]:
    catalogue = catalogues.get(data.catalogue_version)
    return [] if catalogue is None else [axis.id for axis in catalogue.axes]


def circular_of(data: CircularIssued) -> Circular:
    """The circular of an event, which does not say who issued it."""
    return Circular(
        data.circular_id, data.catalogue_version, data.provinces, data.issued_at, issued_by=None
    )


def circular_event(
    circular: Circular, catalogue: Catalogue, addresses: Addresses, trace: str | None
) -> Event:
    """The event of a circular, with the whole catalogue that it sends."""
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
    return event_of(
        data,
        topic=addresses.circulars,
        aggregate_id=circular.circular_id,
        version=1,
        time=circular.issued_at,
        trace=trace,
    )


def session_of(scheduled: SessionScheduled) -> Session:
    """The scheduled session in the domain's record. Raises NotOneProvince."""
    starts_at = milliseconds(scheduled.starts_at)
    if scheduled.kind != "provincial":
        return Session(None, scheduled.title, starts_at, None)
    if len(scheduled.provinces) != 1:
        raise NotOneProvince(
            f"a provincial session is of one province, this of {len(scheduled.provinces)}"
        )
    due_at = scheduled.report_due_at or starts_at - DUE_BEFORE_THE_SESSION
    return Session(scheduled.provinces[0], scheduled.title, starts_at, milliseconds(due_at))
