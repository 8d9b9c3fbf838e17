"""The place of an error, and a message that people can read."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.deadletter.builders import BINARY, STRUCTURED
from tools.deadletter.rendering import (
    RenderedLine,
    body_lines,
    escape_controls,
    find_json_error,
    header_lines,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
APPROVED = {
    "resolution_id": "r-1",
    "deputy": "civil",
    "title": "تکمیل پل",
    "approved_at": "2024-03-11T09:00:00Z",
    "due_on": "2024-06-01",
}


def marked(lines: list[RenderedLine]) -> dict[str, str]:
    return {line.text.strip(): line.error for line in lines if line.error}


@given(JSON)
def test_what_is_shown_of_json_is_the_same_json(value: Any) -> None:
    raw = json.dumps(value).encode()
    assert find_json_error(raw) is None
    assert json.loads("\n".join(line.text for line in body_lines((), raw))) == value


@given(st.dictionaries(st.text(), JSON, min_size=1), st.data())
def test_a_cut_body_is_broken_at_or_before_the_cut(value: dict[str, Any], data: Any) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    broken = find_json_error(cut)
    assert broken is not None
    assert 0 <= broken[0] <= len(cut)


def test_the_broken_place_is_marked_behind_persian_text() -> None:
    (line,) = body_lines(BINARY, '{"title": "پل" "x": 1}'.encode())
    assert line.text == '{"title": "پل" ⟦HERE⟧"x": 1}'
    assert line.error == "Expecting ',' delimiter: line 1, column 16 (byte 17)"


def test_other_bytes_and_no_number_are_no_json() -> None:
    assert find_json_error(b'{"a": "\xff"}') == (7, "not UTF-8")
    broken = find_json_error(b'{"a": 1,\n "b": NaN}')
    assert broken is not None
    assert broken[0] == 15


def test_the_fields_at_fault_are_marked_and_a_missing_one_where_it_belongs() -> None:
    wrong = {**APPROVED, "title": " ", "province": "IR-99", "supporting": ["راه", 7]}
    del wrong["due_on"]
    lines = marked(body_lines(BINARY, json.dumps(wrong).encode()))
    assert lines['"title": " ",'] == "title: must not be blank"
    assert lines['"province": "IR-99",'].startswith("province: is no province")
    assert lines["7"].startswith("supporting.1: ")
    assert lines["{"] == "due_on: Field required"
    assert len(lines) == 4


def test_in_structured_mode_the_fields_are_those_of_the_data() -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/letters",
        "type": "peygir.ResolutionApproved.v1",
        "data": {**APPROVED, "title": ""},
    }
    lines = marked(body_lines(STRUCTURED, json.dumps(event).encode()))
    assert list(lines) == ['"title": "",']


def test_a_header_at_fault_is_marked_and_a_missing_one_is_named() -> None:
    headers = (*BINARY, ("ce_subject", b"\xff"))
    assert marked(header_lines(headers, "invalid-attribute", "ce_subject is not UTF-8")) == {
        "ce_subject: \\xff": "ce_subject is not UTF-8"
    }
    assert marked(header_lines(BINARY[:3], "missing-attribute", "type")) == {
        "": "missing-attribute: type"
    }
    assert marked(header_lines(BINARY, "invalid", "title: Field required")) == {}


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    assert escape_controls("می\u200cشود\n\x1b[2J\u202e") == "می\u200cشود\n\\u001b[2J\\u202e"


def test_a_byte_order_mark_is_no_fault_and_moves_the_place_of_one() -> None:
    mark = b"\xef\xbb\xbf"
    assert find_json_error(mark + b"{}") is None
    assert find_json_error(mark + b'{"a": "\xff"}') == (10, "not UTF-8")
    data = json.dumps({**APPROVED, "title": " "}).encode()
    assert marked(body_lines(BINARY, mark + data)) == marked(body_lines(BINARY, data)) != {}
