"""Dead letters as their topic holds them, and how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from shared.messaging.core.model import Origin, Record
from shared.messaging.inbound import deadletters
from shared.messaging.inbound.deadletters import NOTES, REPLAY_ID, attempts_of, first_origin

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]

_UNKNOWN: Final = "unknown"


class BadOrigin(ValueError):
    """A text is not an origin, which has the form topic/partition/offset."""


@dataclass(frozen=True, slots=True)
class RecordPosition:
    """The position of a dead letter in the dead-letter topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class DeadLetterNotes:
    """What the service noted in the headers of a dead letter, without its message."""

    origin: Origin
    position: RecordPosition
    reason: str
    error: str
    attempts: int
    failed_at: datetime  # UTC
    replay_id: str | None = None  # if the service refused a replay
    times_written: int = 1  # records in the topic that have this origin


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A whole dead letter: its notes, and the message as the service first received it."""

    notes: DeadLetterNotes
    key: bytes | None
    value: bytes | None
    headers: Headers


def format_origin(origin: Origin) -> str:
    """Return an origin as people write it: topic/partition/offset."""
    return f"{origin.topic}/{origin.partition}/{origin.offset}"


def parse_origin(text: str) -> Origin:
    """Read what `format_origin` returns. Raises BadOrigin."""
    topic, *numbers = text.strip().rsplit("/", 2)
    if not topic or len(numbers) != 2 or not all(n.isascii() and n.isdigit() for n in numbers):
        raise BadOrigin(f"{text!r} is no origin: topic/partition/offset")
    return Origin(topic, int(numbers[0]), int(numbers[1]))


def parse_notes(record: Record) -> DeadLetterNotes:
    """Read the notes of a record.

    Another client may have written the record; whatever its headers lack gets a default.
    """
    headers = {name: raw or b"" for name, raw in record.headers}
    replay_id = headers.get(REPLAY_ID)
    return DeadLetterNotes(
        origin=first_origin(record),
        position=RecordPosition(record.partition, record.offset),
        reason=headers.get(deadletters.TYPE, _UNKNOWN.encode()).decode(errors="replace"),
        error=headers.get(deadletters.ERROR, b"").decode(errors="replace"),
        attempts=attempts_of(record.headers),
        failed_at=_failed_at(headers.get(deadletters.FAILED_AT), record.timestamp),
        replay_id=None if replay_id is None else replay_id.decode(errors="replace"),
    )


def parse_dead_letter(record: Record) -> StoredDeadLetter:
    """Read a whole dead letter."""
    return StoredDeadLetter(
        parse_notes(record), record.key, record.value, _original_headers(record.headers)
    )


def keep_latest(found: dict[Origin, DeadLetterNotes], notes: DeadLetterNotes) -> None:
    """Add notes to those found so far, one per origin; keep those that were written last."""
    before = found.get(notes.origin)
    if before is None:
        found[notes.origin] = notes
        return
    last = notes if _is_later(notes, before) else before
    found[notes.origin] = replace(last, times_written=before.times_written + 1)


def _is_later(one: DeadLetterNotes, other: DeadLetterNotes) -> bool:
    if one.position.partition == other.position.partition:
        return one.position.offset > other.position.offset
    return one.failed_at > other.failed_at


def _original_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Return the headers without the notes.

    The notes come last. A client's own headers with such names come before them and stay.
    """
    kept = list(headers)
    while kept and len(headers) - len(kept) < len(NOTES) and kept[-1][0] in NOTES:
        kept.pop()
    return tuple((name, raw) for name, raw in kept if name != REPLAY_ID)


def _failed_at(text: bytes | None, timestamp: int) -> datetime:
    """Return when the message failed, in UTC.

    If the header cannot be read, it is the record's timestamp, in milliseconds.
    """
    try:
        instant = datetime.fromisoformat((text or b"").decode())
    except ValueError:
        return datetime.fromtimestamp(timestamp / 1000, UTC)
    return instant.astimezone(UTC)
