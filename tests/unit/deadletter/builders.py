"""Dead letters to test with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.messaging.core.model import Origin
from tools.deadletter.dead_letters import DeadLetterNotes, RecordPosition

TOPIC = "peygir.resolutions.v1.civil"
NOW = datetime(2024, 3, 11, 9, tzinfo=UTC)

BINARY = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/letters"),
    ("ce_type", b"peygir.ResolutionApproved.v1"),
)
STRUCTURED = (("content-type", b"application/cloudevents+json; charset=utf-8"),)


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as Kafka gives it back."""

    headers: Sequence[tuple[str, bytes]]
    value: bytes | None = b"{}"
    topic: str = "peygir.followups.deadletter.v1"
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_710_147_600_000  # 2024-03-11 09:00 UTC
    key: bytes | None = b"r-1"


def notes(
    offset: int,
    *,
    reason: str = "invalid",
    minutes: int = 0,
    position: int | None = None,
    replay_id: str | None = None,
    topic: str = TOPIC,
) -> DeadLetterNotes:
    """The notes of a letter that failed some minutes after `NOW`."""
    return DeadLetterNotes(
        origin=Origin(topic, 0, offset),
        position=RecordPosition(0, offset if position is None else position),
        reason=reason,
        error="title: Field required",
        attempts=1,
        failed_at=NOW + timedelta(minutes=minutes),
        replay_id=replay_id,
    )
