"""The envelope in binary mode, case by case: allowed, odd and wrong records."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts.envelope import LONGEST_ATTRIBUTE, CloudEvent, Headers, read, rfc3339, write
from tests.contracts.envelopes import (
    ENVELOPE,
    NULL,
    OPTIONAL,
    REQUIRED,
    STRUCTURED,
    TRACE,
    VALUE,
    WHEN,
    refusal,
    structured,
    without,
)


def test_the_four_required_attributes_are_enough() -> None:
    assert read(REQUIRED, VALUE) == CloudEvent(
        id="1", source="/letters", type="peygir.ResolutionWithdrawn.v1", data=VALUE
    )


def test_a_record_without_a_value() -> None:
    assert refusal(REQUIRED, None).reason == "null-value"
    assert refusal(STRUCTURED, None).reason == "null-value"


@pytest.mark.parametrize("name", [name for name, _ in REQUIRED])
def test_a_required_attribute_is_missing_or_empty(name: str) -> None:
    for headers in (without(name), [*without(name), (name, b"")]):
        refused = refusal(headers, VALUE)
        assert (refused.reason, refused.detail) == ("missing-attribute", name.removeprefix("ce_"))


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\xed\xa0\x80", NULL])
@pytest.mark.parametrize("name", [name for name, _ in REQUIRED])
def test_a_required_header_that_is_not_utf8_or_null_is_refused(name: str, raw: bytes) -> None:
    refused = refusal([*without(name), (name, raw)], VALUE)

    assert refused.reason == "invalid-attribute"
    assert name in refused.detail


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b"\xed\xa0\x80", NULL, b"\x85", b"a\nb", b"1" * 1_025]
)
@pytest.mark.parametrize("name", OPTIONAL)
def test_an_optional_header_that_cannot_be_read_counts_as_absent(name: str, raw: bytes) -> None:
    """A single C1 byte is not UTF-8, and no attribute may hold a line feed."""
    assert read([*REQUIRED, (f"ce_{name}", raw)], VALUE) == read(REQUIRED, VALUE)


def test_an_unreadable_header_does_not_affect_the_others() -> None:
    event = CloudEvent("1", "/letters", "x", VALUE, "موضوع", WHEN, "urn:x", 3, TRACE)
    headers, _ = write(event)
    for name in OPTIONAL:
        damaged = [(n, b"\xff" if n == f"ce_{name}" else raw) for n, raw in headers]
        left: dict[str, Any] = {name: None}
        assert read(damaged, VALUE) == replace(event, **left)


def test_other_headers_may_hold_anything_and_repeat() -> None:
    foreign = [("trace", b"\xff"), ("trace", b""), ("ce_comexampleother", b"\xfe"), ("x", NULL)]

    assert read([*foreign, *REQUIRED, *foreign], VALUE) == read(REQUIRED, VALUE)


def test_a_repeated_required_header_needs_the_same_value() -> None:
    assert read([*REQUIRED, *REQUIRED], VALUE) == read(REQUIRED, VALUE)
    for name, _ in REQUIRED:
        refused = refusal([*REQUIRED, (name, b"2")], VALUE)
        assert (refused.reason, refused.detail.split()[0]) == ("invalid-attribute", name)


def test_an_optional_header_with_two_values_counts_as_absent() -> None:
    def subject(*texts: bytes) -> str | None:
        return read([*REQUIRED, *(("ce_subject", text) for text in texts)], VALUE).subject

    assert subject(b"a", b"a") == "a"
    assert subject(b"a", b"b") is None
    assert subject(b"a", b"b", b"a", b"c") is None


@pytest.mark.parametrize("empty_first", [True, False])
def test_an_empty_content_type_is_ignored_if_there_is_another(empty_first: bool) -> None:
    """FastStream adds its own to each published record."""
    both = [("content-type", b""), ("Content-Type", b"application/cloudevents+json")]
    value = json.dumps({**ENVELOPE, "data": {}}).encode()

    assert read(both if empty_first else both[::-1], value).id == "1"


def test_structured_mode_ignores_attributes_in_headers() -> None:
    value = json.dumps({**ENVELOPE, "data": {}}).encode()
    headers = [("ce_id", b"2"), ("ce_id", b"3"), ("ce_time", b"\xff"), *STRUCTURED]

    assert read(headers, value) == structured()


def test_headers_are_read_in_any_case() -> None:
    assert read([(name.upper(), text) for name, text in REQUIRED], VALUE) == read(REQUIRED, VALUE)


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b"application/cloudevents+json; charset=UTF-8",
        b"application/cloudevents+json;charset=utf-8;profile=x",
        b"Application/CloudEvents+JSON",
        b"  application/cloudevents+json \t",
    ],
)
def test_the_media_type_shows_structured_mode(content_type: bytes) -> None:
    value = json.dumps({**ENVELOPE, "data": {}}).encode()

    assert read([("content-type", content_type)], value).id == "1"
    assert read([("Content-Type", content_type)], value).id == "1"


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"text/plain; charset=utf-8", b"", b"; x", b"*"]
)
def test_any_other_media_type_is_binary_mode(content_type: bytes) -> None:
    assert read([*REQUIRED, ("content-type", content_type)], VALUE).data == VALUE


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents-batch+json",
        b"application/cloudevents+avro",
        b"application/cloudevents+xml; charset=utf-8",
        b"application/cloudevents",
    ],
)
def test_the_refusal_of_another_event_format_names_it(content_type: bytes) -> None:
    refused = refusal([("content-type", content_type)], VALUE)

    assert refused.reason == "unsupported-content-type"


@pytest.mark.parametrize("version", [b"0.3", b"1", b"1.0.2", b"2.0"])
def test_other_versions_are_refused(version: bytes) -> None:
    headers = [*without("ce_specversion"), ("ce_specversion", version)]

    assert refusal(headers, VALUE).reason == "unsupported-version"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-03-11T05:30:00Z", datetime(2024, 3, 11, 5, 30, tzinfo=UTC)),
        ("2024-03-11T09:00:00+03:30", datetime(2024, 3, 11, 5, 30, tzinfo=UTC)),
        ("2024-03-11t05:30:00z", datetime(2024, 3, 11, 5, 30, tzinfo=UTC)),
        ("2024-03-11T05:30Z", datetime(2024, 3, 11, 5, 30, tzinfo=UTC)),
        ("2024-03-11T09:00:00+0330", datetime(2024, 3, 11, 5, 30, tzinfo=UTC)),
        ("2024-03-11T05:30:00.1Z", datetime(2024, 3, 11, 5, 30, 0, 100_000, tzinfo=UTC)),
        ("2024-03-11T05:30:00.123456789Z", datetime(2024, 3, 11, 5, 30, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_valid_times(text: str, instant: datetime) -> None:
    event = read([*REQUIRED, ("ce_time", text.encode())], VALUE)

    assert event.time == instant == structured(time=text).time
    assert event.time is not None
    assert event.time.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-03-11",
        "2024-03-11T05:30:00",
        "2024-03-11 05:30:00Z",
        "20240311T053000Z",
        "2024-W11-1T05:30:00Z",
        "2024-03-11T05:30:00,5Z",
        "2024-03-11T05:30:00+03:30:15",
        "2024-02-30T05:30:00Z",
        "2024-03-11T24:00:00Z",
        "2016-12-31T23:59:60Z",  # a leap second is no instant of most calendars
        "2024-03-11T05:30:00+24:00",
        "۲۰۲۴-۰۳-۱۱T۰۵:۳۰:۰۰Z",
        "0001-01-01T00:00:00+03:30",
        "9999-12-31T23:59:59-03:30",
        "1710135000",
        "Mon, 11 Mar 2024 05:30:00 GMT",
    ],
)
def test_invalid_times_count_as_absent(text: str) -> None:
    assert read([*REQUIRED, ("ce_time", text.encode())], VALUE).time is None
    assert structured(time=text).time is None


@pytest.mark.parametrize("text", ["-1", "1.0", "1e3", " 1", "۱۲", "²", "x", "", "1" * 19])
def test_invalid_sequences_count_as_absent(text: str) -> None:
    assert read([*REQUIRED, ("ce_sequence", text.encode())], VALUE).sequence is None
    assert structured(sequence=text).sequence is None


def test_a_sequence_is_written_with_ten_digits() -> None:
    headers, _ = write(CloudEvent("1", "/letters", "x", VALUE, sequence=42))

    assert ("ce_sequence", b"0000000042") in headers
    assert read(headers, VALUE).sequence == 42 == structured(sequence=42).sequence


@pytest.mark.parametrize("text", ["آ\u200cب", "دفتر\u00a0یکم", "a b", "\U0001f4dd", "\ufeffx"])
def test_an_attribute_may_hold_every_letter(text: str) -> None:
    assert read([*without("ce_id"), ("ce_id", text.encode())], VALUE).id == text


@pytest.mark.parametrize("text", ["a\nb", "\x00", "a\x7f", "\x85", "\ufffe", "\U0001ffff"])
def test_an_attribute_may_not_hold_control_characters_and_noncharacters(text: str) -> None:
    headers = [*without("ce_id"), ("ce_id", text.encode())]

    assert refusal(headers, VALUE).reason == "invalid-attribute"


def test_the_length_of_an_attribute_is_limited() -> None:
    def headers(length: int) -> Headers:
        return [*without("ce_source"), ("ce_source", ("ن" * length).encode())]

    assert len(read(headers(LONGEST_ATTRIBUTE), VALUE).source) == LONGEST_ATTRIBUTE
    assert refusal(headers(LONGEST_ATTRIBUTE + 1), VALUE).reason == "invalid-attribute"


def test_a_time_is_written_in_utc_to_the_millisecond() -> None:
    instant = datetime.fromisoformat("2024-03-11T09:00:00.123999+03:30")

    assert rfc3339(instant) == "2024-03-11T05:30:00.123Z"


def test_the_data_of_binary_mode_stays_unchanged() -> None:
    for value in (b"", b"\xff\x00", b"not json", b" {} "):
        assert read(REQUIRED, value).data == value
