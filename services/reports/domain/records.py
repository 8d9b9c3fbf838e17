"""The expected report of a session, the facts that happen to it, and how each fact changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from shared.runtime.ids import name_id

_REPORT_IDS = UUID("0d9b8f52-3c64-5b0e-9f6a-6a1f7d0c4e35")


class State(StrEnum):
    """The state of a session's report."""

    NOT_EXPECTED = "not-expected"  # a gathering without a report
    AWAITED = "awaited"
    OVERDUE = "overdue"
    SUBMITTED = "submitted"
    CANCELLED = "cancelled"  # together with its session


@dataclass(frozen=True, slots=True)
class Session:
    """The part of a session that matters to its report."""

    province: str | None  # ISO 3166-2:IR; None: a gathering without a report
    title: str
    starts_at: datetime  # UTC, to the millisecond, as due_at
    due_at: datetime | None  # None: a gathering without a report


@dataclass(frozen=True, slots=True)
class Paragraph:
    """An initiative, or a special topic outside the axes."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to whom reports are distributed."""

    role: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class AxisCount:
    """How many of an axis's sub-axes are answered."""

    axis: str
    answered: int
    total: int


@dataclass(frozen=True, slots=True)
class Lost:
    """What the events still say about texts that were lost with a database, or erased.

    By design no topic holds the texts of a report. After a restore from a copy that is older than
    the latest revision, or once somebody has erased them, they are gone; the province may send a
    further revision.
    """

    initiatives: int  # how many there were
    special_topics: int
    erased_at: datetime | None = None  # UTC; None: nobody erased them


@dataclass(frozen=True, slots=True)
class Report:
    """A report in its latest revision."""

    revision: int  # from 1
    catalogue_version: int
    submitted_at: datetime  # UTC
    submitted_by: str | None  # None: lost, with the texts
    due_at: datetime  # at the time of submission
    late: bool
    answers: Mapping[str, Mapping[str, str]]  # axis id -> sub-axis id -> text
    axes: tuple[AxisCount, ...]  # of the whole catalogue, the restricted ones included
    restricted: frozenset[str]  # axis ids
    initiatives: tuple[Paragraph, ...]
    special_topics: tuple[Paragraph, ...]
    url: str | None
    distributed_at: datetime | None = None  # of this revision
    lost: Lost | None = None  # None: the texts are stored

    @property
    def open_axes(self) -> tuple[AxisCount, ...]:
        """The axes that everybody may know about."""
        return tuple(count for count in self.axes if count.axis not in self.restricted)

    @property
    def restricted_axes(self) -> tuple[AxisCount, ...]:
        return tuple(count for count in self.axes if count.axis in self.restricted)

    @property
    def initiative_count(self) -> int:
        return len(self.initiatives) if self.lost is None else self.lost.initiatives

    @property
    def special_topic_count(self) -> int:
        return len(self.special_topics) if self.lost is None else self.lost.special_topics


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected report of a session, in the state after its latest fact."""

    session_id: str
    announced: Session  # as first announced; a repeated announcement is compared with it
    session: Session  # as it is now
    sequence: int | None  # of the session's latest applied event; None: it had none
    edition: int  # the number of its facts
    changed_at: datetime
    version: int = 0  # the number of its events on the topic of reports
    restricted_version: int = 0  # the number of its events on the restricted topic
    cancelled: bool = False
    overdue_for: tuple[datetime, ...] = ()  # the due times for which it was announced
    report: Report | None = None

    @property
    def report_id(self) -> str:
        return report_id(self.session_id)

    @property
    def state(self) -> State:
        due_at = self.session.due_at
        if due_at is None:
            return State.NOT_EXPECTED
        if self.cancelled:
            return State.CANCELLED
        if self.report is not None:
            return State.SUBMITTED
        return State.OVERDUE if due_at in self.overdue_for else State.AWAITED

    @property
    def next_due(self) -> datetime | None:
        """The instant (UTC) at which it becomes overdue, or None if it will not."""
        return self.session.due_at if self.state is State.AWAITED else None


@dataclass(frozen=True, slots=True)
class Expected:
    """A session was put into the calendar."""

    at: datetime
    session_id: str
    session: Session
    sequence: int | None


@dataclass(frozen=True, slots=True)
class Moved:
    """Its session was moved, and the due date with it."""

    at: datetime
    session: Session
    sequence: int | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Its session will not take place."""

    at: datetime
    sequence: int | None


@dataclass(frozen=True, slots=True)
class FellOverdue:
    """It did not arrive by its due time; at most once per due time."""

    at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Submitted:
    """The province has sent its report, or a further revision of it."""

    at: datetime
    report: Report


@dataclass(frozen=True, slots=True)
class Distributed:
    """The latest revision went to the deputies."""

    at: datetime
    recipients: tuple[Recipient, ...]


@dataclass(frozen=True, slots=True)
class RestrictedCounted:
    """How much of its restricted axes a report answers; its event is on the restricted topic."""

    at: datetime
    revision: int
    restricted: frozenset[str]  # axis ids
    axes: tuple[AxisCount, ...]  # of the whole catalogue, as far as they are known


PublishedFact: TypeAlias = FellOverdue | Submitted | Distributed
"""Facts that are published; other services know those of the session from the scheduler."""

Fact: TypeAlias = Expected | Moved | Cancelled | PublishedFact | RestrictedCounted


def report_id(session_id: str) -> str:
    """The id of a session's only report, made from the session's id (UUID, RFC 4122 version 5)."""
    return name_id(_REPORT_IDS, session_id)


def completeness(axes: Iterable[AxisCount]) -> float:
    """The share of sub-axes that are answered, 0 to 1; 1 if there are none."""
    counted = tuple(axes)
    total = sum(count.total for count in counted)
    return sum(count.answered for count in counted) / total if total else 1.0


def expected(fact: Expected) -> Expectation:
    """The expectation after its first fact."""
    return Expectation(
        session_id=fact.session_id,
        announced=fact.session,
        session=fact.session,
        sequence=fact.sequence,
        edition=1,
        changed_at=fact.at,
    )


def evolve(expectation: Expectation, fact: Fact) -> Expectation:
    """The expectation after one more fact. It checks nothing: a fact has happened."""
    next_ = replace(expectation, edition=expectation.edition + 1, changed_at=fact.at)
    if isinstance(fact, PublishedFact):
        next_ = replace(next_, version=expectation.version + 1)
    match fact:
        case Expected():
            return expected(fact)
        case Moved():
            return replace(next_, session=fact.session, sequence=fact.sequence)
        case Cancelled():
            return replace(next_, cancelled=True, sequence=fact.sequence)
        case FellOverdue():
            return replace(next_, overdue_for=(*expectation.overdue_for, fact.due_at))
        case Submitted(report=report):
            more = 1 if report.restricted_axes else 0
            version = expectation.restricted_version + more
            return replace(next_, report=report, restricted_version=version)
        case Distributed():
            assert expectation.report is not None
            report = replace(expectation.report, distributed_at=fact.at)
            return replace(next_, report=report)
        case RestrictedCounted():
            return _counted(expectation, next_, fact)


def _counted(before: Expectation, next_: Expectation, fact: RestrictedCounted) -> Expectation:
    report, version = before.report, before.restricted_version + 1
    if report is not None and report.revision == fact.revision:
        report = replace(report, axes=fact.axes, restricted=report.restricted | fact.restricted)
    # It happened when the report was submitted, so `changed_at` stays.
    return replace(next_, report=report, restricted_version=version, changed_at=before.changed_at)
