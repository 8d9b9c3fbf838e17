"""The envelope of an event: CloudEvents 1.0 in its Kafka protocol binding 1.0.

Producers here write binary mode. Readers take binary and structured mode from any client; of
outsiders only the four required attributes are asked. An optional one that cannot be read is none.
Header values are UTF-8 and nothing else: this binding, unlike that of HTTP, escapes no character.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes]]

SPEC_VERSION: Final = "1.0"
LONGEST_ATTRIBUTE: Final = 1_024
"""Characters that an attribute may have; more than any honest id, source or type needs."""

RFC3339: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
    "([Zz]|[+-][0-9]{2}:?[0-9]{2})$"
)
"""An instant of RFC 3339; seconds or the offset's colon may be missing, as some clients do."""

TRACEPARENT: Final = re.compile(
    "(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)
"""W3C Trace Context, its group the trace's id: no id is all zeros, no version ff, 00 ends with its
flags.
"""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Stands in front of the JSON of some clients; RFC 8259 (section 8.1) lets readers pass it over."""

_STRUCTURED: Final = "application/cloudevents+json"
_CLOUDEVENTS: Final = "application/cloudevents"  # what all formats of events begin with
_CONTENT_TYPE: Final = "content-type"
_PREFIX: Final = "ce_"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_NAMES: Final = (*_REQUIRED, "subject", "time", "dataschema", "sequence", "traceparent")
_HEADERS: Final = {_CONTENT_TYPE: _CONTENT_TYPE, **{f"{_PREFIX}{name}": name for name in _NAMES}}
_INSTANT: Final = re.compile(RFC3339)
_LONGEST_TRACE: Final = 256  # of a version to come; today's has 55 characters
_LOOKED_AT: Final = 1_000  # members of a broken document, or events of a batch, for what they tell
_MEMBER: Final = re.compile(r'\s*+[{,]\s*+("(?:[^"\\]|\\.)*+")\s*+:\s*+')
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


@dataclass(frozen=True, slots=True)
class Told:
    """What a record tells of itself, be it an event or not; None is what it does not tell."""

    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    traceparent: str | None = None


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
    known = _sorted(headers)
    media_type = _media_type(known, value)
    if media_type == _STRUCTURED:
        return _read_structured(value)
    if media_type.startswith(_CLOUDEVENTS):
        raise Unreadable("unsupported-content-type", f"{media_type} is not {_STRUCTURED}")
    for attribute in known.differing:
        if attribute in _REQUIRED:
            raise Unreadable(
                "invalid-attribute", f"{_PREFIX}{attribute} is there twice, and differs"
            )
        known.attributes.pop(attribute, None)
    try:
        return _event(_texts(known.attributes), _with_numbers(value))
    except Unreadable as error:
        if error.reason == "missing-attribute" and _is_document(value):
            told = f"a structured event's {_CONTENT_TYPE} has to be {_STRUCTURED}"
            raise Unreadable(error.reason, f"{error.detail} ({told})") from None
        raise


def is_structured(headers: Headers, value: bytes | None) -> bool:
    """Whether a record is read in structured mode: its attributes stand in the value."""
    return value is not None and _media_type(_sorted(headers), value) == _STRUCTURED


def glimpse(headers: Headers, value: bytes | None) -> Told:
    """What can be read of a record that may be no event. Raises nothing.

    Either mode is looked at, that of the record first. Of a document that breaks off, or is
    broken, what stands before the fault counts; of a batch what all of its events say alike.
    """
    known = _sorted(headers)
    of_headers = _readable_texts(
        {name: raw for name, raw in known.attributes.items() if name not in known.differing}
    )
    texts = of_headers
    if any(media_type.startswith(_CLOUDEVENTS) for media_type in known.media_types):
        texts = {**of_headers, **_document_of(value)}
    elif not all(of_headers.get(name) for name in ("id", "source", "type")):
        document = _document_of(value)
        if "specversion" in document:
            texts = {**document, **of_headers}
    told = {name: text for name, text in texts.items() if text and not _is_faulty(text)}
    return Told(
        id=told.get("id"),
        source=told.get("source"),
        type=told.get("type"),
        subject=told.get("subject"),
        traceparent=traceparent_of(told.get("traceparent")),
    )


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


def traceparent_of(text: str | None) -> str | None:
    """A `traceparent` (W3C Trace Context) as it may be sent on; None where it is not one.

    Of a version to come, which may be longer, at most 256 characters.
    """
    if text is None or len(text) > _LONGEST_TRACE or not TRACEPARENT.fullmatch(text):
        return None
    return text


class _Sorted(NamedTuple):
    """The headers that mean something here."""

    attributes: dict[str, bytes]  # by name, the first of each; null ones among them
    differing: tuple[str, ...]  # attributes of which another copy says otherwise
    media_types: tuple[str, ...]  # as they could be read, each once


def _sorted(headers: Headers) -> _Sorted:
    attributes: dict[str, bytes] = {}
    differing: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    for name, raw in headers:
        attribute = _HEADERS.get(name) or _HEADERS.get(name.lower())
        if attribute is None:
            continue
        if attribute == _CONTENT_TYPE:
            media_type = _media_type_of(raw)
            if media_type and media_type not in media_types:
                media_types += (media_type,)
        elif attributes.setdefault(attribute, raw) != raw:
            differing += (attribute,)
    return _Sorted(attributes, differing, media_types)


@lru_cache(maxsize=256)  # few are ever sent
def _media_type_of(raw: bytes | None) -> str:
    """A media type without its parameters, in lower case; empty where it cannot be read.

    Some clients always send an empty one, or null.
    """
    if raw is None or len(raw) > LONGEST_ATTRIBUTE:
        return ""
    try:
        return raw.decode().partition(";")[0].strip().lower()
    except UnicodeDecodeError:
        return ""


def _media_type(known: _Sorted, value: bytes) -> str:
    """The media type by which a record is read.

    Where none can be read, or two differ, it is binary mode that has attributes in headers. Without
    any of these, it is as the binding has it: JSON of structured mode, where it is that.
    """
    if len(known.media_types) == 1:
        return known.media_types[0]
    if any(name in known.attributes for name in _REQUIRED):
        return ""
    if _STRUCTURED in known.media_types:
        return _STRUCTURED
    if not known.media_types:
        return _STRUCTURED if _is_document(value) else ""
    return next((type_ for type_ in known.media_types if type_.startswith(_CLOUDEVENTS)), "")


def _texts(ours: Mapping[str, bytes]) -> dict[str, str]:
    try:
        return {name: raw.decode() for name, raw in ours.items()}
    except (UnicodeDecodeError, AttributeError):  # Kafka's headers may also be null
        texts = _readable_texts(ours)
    for name in _REQUIRED:
        if name in ours and name not in texts:
            told = "null" if ours[name] is None else "not UTF-8"
            raise Unreadable("invalid-attribute", f"{_PREFIX}{name} is {told}")
    return texts


def _readable_texts(ours: Mapping[str, bytes]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, raw in ours.items():
        with suppress(UnicodeDecodeError, AttributeError):
            texts[name] = raw.decode()
    return texts


def _read_structured(value: bytes) -> CloudEvent:
    document = _loaded(value)
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


def require_json(data: bytes) -> bytes:
    """The JSON document of an event's data, without what may stand in front of it.

    Whoever reads it finds what else is broken. Raises Unreadable.
    """
    if data[:1] == b"{" and data[1:2] != b"\0":  # as nearly all of them begin
        return data
    data = data.removeprefix(BYTE_ORDER_MARK)
    encoding = json.detect_encoding(data)
    if encoding != "utf-8":
        with suppress(UnicodeDecodeError):
            data.decode(encoding)
            told = f"it is {encoding.upper()}, and JSON is sent in UTF-8 (RFC 8259, section 8.1)"
            raise Unreadable("broken-json", told)
    return data


def _loaded(value: bytes) -> Any:
    return _parsed(require_json(value))


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken-json", str(error)) from None


def _with_numbers(data: bytes) -> bytes:
    """Data without what parsers take for a number, and JSON does not. Raises Unreadable."""
    if b"NaN" in data or b"Infinity" in data:
        found: list[str] = []
        with suppress(ValueError, RecursionError):
            json.loads(data, parse_constant=found.append)
        for name in found:
            raise Unreadable("broken-json", f"{name} is no number of RFC 8259")
    return data


def _is_document(value: bytes) -> bool:
    """Whether a value is meant as an event of structured mode, whatever its headers say."""
    if b'"specversion"' not in value:
        return False
    with suppress(Unreadable):
        document = _loaded(value)
        return isinstance(document, dict) and "specversion" in document
    return False


def _document_of(value: bytes | None) -> dict[str, str]:
    """The attributes in what may be an event of structured mode, or a batch of them."""
    if not value:
        return {}
    text = value.decode(json.detect_encoding(value), errors="replace").removeprefix("\ufeff")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = _members(text)
    documents = whole[:_LOOKED_AT] if isinstance(whole, list) else [whole]
    if not documents or not all(isinstance(document, dict) for document in documents):
        return {}
    first = documents[0]
    alike = (n for n in _NAMES if all(other.get(n) == first.get(n) for other in documents))
    found = {n: t for n in alike if isinstance(t := first.get(n), str) and "\ufffd" not in t}
    return {**found, "specversion": ""} if "specversion" in first else found


def _members(text: str) -> dict[str, Any]:
    """The members of a JSON object, as far as it can be read."""
    decoder = json.JSONDecoder()
    members: dict[str, Any] = {}
    at = 0
    while (found := _MEMBER.match(text, at)) and len(members) < _LOOKED_AT:
        try:
            members[json.loads(found.group(1))], at = decoder.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            break
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of RFC 8259")


def _structured_data(document: Mapping[str, Any]) -> bytes:
    encoded = document.get("data_base64")
    if encoded is not None:
        if document.get("data") is not None:
            raise Unreadable("invalid-attribute", "both data and data_base64 are there")
        try:
            return _with_numbers(base64.b64decode(encoded, validate=True))
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
    for name in [
        name
        for name, text in attributes.items()
        if len(text) > LONGEST_ATTRIBUTE or (not text.isprintable() and _is_faulty(text))
    ]:
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
        subject=attributes.get("subject") or None,  # an empty one is none
        time=_time(attributes.get("time")),
        dataschema=attributes.get("dataschema") or None,
        sequence=_sequence(attributes.get("sequence")),
        traceparent=traceparent_of(attributes.get("traceparent")),
    )


def _is_faulty(text: str) -> bool:
    return len(text) > LONGEST_ATTRIBUTE or not _is_string(text)


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
