"""Read an event from a record, and what can be read of a record that is not an event."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.envelope.attributes import (
    REQUIRED,
    CloudEvent,
    Unreadable,
    event_of,
    is_faulty,
    traceparent_of,
)
from shared.contracts.envelope.headers import (
    CLOUDEVENTS,
    CONTENT_TYPE,
    PREFIX,
    STRUCTURED,
    Headers,
    decodable,
    decoded,
    known_headers,
    media_type_of,
)
from shared.contracts.envelope.json_values import (
    is_document,
    readable_members,
    structured_attributes,
    with_numbers,
)


@dataclass(frozen=True, slots=True)
class ReadableAttributes:
    """The attributes that can be read of a record, whether it is an event or not."""

    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    traceparent: str | None = None


def read(headers: Headers, value: bytes | None) -> CloudEvent:
    """Read a record. Headers of other names may hold any bytes and are ignored.

    A required attribute may be repeated only with the same value. Raises Unreadable.
    """
    if value is None:
        raise Unreadable("null-value", "the record has no value")
    known = known_headers(headers)
    media_type = media_type_of(known, value)
    if media_type == STRUCTURED:
        return event_of(*structured_attributes(value))
    if media_type.startswith(CLOUDEVENTS):
        raise Unreadable("unsupported-content-type", f"{media_type} is not {STRUCTURED}")
    for attribute in known.differing:
        if attribute in REQUIRED:
            raise Unreadable(
                "invalid-attribute", f"{PREFIX}{attribute} is there twice, and differs"
            )
        known.attributes.pop(attribute, None)
    try:
        return event_of(decoded(known.attributes), with_numbers(value))
    except Unreadable as error:
        if error.reason == "missing-attribute" and is_document(value):
            hint = f"a structured event's {CONTENT_TYPE} has to be {STRUCTURED}"
            raise Unreadable(error.reason, f"{error.detail} ({hint})") from None
        raise


def is_structured(headers: Headers, value: bytes | None) -> bool:
    """Whether a record is read in structured mode, with its attributes in the value."""
    return value is not None and media_type_of(known_headers(headers), value) == STRUCTURED


def glimpse(headers: Headers, value: bytes | None) -> ReadableAttributes:
    """What can be read of a record that may not be an event. Raises nothing.

    Both modes are tried, the record's own first. Of a document that is cut off or broken, the part
    before the fault counts; of a batch, what all of its events have in common.
    """
    known = known_headers(headers)
    of_headers = decodable(
        {name: raw for name, raw in known.attributes.items() if name not in known.differing}
    )
    texts = of_headers
    if any(media_type.startswith(CLOUDEVENTS) for media_type in known.media_types):
        texts = {**of_headers, **readable_members(value)}
    elif not all(of_headers.get(name) for name in ("id", "source", "type")):
        members = readable_members(value)
        if "specversion" in members:
            texts = {**members, **of_headers}
    readable = {name: text for name, text in texts.items() if text and not is_faulty(text)}
    return ReadableAttributes(
        id=readable.get("id"),
        source=readable.get("source"),
        type=readable.get("type"),
        subject=readable.get("subject"),
        traceparent=traceparent_of(readable.get("traceparent")),
    )
