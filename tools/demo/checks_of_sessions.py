"""The calendar, the reports and the resolutions: from their topics and from their owners' data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

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
from tools.demo.evidence import Evidence
from tools.demo.expectation import Expectation
from tools.demo.script import Resolution, Script
from tools.demo.verdicts import Check, compare, compare_counts

_RESTRICTED = "security"


def check_sessions(expectation: Expectation, evidence: Evidence) -> Iterator[Check]:
    """Everything that comes before the follow-ups."""
    script = expectation.script
    yield from _calendar(script, evidence)
    yield from _reports(script, evidence)
    yield from _resolutions(script, evidence)


def _calendar(script: Script, evidence: Evidence) -> Iterator[Check]:
    yield compare_counts(
        "provinces that have their turn",
        Counter(script.turns),
        Counter(
            province
            for record in evidence.of(SessionScheduled)
            if isinstance(record.data, SessionScheduled)
            for province in record.data.provinces
        ),
    )
    yield compare(
        "sessions held: planned, opened and closed when the script has it",
        {s.session_id: (s.opens_at, s.opens_at, s.closes_at) for s in script.sessions},
        _sessions_held(evidence),
    )
    yield compare(
        "resolutions counted at the end of a session",
        {s.session_id: len(s.resolutions) for s in script.sessions},
        (
            (record.data.session_id, record.data.resolutions)
            for record in evidence.of(SessionClosed)
            if isinstance(record.data, SessionClosed)
        ),
    )
    states = {s.session_id: "closed" for s in script.sessions}
    yield compare(
        "sessions in the scheduler's data",
        states | dict.fromkeys(script.called_off, "cancelled"),
        ((d["_id"], d["state"]) for d in evidence.documents["scheduler", "sessions"]),
    )


def _sessions_held(evidence: Evidence) -> Iterator[tuple[str, tuple[object, ...]]]:
    planned = {
        r.data.session_id: r.data.starts_at
        for r in evidence.records
        if isinstance(r.data, SessionScheduled)
    }
    opened = {
        r.data.session_id: r.data.opened_at
        for r in evidence.records
        if isinstance(r.data, SessionOpened)
    }
    for record in evidence.records:
        if isinstance(record.data, SessionClosed):
            id_ = record.data.session_id
            yield id_, (planned.get(id_), opened.get(id_), record.data.closed_at)


def _reports(script: Script, evidence: Evidence) -> Iterator[Check]:
    yield compare_counts(
        "circulars, and sessions called off",
        Counter({"circular": 1, **dict.fromkeys(script.called_off, 1)}),
        Counter(
            "circular" if isinstance(r.data, CircularIssued) else r.data.session_id
            for r in evidence.records
            if isinstance(r.data, CircularIssued | SessionCancelled)
        ),
    )
    totals = [
        len(axis.sub_axes)
        for record in evidence.records
        if isinstance(record.data, CircularIssued)
        for axis in record.data.axes
        if axis.axis != _RESTRICTED
    ]
    total = sum(totals) or 1
    yield compare(
        "reports and their revisions, late ones named",
        {
            (s.session_id, sent.revision): (
                sent.at,
                sent.at > s.report_due_at,
                round((total - sent.unanswered) / total, 6),
                sent.initiatives,
            )
            for s in script.sessions
            for sent in s.submissions
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
            for r in evidence.records
            if isinstance(r.data, ReportSubmitted) and not r.topic.endswith(".restricted")
        ),
    )
    yield compare(
        "reports of the restricted axes, on their own topic",
        {(s.session_id, sent.revision): sent.at for s in script.sessions for sent in s.submissions},
        (
            ((r.data.session_id, r.data.revision), r.data.submitted_at)
            for r in evidence.records
            if isinstance(r.data, ReportSubmitted) and r.topic.endswith(".restricted")
        ),
    )
    yield compare(
        "reports distributed to the deputies",
        {
            (s.session_id, sent.revision): sent.distributed_at
            for s in script.sessions
            for sent in s.submissions
        },
        (
            ((r.data.session_id, r.data.revision), r.data.distributed_at)
            for r in evidence.records
            if isinstance(r.data, ReportDistributed)
        ),
    )
    yield compare(
        "ReportOverdue, for exactly the late ones, at the due instant",
        {
            s.session_id: (s.report_due_at, s.report_due_at)
            for s in script.sessions
            if s.report_is_late
        },
        (
            (r.data.session_id, (r.data.due_at, r.event.time))
            for r in evidence.records
            if isinstance(r.data, ReportOverdue)
        ),
    )
    yield compare(
        "reports in the data of `reports`",
        {s.session_id: ("submitted", s.submissions[-1].revision) for s in script.sessions}
        | dict.fromkeys(script.called_off, ("cancelled", 0)),
        (
            (d["_id"], (d["state"], 0 if d["report"] is None else d["report"]["revision"]))
            for d in evidence.documents["reports", "expectations"]
        ),
    )


def _resolutions(script: Script, evidence: Evidence) -> Iterator[Check]:
    yield compare(
        "resolutions approved, on the topics of their deputies",
        {r.resolution_id: _terms(r) for r in script.resolutions},
        (
            (
                r.data.resolution_id,
                (
                    r.topic.rpartition(".")[2],
                    r.data.deputy,
                    r.data.title,
                    r.data.approved_at,
                    r.data.due_on,
                    r.data.priority,
                    r.data.province,
                    r.data.axis,
                    r.data.executing_body,
                    r.data.supporting,
                ),
            )
            for r in evidence.records
            if isinstance(r.data, ResolutionApproved)
        ),
    )
    yield compare(
        "resolutions in the scheduler's data",
        {r.resolution_id: r.session_id for r in script.resolutions},
        ((d["_id"], d["session_id"]) for d in evidence.documents["scheduler", "resolutions"]),
    )


def _terms(r: Resolution) -> tuple[object, ...]:
    return (
        r.deputy,
        r.deputy,
        r.title,
        r.approved_at,
        r.due_on,
        "urgent" if r.urgent else "normal",
        r.province,
        r.axis,
        r.executing_body,
        r.supporting,
    )
