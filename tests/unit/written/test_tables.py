"""Any reader reads the CSV back, and no reader takes a cell for a formula."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import example, given

from services.followups.adapters import csv_file
from services.followups.adapters.csv_file import harmless
from services.followups.domain.scorecard_table import scorecard_table
from services.followups.domain.scores import By
from shared.runtime.safe_text import writable
from tests.unit.followups.examples import unhurried
from tests.unit.followups.scoreboards import AS_OF
from tests.unit.written.any_text import ANY_TEXT

PLACES = re.compile(r"(\A|[;\t\r\n])'")


def original(cell: str) -> str:
    """The text of a cell before it was made harmless, as docs/scorecards.md explains."""
    return PLACES.sub(r"\1", cell)


def cells(text: str, separator: str) -> Iterator[str]:
    """The cells as a spreadsheet program with this separator reads them.

    Quotes have a meaning only at the beginning of a cell; within them a line does not end.
    """
    cell, quoted, fresh, at = "", False, True, 0
    while at < len(text):
        character = text[at]
        at += 1
        if quoted:
            if character != '"':
                cell += character
            elif text[at : at + 1] == '"':
                cell, at = cell + '"', at + 1
            else:
                quoted = False
        elif fresh and character == '"':
            quoted, fresh = True, False
        elif character in f"{separator}\r\n":
            at += text.startswith("\r\n", at - 1)
            yield cell
            cell, fresh = "", True
        else:
            cell, fresh = cell + character, False
    yield cell


def table(id_: str) -> str:
    """A scorecard table with an axis of this id."""
    counts = {id_: {"state:opened": 1, "age:2024-03-01": 1}}
    content = csv_file.write(scorecard_table(By.AXIS, AS_OF, [("civil", counts)]))
    return content.decode("utf-8-sig")


@unhurried
@given(ANY_TEXT.filter(bool))
def test_any_id_is_read_back_as_it_was(id_: str) -> None:
    text = table(id_)
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert writable(id_) in [original(row[1]) for row in rows]
    assert [cell for row in rows for cell in row] == list(cells(text, ","))[:-1]


def is_seen(character: str) -> bool:
    """White space, controls and invisible marks are not; an Arabic number sign is."""
    return not (character.isspace() or unicodedata.category(character) == "Cc") and (
        unicodedata.category(character) != "Cf" or "\u0600" <= character <= "\u08e2"
    )


@unhurried
@given(ANY_TEXT.filter(bool))
@example("\u061c\U000e0041=1")
def test_no_cell_is_a_formula_whatever_the_separator(id_: str) -> None:
    text = table(id_)
    for separator in ",;\t":
        for cell in cells(text, separator):
            seen = unicodedata.normalize("NFKC", "".join(filter(is_seen, cell)).lstrip('"\ufffd'))
            assert not seen.startswith(("=", "+", "-", "@", "−")), (separator, cell)


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("\u00a0=1", "'\u00a0=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("\u200b\u202e=1", "'\u200b\u202e=1"),
        ("\x00=1", "'\ufffd=1"),
        ("⁼1", "'⁼1"),
        ("−1", "'−1"),
        ("'=1", "''=1"),
        ("نام;=cmd|'/C calc'!A0", "نام;'=cmd|'/C calc'!A0"),
        ("الف\n@x", "الف\n'@x"),
        ("الف؛ ب-ج = د", "الف؛ ب-ج = د"),
    ],
)
def test_an_apostrophe_comes_before_a_possible_formula(text: str, guarded: str) -> None:
    assert harmless(text) == guarded
    assert original(guarded) == writable(text)
