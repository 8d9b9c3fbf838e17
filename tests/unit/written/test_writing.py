"""Cleaning texts, which all formats have in common."""

from __future__ import annotations

import pytest
from hypothesis import given

from shared.runtime.safe_text import FSI, PDI, isolated, one_line, writable
from tests.unit.written.any_text import ANY_TEXT


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing_more_and_the_result_can_be_written(text: str) -> None:
    for clean in (writable, one_line):
        written = clean(text)
        assert clean(written) == written
        assert len(written) <= len(text)
        written.encode()
    assert len(one_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\x0bb\x00\x1b[31m\x7f\x9b", "a\ufffdb\ufffd\ufffd[31m\ufffd\ufffd"),
        ("\ud800\ufffe\U0010ffff\ufdd0", "\ufffd" * 4),
        ("می‌شود\u200f 👩‍🚒\t\r\n\u2028", "می‌شود\u200f 👩‍🚒\t\r\n\u2028"),
    ],
)
def test_only_unsuitable_characters_are_replaced(text: str, written: str) -> None:
    assert writable(text) == written


def test_one_line_contains_no_end_of_line() -> None:
    assert one_line("a\r\nb\nc\rd\te\x85f\u2028g\u2029h\x0bi\x1cj") == "a b c d e f g h i j"


@pytest.mark.parametrize(
    ("text", "isolate"),
    [
        ("\u202eeman\u202c\u2069\u2067", "eman"),
        ("نامه\u200f (a)", "نامه\u200f (a)"),
        ("(نامه)", "(نامه)"),
        ("نامه\u200eی", "نامه\u200eی"),
        ("", ""),
    ],
)
def test_an_isolated_text_is_closed(text: str, isolate: str) -> None:
    assert isolated(text) == f"{FSI}{isolate}{PDI}"


def test_a_text_from_right_to_left_needs_no_isolation() -> None:
    for text in ("تکمیل پل (بند ۱۲) می‌شود", "۱۴۰۲", "۱۲ نامه"):
        assert isolated(f"{text}\u202e") == text
