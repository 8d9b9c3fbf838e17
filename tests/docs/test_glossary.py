"""Each term of the glossary has a meaning in both languages, and a file that owns it."""

from __future__ import annotations

import re
from typing import Final

import pytest

from deploy.local.layout import PROJECT

_TEXT: Final = (PROJECT / "docs" / "glossary.md").read_text(encoding="utf-8")
_ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in _TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| term |", "| --- |"))
]

rows = pytest.mark.parametrize("row", _ROWS, ids=lambda row: row[0])


def test_no_term_comes_twice() -> None:
    terms = [row[0] for row in _ROWS]
    assert sorted(terms) == sorted(set(terms))


@rows
def test_a_term_has_both_languages_and_a_meaning(row: list[str]) -> None:
    term, persian, meaning, _ = row
    assert re.fullmatch(r"[a-z][a-z ,-]+", term)
    assert re.fullmatch(r"[\u0600-\u06ff\u200c ،]+", persian)
    assert meaning


@rows
def test_the_file_that_owns_a_term_exists_and_names_it(row: list[str]) -> None:
    owner = re.fullmatch(r"`([\w/.]+)` `(\w+)`", row[3])
    assert owner is not None, "a file and a name in it"
    path, name = owner.groups()
    assert re.search(rf"\b{name}\b", (PROJECT / path).read_text(encoding="utf-8"))
