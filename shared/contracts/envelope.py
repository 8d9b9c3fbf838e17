"""The envelope of an event: CloudEvents 1.0 in its Kafka protocol binding 1.0.

Producers here write binary mode. Readers take binary and structured mode from any client; of
outsiders only the four required attributes are asked. An optional one that cannot be read is none.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes]]

SPEC_VERSION: Final = "1.0"
LONGEST_ATTRIBUTE: Final = 1_024
"""Characters that an attribute may have; more than any honest id, source or type needs."""

RFC3339: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
    "([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
)
"""An instant of RFC 3339; seconds or the offset's colon may be missing, as some clients do."""

_STRUCTURED: Final = "application/cloudevents+json"
_CLOUDEVENTS: Final = "application/cloudevents"  # what all formats of events begin with
_CONTENT_TYPE: Final = "content-type"
_PREFIX: Final = "ce_"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_NAMES: Final = (*_REQUIRED, "subject", "time", "dataschema", "sequence", "traceparent")
_HEADERS: Final = {_CONTENT_TYPE: _CONTENT_TYPE, **{f"{_PREFIX}{name}": name for name in _NAMES}}
_INSTANT: Final = re.compile(RFC3339)
# What CloudEvents 1.0 keeps out of a string. U+200C is not among it: Persian needs it.
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


class Unreadable(Exception):
    """A record that is no event. `reason` is a slug, `detail` is for people.

    Reasons: `null-value`, `broken-json`, `missing-attribute`, `invalid-attribute`,
    `unsupported-version`, `unsupported-content-type`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def read(headers: Headers, value: bytes | None) -> CloudEvent:
    """Read a record. Headers of other names may hold any bytes and are passed over.

    A required attribute may come twice with the same value alone. Raises Unreadable.
    """
    if value is None:
        raise Unreadable("null-value", "the record has no value")
    ours: dict[str, bytes] = {}
    differing: tuple[str, ...] = ()
    media_type = ""
    for name, raw in headers:
        attribute = _HEADERS.get(name) or _HEADERS.get(name.lower())
        if attribute is None:
            continue
        if attribute == _CONTENT_TYPE:
            media_type = _media_type(name, raw, media_type)
        elif ours.setdefault(attribute, raw) != raw:
            differing += (attribute,)
    if media_type == _STRUCTURED:
        return _read_structured(value)
    if media_type.startswith(_CLOUDEVENTS):
        raise Unreadable("unsupported-content-type", f"{media_type} is not {_STRUCTURED}")
    for attribute in differing:
        if attribute in _REQUIRED:
            raise Unreadable(
                "invalid-attribute", f"{_PREFIX}{attribute} is there twice, and differs"
            )
        ours.pop(attribute, None)
    return _event(_texts(ours), value)


def write(event: CloudEvent) -> tuple[list[tuple[str, bytes]], bytes]:
    """Write a record in binary mode: its headers and its value.

    A subject that is no string of CloudEvents is left out, as an id of others may be.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        (_CONTENT_TYPE, b"application/json"),
    ]
    if event.subject is not None and _is_string(event.subject):
        headers.append(("ce_subject", event.subject.encode()))
    if event.time is not None:
        headers.append(("ce_time", rfc3339(event.time).encode()))
    if event.dataschema is not None:
        headers.append(("ce_dataschema", event.dataschema.encode()))
    if event.sequence is not None:
        headers.append(("ce_sequence", b"%010d" % event.sequence))
    if event.traceparent is not None:
        headers.append(("ce_traceparent", event.traceparent.encode()))
    return headers, event.data


@lru_cache(maxsize=4_096)  # the events of a batch have few instants between them
def rfc3339(instant: datetime) -> str:
    """An aware instant in UTC, to the millisecond: `2024-03-11T05:30:00.000Z`."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return f"{instant.isoformat(timespec='milliseconds')[:-6]}Z"  # without its +00:00


def _media_type(name: str, raw: bytes, found: str) -> str:
    """The media type, without its parameters and in lower case.

    An empty one beside another is passed over: some clients always send it.
    """
    media_type = _text(name, raw).partition(";")[0].strip().lower()
    if found and media_type and media_type != found:
        raise Unreadable("invalid-attribute", f"{name} is there twice, and differs")
    return media_type or found


def _texts(ours: Mapping[str, bytes]) -> dict[str, str]:
    try:
        return {name: raw.decode() for name, raw in ours.items()}
    except (UnicodeDecodeError, AttributeError):
        return _readable_texts(ours)


def _readable_texts(ours: Mapping[str, bytes]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, raw in ours.items():
        try:
            texts[name] = _text(f"{_PREFIX}{name}", raw)
        except Unreadable:
            if name in _REQUIRED:
                raise
    return texts


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except (UnicodeDecodeError, AttributeError):  # Kafka's headers may also be null
        raise Unreadable("invalid-attribute", f"{name} is not UTF-8") from None


def _read_structured(value: bytes) -> CloudEvent:
    try:
        document = json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken-json", str(error)) from None
    if not isinstance(document, dict):
        raise Unreadable("broken-json", "a structured event is a JSON object")
    attributes: dict[str, str] = {}
    for name in _NAMES:
        content = document.get(name)
        if content is None:
            continue
        if name == "sequence" and type(content) is int:
            content = str(content)
        if isinstance(content, str):
            attributes[name] = content
        elif name in _REQUIRED:
            raise Unreadable("invalid-attribute", f"{name} is not a string")
    return _event(attributes, _structured_data(document))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of RFC 8259")


def _structured_data(document: Mapping[str, Any]) -> bytes:
    encoded = document.get("data_base64")
    if encoded is not None:
        if document.get("data") is not None:
            raise Unreadable("invalid-attribute", "both data and data_base64 are there")
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise Unreadable("invalid-attribute", "data_base64 is not base64") from None
    if "data" not in document:
        raise Unreadable("missing-attribute", "data")
    try:
        # ASCII escapes keep what is no valid Unicode (a lone surrogate) writable.
        return json.dumps(document["data"], separators=(",", ":")).encode()
    except RecursionError as error:
        raise Unreadable("broken-json", str(error)) from None


def _event(attributes: dict[str, str], data: bytes) -> CloudEvent:
    for name in _REQUIRED:
        if not attributes.get(name):
            raise Unreadable("missing-attribute", name)
    faulty: tuple[str, ...] = ()
    for name, text in attributes.items():
        if len(text) > LONGEST_ATTRIBUTE or not _is_string(text):
            faulty += (name,)
    for name in faulty:
        if name in _REQUIRED:
            raise _faulty(name, attributes[name])
        del attributes[name]
    if attributes["specversion"] != SPEC_VERSION:
        raise Unreadable("unsupported-version", f"specversion {attributes['specversion']!r}")
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        data=data,
        subject=attributes.get("subject"),
        time=_time(attributes.get("time")),
        dataschema=attributes.get("dataschema"),
        sequence=_sequence(attributes.get("sequence")),
        traceparent=attributes.get("traceparent"),
    )


def _is_string(text: str) -> bool:
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
    except (ValueError, OverflowError):  # no day of the calendar, or before its first in UTC
        return None


def _sequence(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
        return None
    return int(text)
