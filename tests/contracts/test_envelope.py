"""The envelope, case by case: what clients send that is allowed, odd or wrong."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from shared.contracts.envelope import (
    LONGEST_ATTRIBUTE,
    CloudEvent,
    Headers,
    ReadableAttributes,
    Unreadable,
    glimpse,
    read,
    rfc3339,
    write,
)
from shared.contracts.events import Invalid, ResolutionWithdrawn, UnknownType, parse

VALUE = '{"title": "تکمیل کمربندی شمالی کرمان"}'.encode()
REQUIRED = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/letters"),
    ("ce_type", b"peygir.ResolutionWithdrawn.v1"),
]
STRUCTURED = [("content-type", b"application/cloudevents+json")]
ENVELOPE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/letters",
    "type": "peygir.ResolutionWithdrawn.v1",
}
OPTIONAL = ("subject", "time", "dataschema", "sequence", "traceparent")
WHEN = datetime(2024, 3, 11, 5, 30, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOBODY = cast(bytes, None)  # Kafka's headers may be null; the type of its client does not say so


def structured(**members: Any) -> CloudEvent:
    return read(STRUCTURED, json.dumps({**ENVELOPE, "data": {}, **members}).encode())


def refusal(headers: Headers, value: bytes | None) -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        read(headers, value)
    return refused.value


def without(name: str) -> Headers:
    return [(header, text) for header, text in REQUIRED if header != name]


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


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\xed\xa0\x80", NOBODY])
@pytest.mark.parametrize("name", [name for name, _ in REQUIRED])
def test_a_header_that_is_asked_is_not_utf8_or_null(name: str, raw: bytes) -> None:
    refused = refusal([*without(name), (name, raw)], VALUE)

    assert refused.reason == "invalid-attribute"
    assert name in refused.detail


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b"\xed\xa0\x80", NOBODY, b"\x85", b"a\nb", b"1" * 1_025]
)
@pytest.mark.parametrize("name", OPTIONAL)
def test_an_optional_header_that_cannot_be_read_is_none(name: str, raw: bytes) -> None:
    """A lone C1 byte is no UTF-8, a line feed is a character that no attribute may have."""
    assert read([*REQUIRED, (f"ce_{name}", raw)], VALUE) == read(REQUIRED, VALUE)


def test_one_that_cannot_be_read_does_not_take_the_others_along() -> None:
    event = CloudEvent("1", "/letters", "x", VALUE, "موضوع", WHEN, "urn:x", 3, TRACE)
    headers, _ = write(event)
    for name in OPTIONAL:
        damaged = [(n, b"\xff" if n == f"ce_{name}" else raw) for n, raw in headers]
        left: dict[str, Any] = {name: None}
        assert read(damaged, VALUE) == replace(event, **left)


def test_other_headers_may_hold_anything_and_repeat() -> None:
    foreign = [("trace", b"\xff"), ("trace", b""), ("ce_comexampleother", b"\xfe"), ("x", NOBODY)]

    assert read([*foreign, *REQUIRED, *foreign], VALUE) == read(REQUIRED, VALUE)


def test_a_header_that_is_asked_has_to_say_the_same_where_it_is_repeated() -> None:
    assert read([*REQUIRED, *REQUIRED], VALUE) == read(REQUIRED, VALUE)
    for name, _ in REQUIRED:
        refused = refusal([*REQUIRED, (name, b"2")], VALUE)
        assert (refused.reason, refused.detail.split()[0]) == ("invalid-attribute", name)


def test_an_optional_header_of_two_values_is_none() -> None:
    def subject(*texts: bytes) -> str | None:
        return read([*REQUIRED, *(("ce_subject", text) for text in texts)], VALUE).subject

    assert subject(b"a", b"a") == "a"
    assert subject(b"a", b"b") is None
    assert subject(b"a", b"b", b"a", b"c") is None


@pytest.mark.parametrize("empty_first", [True, False])
def test_an_empty_content_type_beside_another_is_passed_over(empty_first: bool) -> None:
    """FastStream adds one of its own to whatever is published."""
    both = [("content-type", b""), ("Content-Type", b"application/cloudevents+json")]
    value = json.dumps({**ENVELOPE, "data": {}}).encode()

    assert read(both if empty_first else both[::-1], value).id == "1"


def test_attributes_beside_structured_mode_are_not_looked_at() -> None:
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
def test_structured_mode_is_told_by_its_media_type(content_type: bytes) -> None:
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
def test_other_formats_of_events_are_refused_by_their_name(content_type: bytes) -> None:
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
def test_times_that_are_read(text: str, instant: datetime) -> None:
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
def test_times_that_are_none(text: str) -> None:
    assert read([*REQUIRED, ("ce_time", text.encode())], VALUE).time is None
    assert structured(time=text).time is None


@pytest.mark.parametrize("text", ["-1", "1.0", "1e3", " 1", "۱۲", "²", "x", "", "1" * 19])
def test_sequences_that_are_none(text: str) -> None:
    assert read([*REQUIRED, ("ce_sequence", text.encode())], VALUE).sequence is None
    assert structured(sequence=text).sequence is None


def test_a_sequence_is_written_with_ten_digits() -> None:
    headers, _ = write(CloudEvent("1", "/letters", "x", VALUE, sequence=42))

    assert ("ce_sequence", b"0000000042") in headers
    assert read(headers, VALUE).sequence == 42 == structured(sequence=42).sequence


@pytest.mark.parametrize("text", ["آ\u200cب", "دفتر\u00a0یکم", "a b", "\U0001f4dd", "\ufeffx"])
def test_every_letter_may_stand_in_an_attribute(text: str) -> None:
    assert read([*without("ce_id"), ("ce_id", text.encode())], VALUE).id == text


@pytest.mark.parametrize("text", ["a\nb", "\x00", "a\x7f", "\x85", "\ufffe", "\U0001ffff"])
def test_control_characters_and_noncharacters_may_not(text: str) -> None:
    headers = [*without("ce_id"), ("ce_id", text.encode())]

    assert refusal(headers, VALUE).reason == "invalid-attribute"


def test_an_attribute_may_be_long_but_not_endless() -> None:
    def headers(length: int) -> Headers:
        return [*without("ce_source"), ("ce_source", ("ن" * length).encode())]

    assert len(read(headers(LONGEST_ATTRIBUTE), VALUE).source) == LONGEST_ATTRIBUTE
    assert refusal(headers(LONGEST_ATTRIBUTE + 1), VALUE).reason == "invalid-attribute"


def test_a_time_is_written_in_utc_to_the_millisecond() -> None:
    instant = datetime.fromisoformat("2024-03-11T09:00:00.123999+03:30")

    assert rfc3339(instant) == "2024-03-11T05:30:00.123Z"


def test_the_data_of_binary_mode_is_not_touched() -> None:
    for value in (b"", b"\xff\x00", b"not json", b" {} "):
        assert read(REQUIRED, value).data == value


# Structured mode


def test_the_data_of_structured_mode_is_its_json() -> None:
    documents: list[Any] = [{"title": "نشست"}, [], "متن", 1, 0.1, True, None, {"a": {"b": ["۲"]}}]
    for data in documents:
        assert json.loads(structured(data=data).data) == data


def test_text_as_data_is_a_json_text_and_no_event_of_ours() -> None:
    event = structured(data='{"resolution_id": "1"}', datacontenttype="application/json")

    assert json.loads(event.data) == '{"resolution_id": "1"}'
    with pytest.raises(Invalid) as refused:
        parse(event)
    assert refused.value.field == "data"


def test_null_as_data_is_no_event_of_ours() -> None:
    with pytest.raises(Invalid) as refused:
        parse(structured(data=None))
    assert refused.value.field == "data"


def test_data_as_base64() -> None:
    encoded = base64.b64encode(VALUE).decode()
    members = {**ENVELOPE, "data_base64": encoded}

    assert read(STRUCTURED, json.dumps(members).encode()).data == VALUE
    assert structured(data_base64=encoded, data=None).data == VALUE
    assert structured(data_base64=None, data={"a": 1}).data == b'{"a":1}'


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "broken-json"),
        (b"{", "broken-json"),
        (b"\xff", "broken-json"),
        (b"[]", "broken-json"),
        (b"null", "broken-json"),
        (b"[" * 100_000, "broken-json"),
        (b'{"a":' * 100_000, "broken-json"),
        (b'{"data": NaN}', "broken-json"),
        (b'{"data": -Infinity}', "broken-json"),
        (b'{"data": ' + b"9" * 5_000 + b"}", "broken-json"),
        (json.dumps(ENVELOPE).encode(), "missing-attribute"),
        (json.dumps({**ENVELOPE, "data": {}, "id": 5}).encode(), "invalid-attribute"),
        (json.dumps({**ENVELOPE, "data": {}, "id": ""}).encode(), "missing-attribute"),
        (json.dumps({**ENVELOPE, "data": {}, "id": None}).encode(), "missing-attribute"),
        (json.dumps({**ENVELOPE, "data": {}, "id": "\ud800"}).encode(), "invalid-attribute"),
        (json.dumps({**ENVELOPE, "data_base64": "*"}).encode(), "invalid-attribute"),
        (json.dumps({**ENVELOPE, "data_base64": "آ"}).encode(), "invalid-attribute"),
        (json.dumps({**ENVELOPE, "data_base64": 7}).encode(), "invalid-attribute"),
        (json.dumps({**ENVELOPE, "data": {}, "data_base64": ""}).encode(), "invalid-attribute"),
        (
            json.dumps({**ENVELOPE, "data": {}, "specversion": "0.3"}).encode(),
            "unsupported-version",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str | bytes) else None,
)
def test_structured_records_that_are_refused(value: bytes, reason: str) -> None:
    assert refusal(STRUCTURED, value).reason == reason


@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize(
    "content", [True, 1.5, -1, 10**18, [], {"a": 1}, "\ud800", "a\x85", "1" * 1_025]
)
def test_an_optional_member_that_cannot_be_read_is_none(name: str, content: Any) -> None:
    assert structured(**{name: content}) == structured()


def test_null_members_are_absent_ones() -> None:
    assert structured(subject=None, time=None, sequence=None) == structured()


def test_deep_nesting_is_refused_at_every_depth() -> None:
    """The envelope is read, its data written again and read: each gives up at its own depth."""
    start = json.dumps(ENVELOPE)[:-1].encode() + b', "data": '

    for depth in range(700, 1_000):
        with pytest.raises((Invalid, Unreadable)):
            parse(read(STRUCTURED, start + b"[" * depth + b"]" * depth + b"}"))


def test_a_number_too_large_for_a_float_is_refused_where_it_counts() -> None:
    completeness = json.dumps({**ENVELOPE, "type": "peygir.ReportSubmitted.v1"})[:-1]
    event = read(STRUCTURED, completeness.encode() + b', "data": {"completeness": 1e999}}')

    with pytest.raises(Invalid, match="completeness: Input should be less than or equal to 1"):
        parse(event)


def test_a_lone_surrogate_in_the_data_is_broken_json() -> None:
    raw = b'{"resolution_id": "\\ud800"}'
    inside = json.dumps(ENVELOPE)[:-1].encode() + b', "data": ' + raw + b"}"

    for event in (read(REQUIRED, raw), read(STRUCTURED, inside)):
        with pytest.raises(Unreadable) as refused:
            parse(event)
        assert refused.value.reason == "broken-json"


def test_a_type_that_is_not_known() -> None:
    with pytest.raises(UnknownType, match=r"peygir\.Other\.v1"):
        parse(structured(type="peygir.Other.v1"))


# What optional headers may be


@pytest.mark.parametrize("raw", [NOBODY, b"", b"\xff\xfe", b"\xed\xa0\x80", b"j" * 2_000, b" \t"])
def test_a_content_type_that_cannot_be_read_is_passed_over(raw: bytes) -> None:
    """As every other optional header is; which mode it is, the attributes tell."""
    value = json.dumps({**ENVELOPE, "data": {}}).encode()

    assert read([("content-type", raw), *REQUIRED], VALUE) == read(REQUIRED, VALUE)
    assert read([("Content-Type", raw)], value) == structured()
    assert read([("content-type", raw), *STRUCTURED], value) == structured()


@pytest.mark.parametrize("beside", [b"application/json", b"text/plain", b"*"])
def test_of_two_content_types_the_attributes_tell_which_mode_it_is(beside: bytes) -> None:
    """Some clients add one of their own to what is published."""
    both = [("content-type", beside), *STRUCTURED]
    value = json.dumps({**ENVELOPE, "data": {}}).encode()

    for headers in (both, both[::-1]):
        assert read([*REQUIRED, *headers], VALUE) == read(REQUIRED, VALUE)
        assert read(headers, value) == structured()


def test_without_any_header_it_is_structured_mode() -> None:
    """So says the binding (1.0.2, section 3); a Kafka of before 0.11 has no headers at all."""
    value = json.dumps({**ENVELOPE, "data": {"a": 1}}).encode()

    assert read([], value) == structured(data={"a": 1})
    assert read([("contentType", b'"application/json"')], value) == structured(data={"a": 1})
    assert refusal([], b'{"specversion": "1.0", "data": {}}').detail == "id"
    assert refusal([], b'{"a": 1}').detail == "specversion"
    assert refusal([], b"\x00").reason == "missing-attribute"


def test_a_structured_event_of_another_content_type_is_told_which_it_takes() -> None:
    value = json.dumps({**ENVELOPE, "data": {}}).encode()
    refused = refusal([("content-type", b"application/json")], value)

    assert refused.reason == "missing-attribute"
    assert "content-type has to be application/cloudevents+json" in refused.detail


@pytest.mark.parametrize("name", ["subject", "dataschema"])
def test_an_empty_optional_attribute_is_none(name: str) -> None:
    assert read([*REQUIRED, (f"ce_{name}", b"")], VALUE) == read(REQUIRED, VALUE)
    assert structured(**{name: ""}) == structured()


def test_nothing_in_a_header_is_percent_encoded() -> None:
    headers = [*without("ce_source"), ("ce_source", b"/a%20b"), ("ce_subject", b"%D9%BE")]
    event = read(headers, VALUE)

    assert (event.source, event.subject) == ("/a%20b", "%D9%BE")


@pytest.mark.parametrize("version", [b"1.0 ", b" 1.0", b'"1.0"', b"1.0\n", b"1,0"])
def test_a_version_is_written_so_and_not_otherwise(version: bytes) -> None:
    headers = [*without("ce_specversion"), ("ce_specversion", version)]

    assert refusal(headers, VALUE).reason in {"unsupported-version", "invalid-attribute"}


@pytest.mark.parametrize("id_", ["1", " ", " a b ", "ن" * LONGEST_ATTRIBUTE, "a|b", "%00"])
def test_any_text_is_an_id(id_: str) -> None:
    assert read([*without("ce_id"), ("ce_id", id_.encode())], VALUE).id == id_
    assert structured(id=id_).id == id_


@pytest.mark.parametrize(
    "trace",
    [
        "00-1-2-01",
        TRACE.upper(),
        TRACE + "-x",
        TRACE + "\n",
        " " + TRACE,
        TRACE[:-1],
        "ff" + TRACE[2:],
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        TRACE.replace("-", "_"),
        "cc" + TRACE[2:] + "x",
        "cc" + TRACE[2:] + "-" + "x" * 300,
    ],
)
def test_a_trace_that_is_none_is_not_sent_on(trace: str) -> None:
    assert read([*REQUIRED, ("ce_traceparent", trace.encode())], VALUE).traceparent is None
    assert structured(traceparent=trace).traceparent is None


@pytest.mark.parametrize("trace", [TRACE, TRACE[:-2] + "00", "cc" + TRACE[2:], f"cc{TRACE[2:]}-x"])
def test_a_trace_of_this_version_or_a_later_one_is_sent_on(trace: str) -> None:
    assert read([*REQUIRED, ("ce_traceparent", trace.encode())], VALUE).traceparent == trace


# How JSON may be written

WITHDRAWN = {"resolution_id": "R-1", "deputy": "civil", "withdrawn_at": "2024-03-11T05:30:00Z"}


def test_a_byte_order_mark_is_passed_over() -> None:
    raw = json.dumps(WITHDRAWN).encode()
    value = json.dumps({**ENVELOPE, "data": WITHDRAWN}).encode()
    plain = parse(read(REQUIRED, raw))

    assert parse(read(REQUIRED, b"\xef\xbb\xbf" + raw)) == plain
    assert parse(read(STRUCTURED, b"\xef\xbb\xbf" + value)) == plain
    assert parse(read([], b"\xef\xbb\xbf" + value)) == plain
    encoded = base64.b64encode(b"\xef\xbb\xbf" + raw).decode()
    members = {**ENVELOPE, "data_base64": encoded}
    assert parse(read(STRUCTURED, json.dumps(members).encode())) == plain


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_json_of_another_encoding_is_refused_by_its_name(encoding: str) -> None:
    raw = json.dumps(WITHDRAWN).encode(encoding)
    value = json.dumps({**ENVELOPE, "data": WITHDRAWN}).encode(encoding)

    with pytest.raises(Unreadable) as binary:
        parse(read(REQUIRED, raw))
    for refused in (binary.value, refusal(STRUCTURED, value)):
        assert refused.reason == "broken-json"
        assert encoding.upper()[:6] in refused.detail
        assert "UTF-8" in refused.detail


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused_in_both_modes(number: str) -> None:
    raw = json.dumps(WITHDRAWN)[:-1].encode() + f', "x": {number}}}'.encode()
    value = json.dumps(ENVELOPE)[:-1].encode() + b', "data": ' + raw + b"}"
    encoded = {**ENVELOPE, "data_base64": base64.b64encode(raw).decode()}

    assert refusal(REQUIRED, raw).reason == "broken-json"
    assert refusal(STRUCTURED, value).reason == "broken-json"
    assert refusal(STRUCTURED, json.dumps(encoded).encode()).reason == "broken-json"
    told = json.dumps({**WITHDRAWN, "reason": number}).encode()
    assert isinstance(parse(read(REQUIRED, told)), ResolutionWithdrawn)


def test_of_a_name_that_comes_twice_the_last_counts() -> None:
    raw = b'{"resolution_id": "R-0", ' + json.dumps(WITHDRAWN)[1:].encode()
    value = b'{"id": "0", ' + json.dumps({**ENVELOPE, "data": WITHDRAWN})[1:].encode()

    assert parse(read(REQUIRED, raw)) == parse(read(REQUIRED, json.dumps(WITHDRAWN).encode()))
    assert read(STRUCTURED, value).id == "1"


# What is told of a record that is no event

SAID = ReadableAttributes("1", "/letters", "peygir.ResolutionWithdrawn.v1", "R-1", TRACE)
SAYING = {**ENVELOPE, "subject": "R-1", "traceparent": TRACE}
SAYING_HEADERS = [*REQUIRED, ("ce_subject", b"R-1"), ("ce_traceparent", TRACE.encode())]


@pytest.mark.parametrize("value", [None, b"", b"\xff", VALUE])
@pytest.mark.parametrize(
    "mode",
    [
        [],
        STRUCTURED,
        [("content-type", b"application/cloudevents-batch+json")],
        [("content-type", NOBODY)],
        [("content-type", b"application/avro")],
    ],
)
def test_whatever_the_value_the_headers_tell(mode: Headers, value: bytes | None) -> None:
    assert glimpse([*mode, *SAYING_HEADERS], value) == SAID


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "traceparent"])
@pytest.mark.parametrize("raw", [NOBODY, b"", b"\xff", b"a\nb", b"x" * 1_025, "\ufffe".encode()])
def test_one_header_that_cannot_be_read_hides_no_other(name: str, raw: bytes) -> None:
    headers = [(n, raw if n == f"ce_{name}" else text) for n, text in SAYING_HEADERS]
    left: dict[str, Any] = {name: None}

    assert glimpse(headers, VALUE) == replace(SAID, **left)
    absent = [(n, text) for n, text in SAYING_HEADERS if n != f"ce_{name}"]
    assert glimpse(absent, VALUE) == replace(SAID, **left)
    assert glimpse([*SAYING_HEADERS, (f"ce_{name}", b"other")], VALUE) == replace(SAID, **left)


@pytest.mark.parametrize("version", [None, NOBODY, b"0.3", b"1.0 ", b"\xff", b""])
def test_a_version_that_is_none_hides_nothing(version: bytes | None) -> None:
    headers = [(n, t) for n, t in SAYING_HEADERS if n != "ce_specversion"]
    if version is not None:
        headers.append(("ce_specversion", version))

    assert glimpse(headers, VALUE) == SAID


@pytest.mark.parametrize(
    "broken",
    [
        json.dumps({**SAYING, "data": {}}).encode() + b"x",
        json.dumps({**SAYING, "data": {}}).encode()[:-4],
        json.dumps({**SAYING, "data": {}}).replace('"data": {}', '"data": {"a" 1}').encode(),
        json.dumps({**SAYING, "data": [1]}).replace("[1]", "NaN").encode(),
        json.dumps({**SAYING, "data": "x"}).encode().replace(b'"x"', b'"\xff"'),
        json.dumps({**SAYING, "data": {}})[:-3].encode() + b"[" * 100_000,
        json.dumps({**SAYING, "specversion": "0.3"}).encode(),
        json.dumps({**SAYING, "specversion": 1.0, "data": {}}).encode(),
        json.dumps({**SAYING, "data_base64": "*"}).encode(),
        b"\xef\xbb\xbf" + json.dumps(SAYING).encode(),
        json.dumps(SAYING).encode("utf-16"),
        json.dumps([{**SAYING, "data": {}}]).encode(),
        json.dumps([{**SAYING, "data": {}}] * 2).encode(),
    ],
)
@pytest.mark.parametrize("mode", [STRUCTURED, [], [("content-type", b"application/json")]])
def test_a_broken_document_tells_what_stands_before_the_fault(mode: Headers, broken: bytes) -> None:
    assert glimpse(mode, broken) == SAID


def test_a_document_and_the_headers_beside_it_tell_together() -> None:
    value = json.dumps({**ENVELOPE, "id": 5, "source": "/body"}).encode()

    told = glimpse([*STRUCTURED, *SAYING_HEADERS], value)
    assert told == replace(SAID, source="/body")


def test_the_events_of_a_batch_tell_what_they_have_in_common() -> None:
    value = json.dumps([{**SAYING, "id": "1"}, {**SAYING, "id": "2"}]).encode()

    told = glimpse([("content-type", b"application/cloudevents-batch+json")], value)
    assert told == replace(SAID, id=None)


def test_the_data_of_binary_mode_tells_nothing_of_the_event() -> None:
    data = json.dumps({"id": "5", "source": "/data", "type": "x", "subject": "y"}).encode()

    assert glimpse([("ce_id", b"1")], data) == ReadableAttributes(id="1")
