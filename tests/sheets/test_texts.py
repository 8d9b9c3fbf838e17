"""Any text in a cell comes back unchanged, read by another library and by the service."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from services.followups.adapters.bulk_sheet import TITLES
from services.followups.adapters.escapes import escaped, unescaped
from services.followups.domain.bulk import Column
from services.followups.domain.records import Followup
from shared.text import normalise, shows
from tests.sheets.raw import inline, packed, parts, rows
from tests.unit.followups.examples import ACKNOWLEDGED, PROGRESSED, after
from tests.unit.followups.sheets import PLACES, edits_here, sheet_of

EXAMPLES = 200
AT_WORK = after(ACKNOWLEDGED, PROGRESSED)

# Texts that need escapes, or look like escapes or markup; random texts rarely contain them.
_HARD = st.sampled_from(
    [
        *("_x000D_", "_x005F_", "_x000d_", "_X000D_", "_x000D", "x000D_", "_", "_x005F_x000D_"),
        *("\r", "\n", "\r\n", "\t", "\x00", "\x01", "\x0b", "\x1f", "\x7f", "\x85", "\u2028"),
        *("\ufffe", "\uffff", "\ufffd", "😀", "\u200f", "\u200c", "\ufeff", " ", "  ", "\xa0"),
        *("<r>", "</r>", "<r><t>x</t></r>", "&", "&amp;", "<", "]]>", "=1+1", "@", "'", "{=1}"),
        *("http://x.ir", "۵۰٪", "می‌شود", "1.50", "TRUE", "#REF!", "2024-03-11"),
    ]
)
_TEXTS = st.lists(st.one_of(_HARD, st.text(max_size=5)), max_size=6).map("".join)


def titled(title: str) -> Followup:
    return replace(AT_WORK, resolution=replace(AT_WORK.resolution, title=title))


def titles_of(content: bytes) -> Sequence[object]:
    """The titles of the resolutions, as calamine reads them."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    shown = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    return [row[PLACES[Column.TITLE] - 1] for row in shown[1:]]


@settings(max_examples=EXAMPLES)
@given(_TEXTS)
@example("_x0041\x01")
@example("<r>&</r>")
@example("_x005F_x000D_")
def test_a_title_comes_back_unchanged(title: str) -> None:
    title = title.replace("\ufffe", "").replace("\uffff", "")  # calamine knows no escape of these
    content = sheet_of([titled(title), titled("آخرین")])
    assert titles_of(content) == [title, "آخرین"]
    note = {Column.NOTE: ('t="inlineStr"', _cell_of(content))}
    (edit,) = edits_here(packed(parts(rows(note))))
    assert edit.note == _stored(title)


@settings(max_examples=EXAMPLES)
@given(_TEXTS)
def test_a_note_comes_back_unchanged(note: str) -> None:
    (edit,) = edits_here(packed(parts(rows({Column.NOTE: inline(escaped(note))}))))
    assert edit.note == _stored(note)


@given(st.text(st.characters(), max_size=20) | _TEXTS)
def test_escapes_are_undone(text: str) -> None:
    assert unescaped(escaped(text)) == text


@given(st.text(st.sampled_from("_x0Dd5F\r\x01\ud83d\ude00"), max_size=20))
def test_escapes_of_anything_are_a_text(text: str) -> None:
    """Two halves of a surrogate pair become one character, a single half becomes U+FFFD."""
    once = unescaped(escaped(text))
    assert once == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _stored(text: str) -> str | None:
    """A text as it is stored."""
    return normalise(text) if shows(text) else None


def _cell_of(content: bytes) -> str:
    """The XML in the cell of the first title."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        xml = file.read("xl/worksheets/sheet1.xml").decode()
    letter = chr(ord("A") + list(TITLES).index(Column.TITLE))
    found = re.search(rf'<c r="{letter}2"[^>]*?(?:/>|>(.*?)</c>)', xml, re.DOTALL)
    return "" if found is None else found[1] or ""
