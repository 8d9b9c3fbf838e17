"""Dead letters as they stand in their topic."""

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
    """No origin; it is written topic/partition/offset."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a dead letter in the dead-letter topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Notes:
    """What is noted about a dead letter, without its body."""

    origin: Origin
    place: Place
    reason: str
    error: str
    attempts: int
    failed_at: datetime  # UTC
    replay_id: str | None = None  # of the replay that failed, if it is one
    written: int = 1  # how often it is in the topic


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter whole: its notes, and the message as it first came."""

    notes: Notes
    key: bytes | None
    value: bytes | None
    headers: Headers


def written(origin: Origin) -> str:
    """An origin as people write it: topic/partition/offset."""
    return f"{origin.topic}/{origin.partition}/{origin.offset}"


def read_origin(text: str) -> Origin:
    """The reverse of `written`. Raises BadOrigin."""
    topic, *numbers = text.strip().rsplit("/", 2)
    if not topic or len(numbers) != 2 or not all(n.isascii() and n.isdigit() for n in numbers):
        raise BadOrigin(f"{text!r} is no origin: topic/partition/offset")
    return Origin(topic, int(numbers[0]), int(numbers[1]))


def notes_of(record: Record) -> Notes:
    """What is noted about a dead letter. What somebody else wrote there has few notes."""
    headers = {name: raw or b"" for name, raw in record.headers}
    replay_id = headers.get(REPLAY_ID)
    return Notes(
        origin=first_origin(record),
        place=Place(record.partition, record.offset),
        reason=headers.get(deadletters.TYPE, _UNKNOWN.encode()).decode(errors="replace"),
        error=headers.get(deadletters.ERROR, b"").decode(errors="replace"),
        attempts=attempts_of(record.headers),
        failed_at=_instant(headers.get(deadletters.FAILED_AT), record.timestamp),
        replay_id=None if replay_id is None else replay_id.decode(errors="replace"),
    )


def letter_of(record: Record) -> Letter:
    """A dead letter with its message."""
    return Letter(notes_of(record), record.key, record.value, _original(record.headers))


def add(found: dict[Origin, Notes], note: Notes) -> None:
    """Keep each dead letter once, by its origin; what was written last counts."""
    before = found.get(note.origin)
    if before is None:
        found[note.origin] = note
        return
    last = note if _later(note, before) else before
    found[note.origin] = replace(last, written=before.written + 1)


def _later(one: Notes, other: Notes) -> bool:
    if one.place.partition == other.place.partition:
        return one.place.offset > other.place.offset
    return one.failed_at > other.failed_at


def _original(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """The headers without the notes, which stand last; a client's own of such names stay."""
    kept = list(headers)
    while kept and len(headers) - len(kept) < len(NOTES) and kept[-1][0] in NOTES:
        kept.pop()
    return tuple((name, raw) for name, raw in kept if name != REPLAY_ID)


def _instant(text: bytes | None, timestamp: int) -> datetime:
    """When it failed; if that cannot be read, when Kafka took the letter (milliseconds)."""
    try:
        instant = datetime.fromisoformat((text or b"").decode())
    except ValueError:
        return datetime.fromtimestamp(timestamp / 1000, UTC)
    return instant.astimezone(UTC)
