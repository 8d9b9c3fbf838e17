"""What may happen to a report, and who may do it. A refusal is an error with a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.reports.domain.catalogue import Axis, Catalogue
from services.reports.domain.circulars import Circular
from services.reports.domain.records import (
    AxisCount,
    Cancelled,
    Distributed,
    Expectation,
    Expected,
    Fact,
    FellOverdue,
    Moved,
    Paragraph,
    Recipient,
    Report,
    Session,
    Submitted,
)
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed, Refused
from shared.runtime.sentences import sentence

DUE_BEFORE_THE_SESSION = timedelta(hours=72)
"""When a report is due if the scheduler does not say so."""


class NotOneProvince(Refused):
    """A provincial session concerns exactly one province."""

    reason = "not-one-province"


class Conflict(Refused):
    """It exists already with other data."""

    reason = "conflict"


class UnknownSession(Refused):
    """No event has announced this session."""

    reason = "unknown-session"


class NotNow(Refused):
    """It cannot be done in the present state."""

    reason = "not-now"


class Faulty(Refused):
    """What was sent is wrong in one field; `field` is its dotted name."""

    reason = "faulty"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


OF_EVENTS: Final = (NotOneProvince, Conflict, UnknownSession, NotNow)
"""Why an event of the scheduler is refused."""


# -- events of the scheduler --------------------------------------------------------------------


def expect(session_id: str, session: Session, sequence: int | None, now: datetime) -> Expected:
    """Expect a report for a session that is new here."""
    return Expected(now, session_id, session, sequence)


def expect_again(expectation: Expectation, session: Session) -> None:
    """Accept a repeated announcement. Raises Conflict if it has other data than the first."""
    if expectation.announced != session:
        raise Conflict(sentence("{id} is known with other data", id=expectation.session_id))


def is_overtaken(expectation: Expectation, sequence: int | None) -> bool:
    """Whether an event of the session, by its sequence, is not newer than the last applied one."""
    known = expectation.sequence
    return known is not None and sequence is not None and sequence <= known


def move(
    expectation: Expectation,
    starts_at: datetime,
    due_at: datetime | None,
    sequence: int | None,
    now: datetime,
) -> Moved:
    """Move the due date with the session. Raises NotNow if the session is cancelled."""
    if expectation.cancelled:
        raise NotNow("the session is cancelled")
    session = expectation.session
    due_at = None if session.province is None else due_at or starts_at - DUE_BEFORE_THE_SESSION
    # An event without a sequence keeps the known one, so that older events are still detected.
    known = expectation.sequence if sequence is None else sequence
    return Moved(now, replace(session, starts_at=starts_at, due_at=due_at), known)


def cancel(expectation: Expectation, sequence: int | None, now: datetime) -> Cancelled | None:
    """Expect no report any more; None if the session is cancelled already."""
    if expectation.cancelled:
        return None
    return Cancelled(now, expectation.sequence if sequence is None else sequence)


# -- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submission:
    """What a province sends."""

    province: str
    catalogue_version: int
    answers: Mapping[str, Mapping[str, str]]  # axis id -> sub-axis id -> text
    initiatives: tuple[Paragraph, ...] = ()
    special_topics: tuple[Paragraph, ...] = ()
    url: str | None = None


def submit(
    expectation: Expectation,
    by: Principal,
    submission: Submission,
    catalogues: Mapping[int, Catalogue],
    restricted: Collection[str],
    now: datetime,
) -> Sequence[Fact]:
    """Accept a report, or its next revision.

    If the first one arrives late and the sweeper has not announced that it is overdue, both facts
    are returned, with the same time. Raises Faulty, NotAllowed, NotNow.
    """
    session = expectation.session
    if session.province is None or session.due_at is None:
        raise Faulty(
            "session_id",
            sentence("no report is expected for {session_id}", session_id=expectation.session_id),
        )
    if submission.province != session.province:
        raise Faulty(
            "province", sentence("the session is of {province}", province=session.province)
        )
    if not (by.is_coordination or by.speaks_for(session.province)):
        raise NotAllowed(
            sentence("{by} does not speak for {body}", by=by.id, body=session.province)
        )
    if expectation.cancelled:
        raise NotNow("the session is cancelled")
    catalogue = catalogue_of(submission.catalogue_version, catalogues)
    require_known(submission.answers, catalogue)
    late = now > session.due_at
    previous = expectation.report
    report = Report(
        revision=1 if previous is None else previous.revision + 1,
        catalogue_version=catalogue.version,
        submitted_at=now,
        submitted_by=by.id,
        due_at=session.due_at,
        late=late,
        answers=submission.answers,
        axes=tuple(_count(axis, submission.answers.get(axis.id, {})) for axis in catalogue.axes),
        restricted=frozenset(restricted) & {axis.id for axis in catalogue.axes},
        initiatives=submission.initiatives,
        special_topics=submission.special_topics,
        url=submission.url,
    )
    overdue = fall_overdue(expectation, now) if late else []
    return [*overdue, Submitted(now, report)]


def distribute(
    expectation: Expectation, by: Principal, recipients: tuple[Recipient, ...], now: datetime
) -> Distributed:
    """Send the latest revision to the deputies, once. Raises NotAllowed, NotNow."""
    if not by.is_coordination:
        raise NotAllowed(sentence("{by} is not of coordination", by=by.id))
    report = expectation.report
    if report is None:
        raise NotNow("there is no report yet")
    if expectation.cancelled:
        raise NotNow("the session is cancelled")
    if report.lost is not None and report.lost.erased_at is not None:
        raise NotNow(
            sentence("revision {revision}: its texts were erased", revision=report.revision)
        )
    if report.lost is not None:
        template = (
            "revision {revision}: its texts were lost with a database; the province has to send it "
            "again"
        )
        raise NotNow(sentence(template, revision=report.revision))
    if report.distributed_at is not None:
        raise NotNow(
            sentence("revision {revision} was distributed already", revision=report.revision)
        )
    return Distributed(now, recipients)


def issue(
    circular_id: str,
    by: Principal,
    version: int,
    provinces: tuple[str, ...],
    catalogues: Mapping[int, Catalogue],
    now: datetime,
) -> Circular:
    """Send a catalogue to provinces. Raises NotAllowed, Faulty."""
    if not by.is_coordination:
        raise NotAllowed(sentence("{by} is not of coordination", by=by.id))
    catalogue_of(version, catalogues)
    return Circular(circular_id, version, tuple(sorted(set(provinces))), now, by.id)


def issue_again(known: Circular, repeated: Circular) -> None:
    """Accept a repeated circular. Raises Conflict if it has other content than the first."""
    content = (repeated.catalogue_version, repeated.provinces)
    if (known.catalogue_version, known.provinces) != content:
        raise Conflict(sentence("{id} is known with other data", id=known.circular_id))


def catalogue_of(version: int, catalogues: Mapping[int, Catalogue]) -> Catalogue:
    """The catalogue with this version. Raises Faulty if there is none."""
    catalogue = catalogues.get(version)
    if catalogue is None:
        template = "there is no version {version}; known: {known}"
        detail = sentence(template, version=version, known=list(catalogues))
        raise Faulty("catalogue_version", detail)
    return catalogue


def require_known(answers: Mapping[str, Mapping[str, str]], catalogue: Catalogue) -> None:
    """Check that every answer is to an axis and sub-axis of the catalogue. Raises Faulty if not."""
    for axis_id, by_sub_axis in answers.items():
        axis = catalogue.axis(axis_id)
        if axis is None:
            axes = [axis.id for axis in catalogue.axes]
            detail = sentence("no axis of the catalogue; its axes: {axes}", axes=axes)
            raise Faulty(f"answers.{axis_id}", detail)
        sub_axes = [sub_axis.id for sub_axis in axis.sub_axes]
        for sub_axis_id in by_sub_axis:
            if sub_axis_id not in sub_axes:
                template = "no sub-axis of {axis}; its sub-axes: {sub_axes}"
                detail = sentence(template, axis=axis_id, sub_axes=sub_axes)
                raise Faulty(f"answers.{axis_id}.{sub_axis_id}", detail)


def _count(axis: Axis, answers: Mapping[str, str]) -> AxisCount:
    answered = sum(bool(answers.get(sub_axis.id, "").strip()) for sub_axis in axis.sub_axes)
    return AxisCount(axis.id, answered, len(axis.sub_axes))


# -- the clock ----------------------------------------------------------------------------------


def fall_overdue(expectation: Expectation, now: datetime) -> Sequence[FellOverdue]:
    """The fact that the report is overdue, if it is and this was not announced yet."""
    due_at = expectation.next_due
    return [FellOverdue(now, due_at)] if due_at is not None and due_at <= now else []
