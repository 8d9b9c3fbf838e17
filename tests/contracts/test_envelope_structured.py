"""The envelope in structured mode, and the ways to write JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from shared.contracts.envelope import (
    Unreadable,
    read,
)
from shared.contracts.events import Invalid, ResolutionWithdrawn, UnknownType, parse
from tests.contracts.envelopes import (
    ENVELOPE,
    OPTIONAL,
    REQUIRED,
    STRUCTURED,
    VALUE,
    refusal,
    structured,
)


def test_the_data_of_structured_mode_is_its_json() -> None:
    documents: list[Any] = [{"title": "نشست"}, [], "متن", 1, 0.1, True, None, {"a": {"b": ["۲"]}}]
    for data in documents:
        assert json.loads(structured(data=data).data) == data


def test_text_as_data_is_a_json_string_and_not_a_known_event() -> None:
    event = structured(data='{"resolution_id": "1"}', datacontenttype="application/json")

    assert json.loads(event.data) == '{"resolution_id": "1"}'
    with pytest.raises(Invalid) as refused:
        parse(event)
    assert refused.value.field == "data"


def test_null_as_data_is_not_a_known_event() -> None:
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
def test_an_unreadable_optional_member_counts_as_absent(name: str, content: Any) -> None:
    assert structured(**{name: content}) == structured()


def test_null_members_count_as_absent() -> None:
    assert structured(subject=None, time=None, sequence=None) == structured()


def test_deep_nesting_is_refused_at_every_depth() -> None:
    """The envelope is parsed, its data written and parsed again: each has its own limit."""
    start = json.dumps(ENVELOPE)[:-1].encode() + b', "data": '

    for depth in range(700, 1_000):
        with pytest.raises((Invalid, Unreadable)):
            parse(read(STRUCTURED, start + b"[" * depth + b"]" * depth + b"}"))


def test_a_number_too_large_for_a_float_is_refused_in_known_fields() -> None:
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


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(UnknownType, match=r"peygir\.Other\.v1"):
        parse(structured(type="peygir.Other.v1"))


WITHDRAWN = {"resolution_id": "R-1", "deputy": "civil", "withdrawn_at": "2024-03-11T05:30:00Z"}


def test_a_byte_order_mark_is_ignored() -> None:
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
def test_the_refusal_of_another_encoding_names_it(encoding: str) -> None:
    raw = json.dumps(WITHDRAWN).encode(encoding)
    value = json.dumps({**ENVELOPE, "data": WITHDRAWN}).encode(encoding)

    with pytest.raises(Unreadable) as binary:
        parse(read(REQUIRED, raw))
    for refused in (binary.value, refusal(STRUCTURED, value)):
        assert refused.reason == "broken-json"
        assert encoding.upper()[:6] in refused.detail
        assert "UTF-8" in refused.detail


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_invalid_numbers_are_refused_in_both_modes(number: str) -> None:
    raw = json.dumps(WITHDRAWN)[:-1].encode() + f', "x": {number}}}'.encode()
    value = json.dumps(ENVELOPE)[:-1].encode() + b', "data": ' + raw + b"}"
    encoded = {**ENVELOPE, "data_base64": base64.b64encode(raw).decode()}

    assert refusal(REQUIRED, raw).reason == "broken-json"
    assert refusal(STRUCTURED, value).reason == "broken-json"
    assert refusal(STRUCTURED, json.dumps(encoded).encode()).reason == "broken-json"
    known = json.dumps({**WITHDRAWN, "reason": number}).encode()
    assert isinstance(parse(read(REQUIRED, known)), ResolutionWithdrawn)


def test_the_last_of_a_repeated_name_counts() -> None:
    raw = b'{"resolution_id": "R-0", ' + json.dumps(WITHDRAWN)[1:].encode()
    value = b'{"id": "0", ' + json.dumps({**ENVELOPE, "data": WITHDRAWN})[1:].encode()

    assert parse(read(REQUIRED, raw)) == parse(read(REQUIRED, json.dumps(WITHDRAWN).encode()))
    assert read(STRUCTURED, value).id == "1"
