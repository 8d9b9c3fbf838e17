"""The envelope's headers: content types, versions, ids and traces."""

from __future__ import annotations

import json

import pytest

from shared.contracts.envelope import LONGEST_ATTRIBUTE, read
from tests.contracts.envelopes import (
    ENVELOPE,
    NULL,
    REQUIRED,
    STRUCTURED,
    TRACE,
    VALUE,
    refusal,
    structured,
    without,
)


@pytest.mark.parametrize("raw", [NULL, b"", b"\xff\xfe", b"\xed\xa0\x80", b"j" * 2_000, b" \t"])
def test_an_unreadable_content_type_is_ignored(raw: bytes) -> None:
    """As with every other optional header; the attributes decide the mode."""
    value = json.dumps({**ENVELOPE, "data": {}}).encode()

    assert read([("content-type", raw), *REQUIRED], VALUE) == read(REQUIRED, VALUE)
    assert read([("Content-Type", raw)], value) == structured()
    assert read([("content-type", raw), *STRUCTURED], value) == structured()


@pytest.mark.parametrize("beside", [b"application/json", b"text/plain", b"*"])
def test_with_two_content_types_the_attributes_decide_the_mode(beside: bytes) -> None:
    """Some clients add their own to each published record."""
    both = [("content-type", beside), *STRUCTURED]
    value = json.dumps({**ENVELOPE, "data": {}}).encode()

    for headers in (both, both[::-1]):
        assert read([*REQUIRED, *headers], VALUE) == read(REQUIRED, VALUE)
        assert read(headers, value) == structured()


def test_without_any_header_it_is_structured_mode() -> None:
    """According to the binding (1.0.2, section 3); Kafka before 0.11 has no headers."""
    value = json.dumps({**ENVELOPE, "data": {"a": 1}}).encode()

    assert read([], value) == structured(data={"a": 1})
    assert read([("contentType", b'"application/json"')], value) == structured(data={"a": 1})
    assert refusal([], b'{"specversion": "1.0", "data": {}}').detail == "id"
    assert refusal([], b'{"a": 1}').detail == "specversion"
    assert refusal([], b"\x00").reason == "missing-attribute"


def test_the_refusal_of_a_structured_event_names_the_right_content_type() -> None:
    value = json.dumps({**ENVELOPE, "data": {}}).encode()
    refused = refusal([("content-type", b"application/json")], value)

    assert refused.reason == "missing-attribute"
    assert "content-type has to be application/cloudevents+json" in refused.detail


@pytest.mark.parametrize("name", ["subject", "dataschema"])
def test_an_empty_optional_attribute_counts_as_absent(name: str) -> None:
    assert read([*REQUIRED, (f"ce_{name}", b"")], VALUE) == read(REQUIRED, VALUE)
    assert structured(**{name: ""}) == structured()


def test_nothing_in_a_header_is_percent_encoded() -> None:
    headers = [*without("ce_source"), ("ce_source", b"/a%20b"), ("ce_subject", b"%D9%BE")]
    event = read(headers, VALUE)

    assert (event.source, event.subject) == ("/a%20b", "%D9%BE")


@pytest.mark.parametrize("version", [b"1.0 ", b" 1.0", b'"1.0"', b"1.0\n", b"1,0"])
def test_a_version_has_only_one_spelling(version: bytes) -> None:
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
def test_an_invalid_trace_is_not_forwarded(trace: str) -> None:
    assert read([*REQUIRED, ("ce_traceparent", trace.encode())], VALUE).traceparent is None
    assert structured(traceparent=trace).traceparent is None


@pytest.mark.parametrize("trace", [TRACE, TRACE[:-2] + "00", "cc" + TRACE[2:], f"cc{TRACE[2:]}-x"])
def test_a_trace_of_this_or_a_later_version_is_forwarded(trace: str) -> None:
    assert read([*REQUIRED, ("ce_traceparent", trace.encode())], VALUE).traceparent == trace
