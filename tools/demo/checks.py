"""All checks of a season, and the one number by which two seasons are compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from shared.contracts.envelope import rfc3339
from tools.demo.checks_of_followups import check_followups, distinct
from tools.demo.checks_of_mails import check_mails
from tools.demo.checks_of_sessions import check_sessions
from tools.demo.checks_of_topics import check_topics
from tools.demo.evidence import Evidence, Record
from tools.demo.expectation import Expectation
from tools.demo.verdicts import Check


def check_all(expectation: Expectation, evidence: Evidence) -> tuple[Check, ...]:
    """Every check."""
    return (
        *check_sessions(expectation, evidence),
        *check_followups(expectation, evidence),
        *check_topics(evidence),
        *check_mails(expectation, evidence),
    )


def digest(evidence: Evidence) -> str:
    """SHA-256 (hex) of all that came of a season: every event with its data, every mail.

    Left out are offsets, the services' random ids and all times of machines. Events of different
    aggregates have no order among them, so the list is sorted by aggregate and version.
    """
    seen = hashlib.sha256()
    for line in sorted(_lines(evidence)):
        seen.update(line.encode())
        seen.update(b"\n")
    return seen.hexdigest()


def _lines(evidence: Evidence) -> Iterator[str]:
    for record in distinct(evidence.records):
        yield json.dumps(_canonical(record), ensure_ascii=False, sort_keys=True)
    for mail in evidence.mails:
        told = ["mail", mail.message_id, *mail.to, mail.subject, mail.text]
        yield json.dumps(told, ensure_ascii=False)


def _canonical(record: Record) -> list[Any]:
    event = record.event
    return [
        record.topic,
        event.subject,
        event.sequence,
        event.type,
        None if event.time is None else rfc3339(event.time),
        json.loads(event.data),
    ]
