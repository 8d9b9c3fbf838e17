"""The checks: each compares the evidence with what the oracle expects, or with itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from shared.contracts.envelope import rfc3339
from shared.contracts.events import EventData
from tools.demo.checks.followups import check_followups
from tools.demo.checks.mails import check_mails
from tools.demo.checks.result import CheckResult
from tools.demo.checks.scorecards import check_scorecards
from tools.demo.checks.sessions import check_sessions
from tools.demo.checks.topics import check_topics
from tools.demo.evidence import Evidence, Record
from tools.demo.oracle import Expectation


def check_all(expectation: Expectation, evidence: Evidence) -> tuple[CheckResult, ...]:
    """Run every check."""
    return (
        *check_sessions(expectation.script, evidence),
        *check_followups(expectation, evidence),
        *check_topics(evidence),
        *check_mails(expectation, evidence),
        check_scorecards(evidence),
    )


def digest(evidence: Evidence) -> str:
    """Return a SHA-256 (hex) of what came of a season: every event with its data, every mail.

    Two replays of one script have the same digest. Offsets, the services' random ids and the
    machines' times are left out. Events of different aggregates have no order among themselves,
    so they are sorted.
    """
    sha256 = hashlib.sha256()
    for line in sorted(_lines(evidence)):
        sha256.update(line.encode())
        sha256.update(b"\n")
    return sha256.hexdigest()


def _lines(evidence: Evidence) -> Iterator[str]:
    for record in evidence.distinct(EventData):
        yield json.dumps(_canonical(record), ensure_ascii=False, sort_keys=True)
    for mail in evidence.mails:
        fields = ["mail", mail.message_id, *mail.to, mail.subject, mail.text]
        yield json.dumps(fields, ensure_ascii=False)


def _canonical(record: Record[EventData]) -> list[Any]:
    event = record.event
    return [
        record.topic,
        event.subject,
        event.sequence,
        event.type,
        None if event.time is None else rfc3339(event.time),
        json.loads(event.data),
    ]
