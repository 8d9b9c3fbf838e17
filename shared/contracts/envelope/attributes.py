"""An event's attributes: which there are, and which text each of them may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, TypeAlias

SPEC_VERSION: Final = "1.0"
LONGEST_ATTRIBUTE: Final = 1_024
"""Characters that an attribute may have; more than any honest id, source or type needs."""

REQUIRED: Final = ("specversion", "id", "source", "type")
NAMES: Final = (*REQUIRED, "subject", "time", "dataschema", "sequence", "traceparent")

RFC3339: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
    "([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
)
"""An instant of RFC 3339; the seconds and the offset's colon are optional, as some clients omit
them.
"""

TRACEPARENT: Final = re.compile(
    "(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)
"""W3C Trace Context; its group is the trace's id. No id is all zeros, no version is ff, and
version 00 ends with its flags.
"""

_INSTANT: Final = re.compile(RFC3339)
_LONGEST_TRACE: Final = 256  # of a future version; today's has 55 characters
# What CloudEvents 1.0 forbids in a string. U+200C is not among it: Persian needs it.
_NOT_IN_STRINGS: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef"
    + "".join(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
    + "]"
)


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """An event's attributes, and its data as the bytes of a JSON document, not parsed."""

    id: str
    source: str  # URI reference
    type: str
    data: bytes
    subject: str | None = None
    time: datetime | None = None  # aware, UTC
    dataschema: str | None = None
    sequence: int | None = None  # the aggregate's version; ten digits on the wire
    traceparent: str | None = None  # W3C Trace Context


UnreadableReason: TypeAlias = Literal[
    "null-value",
    "broken-json",
    "missing-attribute",
    "invalid-attribute",
    "unsupported-version",
    "unsupported-content-type",
]
"""Why a record is not an event."""


class Unreadable(Exception):
    """A record that is not an event. `reason` is a slug, `detail` is for people."""

    def __init__(self, reason: UnreadableReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: UnreadableReason = reason
        self.detail = detail


@lru_cache(maxsize=4_096)  # the events of a batch share a few instants
def rfc3339(instant: datetime) -> str:
    """An aware instant in UTC, to the millisecond: `2024-03-11T05:30:00.000Z`."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return f"{instant.isoformat(timespec='milliseconds')[:-6]}Z"  # without its +00:00


def traceparent_of(text: str | None) -> str | None:
    """A `traceparent` (W3C Trace Context) that may be forwarded; None if the text is not one.

    One of a future version may be longer, up to 256 characters.
    """
    if text is None or len(text) > _LONGEST_TRACE or not TRACEPARENT.fullmatch(text):
        return None
    return text


def event_of(attributes: dict[str, str], data: bytes) -> CloudEvent:
    """The event with these attributes, from which it removes faulty optional ones.

    Raises Unreadable.
    """
    for name in REQUIRED:
        if not attributes.get(name):
            raise Unreadable("missing-attribute", name)
    for name in [
        name
        for name, text in attributes.items()
        if len(text) > LONGEST_ATTRIBUTE or (not text.isprintable() and is_faulty(text))
    ]:
        if name in REQUIRED:
            raise _faulty(name, attributes[name])
        del attributes[name]
    if attributes["specversion"] != SPEC_VERSION:
        raise Unreadable("unsupported-version", f"specversion {attributes['specversion']!r}")
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        data=data,
        subject=attributes.get("subject") or None,  # an empty one counts as absent
        time=_time(attributes.get("time")),
        dataschema=attributes.get("dataschema") or None,
        sequence=_sequence(attributes.get("sequence")),
        traceparent=traceparent_of(attributes.get("traceparent")),
    )


def is_faulty(text: str) -> bool:
    """Whether an attribute may not hold this text: too long, or not a string of CloudEvents."""
    return len(text) > LONGEST_ATTRIBUTE or not is_string(text)


def is_string(text: str) -> bool:
    """Whether a text is a string of CloudEvents 1.0."""
    return text.isprintable() or not _NOT_IN_STRINGS.search(text)


def _faulty(name: str, text: str) -> Unreadable:
    if len(text) > LONGEST_ATTRIBUTE:
        return Unreadable("invalid-attribute", f"{name} is over {LONGEST_ATTRIBUTE} characters")
    return Unreadable("invalid-attribute", f"{name} has characters that no string may have")


def _time(text: str | None) -> datetime | None:
    if text is None or not _INSTANT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # not a day of the calendar, or before its first in UTC
        return None


def _sequence(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
        return None
    return int(text)
