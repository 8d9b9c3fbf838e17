"""What comes before the follow-ups: the calendar, the reports and the resolutions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from shared.contracts.events import (
    CircularIssued,
    ReportDistributed,
    ReportOverdue,
    ReportSubmitted,
    ResolutionApproved,
    SessionCancelled,
    SessionClosed,
    SessionOpened,
    SessionScheduled,
)
from tools.demo.checks.result import CheckResult, compare, compare_counts
from tools.demo.evidence import Evidence, Record
from tools.demo.script import Resolution, Script, Session, Submission

_RESTRICTED_AXIS: Final = "security"


def check_sessions(script: Script, evidence: Evidence) -> Iterator[CheckResult]:
    """Check the topics of sessions, reports and resolutions, and what their services say."""
    yield from _calendar(script, evidence)
    yield from _reports(script, evidence)
    yield from _resolutions(script, evidence)


def _calendar(script: Script, evidence: Evidence) -> Iterator[CheckResult]:
    scheduled = evidence.of(SessionScheduled)
    yield compare_counts(
        "provinces that have their turn",
        Counter(script.provinces),
        Counter(province for record in scheduled for province in record.data.provinces),
    )
    yield compare(
        "sessions held: planned, opened and closed when the script has it",
        {s.session_id: (s.opens_at, s.opens_at, s.closes_at) for s in script.sessions},
        _sessions_held(evidence),
    )
    yield compare(
        "resolutions counted at the end of a session",
        {s.session_id: len(s.resolutions) for s in script.sessions},
        ((r.data.session_id, r.data.resolutions) for r in evidence.of(SessionClosed)),
    )
    yield compare(
        "sessions in the scheduler's data",
        {s.session_id: "closed" for s in script.sessions}
        | dict.fromkeys(script.cancelled, "cancelled"),
        evidence.served.sessions,
    )


def _sessions_held(evidence: Evidence) -> Iterator[tuple[str, tuple[datetime | None, ...]]]:
    """When each closed session was planned to open, opened, and closed."""
    planned = {r.data.session_id: r.data.starts_at for r in evidence.of(SessionScheduled)}
    opened = {r.data.session_id: r.data.opened_at for r in evidence.of(SessionOpened)}
    for record in evidence.of(SessionClosed):
        id_ = record.data.session_id
        yield id_, (planned.get(id_), opened.get(id_), record.data.closed_at)


def _reports(script: Script, evidence: Evidence) -> Iterator[CheckResult]:
    circulars = evidence.of(CircularIssued)
    yield compare_counts(
        "circulars, and sessions called off",
        Counter({"circular": 1, **dict.fromkeys(script.cancelled, 1)}),
        Counter(
            [
                *("circular" for _ in circulars),
                *(record.data.session_id for record in evidence.of(SessionCancelled)),
            ]
        ),
    )
    yield from _submissions(script, evidence, circulars)
    yield compare(
        "reports distributed to the deputies",
        {
            (session.session_id, submission.revision): submission.distributed_at
            for session, submission in _submitted(script)
        },
        (
            ((r.data.session_id, r.data.revision), r.data.distributed_at)
            for r in evidence.of(ReportDistributed)
        ),
    )
    yield compare(
        "ReportOverdue, for exactly the late ones, at the due instant",
        {
            s.session_id: (s.report_due_at, s.report_due_at)
            for s in script.sessions
            if s.report_is_late
        },
        ((r.data.session_id, (r.data.due_at, r.event.time)) for r in evidence.of(ReportOverdue)),
    )
    yield compare(
        "reports in the data of `reports`",
        {s.session_id: ("submitted", s.submissions[-1].revision) for s in script.sessions}
        | dict.fromkeys(script.cancelled, ("cancelled", 0)),
        evidence.served.reports,
    )


def _submissions(
    script: Script, evidence: Evidence, circulars: list[Record[CircularIssued]]
) -> Iterator[CheckResult]:
    """A report is published in two parts: the restricted axis goes to a topic of its own."""
    submitted = evidence.of(ReportSubmitted)
    sub_axes = sum(
        len(axis.sub_axes)
        for record in circulars
        for axis in record.data.axes
        if axis.axis != _RESTRICTED_AXIS
    )
    total = sub_axes or 1  # without a circular, a check above has failed already
    yield compare(
        "reports and their revisions, late ones named",
        {
            (session.session_id, submission.revision): (
                submission.at,
                submission.at > session.report_due_at,
                round((total - submission.unanswered) / total, 6),
                submission.initiatives,
            )
            for session, submission in _submitted(script)
        },
        (
            (
                (r.data.session_id, r.data.revision),
                (
                    r.data.submitted_at,
                    r.data.late,
                    round(r.data.completeness, 6),
                    r.data.initiatives,
                ),
            )
            for r in submitted
            if not _is_restricted(r)
        ),
    )
    yield compare(
        "reports of the restricted axes, on their own topic",
        {
            (session.session_id, submission.revision): submission.at
            for session, submission in _submitted(script)
        },
        (
            ((r.data.session_id, r.data.revision), r.data.submitted_at)
            for r in submitted
            if _is_restricted(r)
        ),
    )


def _submitted(script: Script) -> Iterator[tuple[Session, Submission]]:
    for session in script.sessions:
        for submission in session.submissions:
            yield session, submission


def _is_restricted(record: Record[ReportSubmitted]) -> bool:
    return record.topic.endswith(".restricted")


def _resolutions(script: Script, evidence: Evidence) -> Iterator[CheckResult]:
    yield compare(
        "resolutions approved, on the topics of their deputies",
        {
            resolution.resolution_id: _expected_terms(resolution)
            for resolution in script.resolutions
        },
        ((r.data.resolution_id, _found_terms(r)) for r in evidence.of(ResolutionApproved)),
    )
    yield compare(
        "resolutions in the scheduler's data",
        {resolution.resolution_id: resolution.session_id for resolution in script.resolutions},
        evidence.served.resolutions,
    )


def _expected_terms(resolution: Resolution) -> tuple[object, ...]:
    return (
        resolution.deputy,  # the last part of the topic's name
        resolution.deputy,
        resolution.title,
        resolution.approved_at,
        resolution.due_on,
        "urgent" if resolution.urgent else "normal",
        resolution.province,
        resolution.axis,
        resolution.executing_body,
        resolution.supporting,
    )


def _found_terms(record: Record[ResolutionApproved]) -> tuple[object, ...]:
    data = record.data
    return (
        record.topic.rpartition(".")[2],
        data.deputy,
        data.title,
        data.approved_at,
        data.due_on,
        data.priority,
        data.province,
        data.axis,
        data.executing_body,
        data.supporting,
    )
