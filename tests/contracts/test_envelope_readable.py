"""What can be read of a record that is no event."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.contracts.envelope import (
    Headers,
    ReadableAttributes,
    glimpse,
)
from tests.contracts.envelopes import (
    ENVELOPE,
    NULL,
    REQUIRED,
    STRUCTURED,
    TRACE,
    VALUE,
)

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
        [("content-type", NULL)],
        [("content-type", b"application/avro")],
    ],
)
def test_headers_are_readable_whatever_the_value(mode: Headers, value: bytes | None) -> None:
    assert glimpse([*mode, *SAYING_HEADERS], value) == SAID


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "traceparent"])
@pytest.mark.parametrize("raw", [NULL, b"", b"\xff", b"a\nb", b"x" * 1_025, "\ufffe".encode()])
def test_an_unreadable_header_hides_no_other(name: str, raw: bytes) -> None:
    headers = [(n, raw if n == f"ce_{name}" else text) for n, text in SAYING_HEADERS]
    left: dict[str, Any] = {name: None}

    assert glimpse(headers, VALUE) == replace(SAID, **left)
    absent = [(n, text) for n, text in SAYING_HEADERS if n != f"ce_{name}"]
    assert glimpse(absent, VALUE) == replace(SAID, **left)
    assert glimpse([*SAYING_HEADERS, (f"ce_{name}", b"other")], VALUE) == replace(SAID, **left)


@pytest.mark.parametrize("version", [None, NULL, b"0.3", b"1.0 ", b"\xff", b""])
def test_an_invalid_version_hides_nothing(version: bytes | None) -> None:
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
def test_a_broken_document_is_readable_up_to_the_fault(mode: Headers, broken: bytes) -> None:
    assert glimpse(mode, broken) == SAID


def test_document_and_headers_are_read_together() -> None:
    value = json.dumps({**ENVELOPE, "id": 5, "source": "/body"}).encode()

    readable = glimpse([*STRUCTURED, *SAYING_HEADERS], value)
    assert readable == replace(SAID, source="/body")


def test_of_a_batch_the_common_attributes_are_readable() -> None:
    value = json.dumps([{**SAYING, "id": "1"}, {**SAYING, "id": "2"}]).encode()

    readable = glimpse([("content-type", b"application/cloudevents-batch+json")], value)
    assert readable == replace(SAID, id=None)


def test_the_data_of_binary_mode_is_no_source_of_attributes() -> None:
    data = json.dumps({"id": "5", "source": "/data", "type": "x", "subject": "y"}).encode()

    assert glimpse([("ce_id", b"1")], data) == ReadableAttributes(id="1")
