"""Properties of every record, whoever sent it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.envelope import (
    CloudEvent,
    Headers,
    ReadableAttributes,
    Unreadable,
    glimpse,
    read,
    rfc3339,
    write,
)
from shared.contracts.events import EventData, Invalid, UnknownType, parse
from tests.contracts import records

STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]


def outcome(event: CloudEvent) -> EventData | str:
    """The data of an event, or the kind of its refusal."""
    try:
        return parse(event)
    except Invalid as refused:
        return f"invalid {refused.field}"
    except UnknownType:
        return "unknown type"
    except Unreadable as refused:
        return refused.reason


def read_or_refuse(headers: Headers, value: bytes | None) -> None:
    """Any error except the three named refusals is a failure."""
    readable = glimpse(headers, value)
    try:
        event = read(headers, value)
    except Unreadable:
        return
    assert (readable.id, readable.source, readable.type) == (event.id, event.source, event.type)
    outcome(event)
    written, data = write(event)
    assert read(written, data) == replace(event, time=_to_the_millisecond(event))


def _to_the_millisecond(event: CloudEvent) -> Any:
    if event.time is None:
        return None
    return event.time.replace(microsecond=event.time.microsecond // 1_000 * 1_000)


@given(records.events())
def test_a_written_event_is_read_unchanged(event: CloudEvent) -> None:
    assert read(*write(event)) == event


@given(records.events(), records.foreign_headers, st.randoms(use_true_random=False))
def test_foreign_headers_of_any_bytes_make_no_difference(
    event: CloudEvent, foreign: list[tuple[str, bytes]], shuffle: random.Random
) -> None:
    headers, value = write(event)
    mixed = [*headers, *foreign, *foreign]
    shuffle.shuffle(mixed)

    assert read(mixed, value) == event


@given(records.events())
def test_binary_and_structured_mode_read_the_same(event: CloudEvent) -> None:
    read_structured = read(STRUCTURED, records.structured(event))

    assert replace(read_structured, data=b"") == replace(event, data=b"")
    assert json.loads(read_structured.data) == json.loads(event.data)
    assert outcome(read_structured) == outcome(event)


@given(records.events(), st.integers(-14 * 60, 14 * 60))
def test_the_offset_in_which_a_time_is_written_makes_no_difference(
    event: CloudEvent, minutes: int
) -> None:
    headers, value = write(event)
    moved_out = timezone(timedelta(minutes=minutes))
    if event.time is None or event.time.year in {1, 9995}:
        return
    local = event.time.astimezone(moved_out).isoformat()

    moved = [(n, local.encode() if n == "ce_time" else text) for n, text in headers]

    assert read(moved, value) == event
    assert rfc3339(event.time.astimezone(moved_out)) == rfc3339(event.time)


@given(records.garbage_headers, st.none() | st.binary(max_size=200))
def test_garbage_is_refused_with_a_reason(headers: list[Any], value: bytes | None) -> None:
    read_or_refuse(cast(Headers, headers), value)


@given(records.nearly_proper_headers, st.binary() | records.json_values.map(json.dumps))
def test_partly_valid_records_are_read_or_refused_with_a_reason(
    headers: list[Any], value: bytes | str
) -> None:
    read_or_refuse(cast(Headers, headers), value.encode() if isinstance(value, str) else value)


@given(st.dictionaries(st.text(max_size=8), records.json_values, max_size=4), records.events())
def test_structured_garbage_is_refused_with_a_reason(
    other: dict[str, Any], event: CloudEvent
) -> None:
    members = {**json.loads(records.structured(event)), **other}

    read_or_refuse(STRUCTURED, json.dumps(members).encode())


@given(records.events(), st.data())
def test_a_structured_record_with_a_member_of_any_value(event: CloudEvent, data: Any) -> None:
    members = json.loads(records.structured(event))
    name = data.draw(st.sampled_from([*sorted(members), "data_base64", "datacontenttype"]))
    members[name] = data.draw(records.json_values)

    read_or_refuse(STRUCTURED, json.dumps(members).encode())


@given(records.events(), st.data())
def test_a_record_cut_or_with_a_byte_changed(event: CloudEvent, data: Any) -> None:
    value = bytearray(records.structured(event))
    at = data.draw(st.integers(0, len(value) - 1))
    if data.draw(st.booleans()):
        value[at] = data.draw(st.integers(0, 255))
    else:
        del value[at:]

    read_or_refuse(STRUCTURED, bytes(value))


@given(records.events(), st.booleans(), st.integers(0, 3))
def test_the_attributes_of_an_event_are_readable(
    event: CloudEvent, in_headers: bool, left: int
) -> None:
    """If one of the required attributes is missing, the others are readable."""
    said = ReadableAttributes(event.id, event.source, event.type, event.subject, event.traceparent)
    name = ("specversion", "id", "source", "type")[left]
    rest = said if name == "specversion" else replace(said, **{name: None})
    headers, _ = write(event)
    if in_headers:
        assert glimpse(headers, None) == said
        assert glimpse([h for h in headers if h[0] != f"ce_{name}"], None) == rest
    else:
        members = json.loads(records.structured(event))
        assert glimpse(STRUCTURED, json.dumps(members).encode()) == said
        del members[name]
        assert glimpse(STRUCTURED, json.dumps(members).encode()) == rest
