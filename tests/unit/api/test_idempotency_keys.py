"""Which values of the header `Idempotency-Key` are keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.http.idempotency import HEADER, key_of
from shared.runtime.problems import Problem
from tests.unit.api.services_in_memory import VISIT, open_scheduler


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"8e03978e"', "8e03978e"),
        (' "a b" ', "a b"),
        (r'"a\"b\\c"', 'a"b\\c'),
        ('"a";x=1', "a"),
        ("a" * 255, "a" * 255),
        ("order:1/2+3=", "order:1/2+3="),
    ],
)
def test_a_key_is_a_quoted_string_or_bare(header: str, key: str) -> None:
    assert key_of(header) == key


@pytest.mark.parametrize(
    "header",
    ["", '""', '" "', '"', '"a', 'a"b', "a b", "a,b", "a;b", "کلید", '"کلید"', "a" * 256, "a\x7f"],
)
def test_what_is_no_key_is_refused_by_name(header: str) -> None:
    with pytest.raises(Problem) as refused:
        key_of(header)
    assert refused.value.status_code == 400
    assert refused.value.errors[0].field == HEADER


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255))
def test_every_string_of_the_draft_is_a_key(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if text.strip():
        assert key_of(quoted) == text


async def test_two_keys_are_none() -> None:
    async with open_scheduler() as client:
        headers = [(HEADER, "a"), (HEADER, "b")]
        answer = await client.http.post("/v1/sessions", json=VISIT, headers=headers)
        assert answer.status_code == 400
