"""Spreadsheets: written, read back, and refused."""

from __future__ import annotations

import io
import random
import zipfile
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from services.followups.adapters.bulk_sheet import TITLES
from services.followups.domain import bulk
from services.followups.domain.bulk import EDITABLE, MOST_FAULTS, Column, Edit
from services.followups.domain.records import Followup
from tests.unit.followups.examples import ACKNOWLEDGED, PROGRESSED, after
from tests.unit.followups.sheets import (
    PLACES,
    Edits,
    changed,
    edits_of,
    filled_in,
    is_no_sheet,
    opened,
    refused,
    sheet_of,
    sheet_with,
    with_part,
)

AT_WORK = after(ACKNOWLEDGED, PROGRESSED)
NAMESPACE = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET_PART = "xl/worksheets/sheet1.xml"


def several(count: int) -> list[Followup]:
    return [replace(AT_WORK, followup_id=f"f-{n}") for n in range(count)]


SHEET = sheet_of(several(5))


# -- writing ----------------------------------------------------------------------------------


def test_a_sheet_is_right_to_left_with_frozen_persian_titles() -> None:
    sheet = opened(SHEET)
    assert sheet.sheet_view.rightToLeft
    assert sheet.freeze_panes == "A2"
    assert [cell.value for cell in sheet[1]] == list(TITLES.values())
    assert sheet.title == "پیگیری‌ها"
    assert sheet.max_row == 6


def test_a_row_shows_the_follow_up_as_people_read_it() -> None:
    cells = {column: opened(SHEET).cell(2, place).value for column, place in PLACES.items()}
    assert cells == {
        Column.FOLLOWUP_ID: "f-0",
        Column.VERSION: 3,
        Column.RESOLUTION_ID: "1402-IR-09-R001",
        Column.TITLE: "تکمیل پل روستای سرآسیاب",
        Column.DEPUTY: "معاونت عمرانی",
        Column.PROVINCE: "خراسان رضوی",
        Column.AXIS: None,
        Column.STATE: "در دست اقدام",
        Column.DUE_ON: "۱۴۰۲/۱۰/۱۱",
        Column.ORIGINAL_DUE_ON: "۱۴۰۲/۱۰/۱۱",
        Column.LEVEL: 0,
        Column.REPORTED: 60,
        Column.PROGRESS: None,
        Column.NOTE: None,
        Column.DONE: None,
    }


def test_only_editable_cells_are_unlocked_and_marked() -> None:
    sheet = opened(SHEET)
    assert sheet.protection.sheet
    for column, place in PLACES.items():
        cell = sheet.cell(2, place)
        assert cell.protection.locked is (column not in EDITABLE)
        assert (cell.fill.fgColor.rgb == "FFFFF2CC") is (column in EDITABLE)
    kinds = {str(v.sqref).split(":")[0][:1]: v.type for v in sheet.data_validations.dataValidation}
    assert kinds == {"M": "whole", "O": "list"}


def test_a_title_that_looks_like_a_formula_is_a_title() -> None:
    odd = replace(AT_WORK, resolution=replace(AT_WORK.resolution, title="=1+1 https://x.ir \x01"))
    content = sheet_of([odd])
    assert opened(content).cell(2, PLACES[Column.TITLE]).data_type == "s"
    assert [edit.is_empty for edit in edits_of(content)] == [True]


def test_a_sheet_without_follow_ups_has_its_titles() -> None:
    assert edits_of(sheet_of([])) == []


# -- reading ----------------------------------------------------------------------------------


def test_an_unchanged_sheet_has_only_empty_edits() -> None:
    edits = edits_of(SHEET)
    assert [edit.followup_id for edit in edits] == [f"f-{n}" for n in range(5)]
    assert all(edit.is_empty and edit.version == 3 for edit in edits)


def test_what_people_wrote_is_read() -> None:
    note = "تکمیل شد؛ عکس‌ها پیوست است\nسطر دوم"
    edits: Edits = {
        (2, Column.PROGRESS): "۷۰",
        (4, Column.NOTE): note,
        (4, Column.PROGRESS): 80,
        (6, Column.DONE): "بله",
    }
    found = [edit for edit in edits_of(filled_in(SHEET, edits)) if not edit.is_empty]
    assert found == [
        Edit(2, "f-0", 3, 70),
        Edit(4, "f-2", 3, 80, note),
        Edit(6, "f-4", 3, claims=True),
    ]


def test_columns_and_rows_may_be_moved_and_rows_left_out() -> None:
    def move(sheet: Any) -> None:
        sheet.cell(3, PLACES[Column.PROGRESS]).value = 75
        sheet.delete_rows(2)
        sheet.insert_rows(2, 3)  # empty ones
        last = len(TITLES)
        sheet.move_range("A1:A9", cols=last)
        sheet.delete_cols(1)

    found = edits_of(changed(SHEET, move))
    assert [(edit.row, edit.followup_id, edit.progress) for edit in found] == [
        (5, "f-1", 75),
        (6, "f-2", None),
        (7, "f-3", None),
        (8, "f-4", None),
    ]


# -- what is never read -------------------------------------------------------------------------


def test_formulas_and_broken_cells_are_named_by_row_and_column() -> None:
    edits: Edits = {
        (2, Column.PROGRESS): "=30+40",
        (3, Column.NOTE): "#REF!",
        (4, Column.TITLE): '=HYPERLINK("https://x.ir")',
        (5, Column.DONE): datetime(2024, 3, 11),  # noqa: DTZ001  # as spreadsheets have them
    }
    assert refused(filled_in(SHEET, edits)) == [
        (2, Column.PROGRESS, "formula"),
        (3, Column.NOTE, "broken-cell"),
        (4, Column.TITLE, "formula"),
        (5, Column.DONE, "broken-cell"),
    ]


def test_columns_that_are_missing_or_renamed_are_named() -> None:
    def rename(sheet: Any) -> None:
        sheet.cell(1, PLACES[Column.PROGRESS]).value = "پیشرفت"

    assert {slug for *_, slug in refused(changed(SHEET, rename))} == {
        *("missing-column", "unknown-column"),
    }
    without = changed(SHEET, lambda sheet: sheet.delete_cols(PLACES[Column.NOTE]))
    assert refused(without) == [(1, Column.NOTE, "missing-column")]
    assert {slug for *_, slug in refused(changed(SHEET, lambda sheet: sheet.delete_rows(1)))} == {
        *("missing-column", "unknown-column"),
    }


def test_a_repeated_row_is_named() -> None:
    double = filled_in(SHEET, {(5, Column.FOLLOWUP_ID): "f-1"})
    assert refused(double) == [(5, Column.FOLLOWUP_ID, "double-row")]


def row(number: int, **cells: Any) -> list[Any]:
    usual: dict[Column, Any] = {Column.FOLLOWUP_ID: f"f-{number}", Column.VERSION: 3}
    given = {**usual, **{Column(name): value for name, value in cells.items()}}
    return [given.get(column) for column in TITLES]


@pytest.mark.soak
def test_too_many_rows_are_not_read() -> None:
    most = bulk.MOST_ROWS
    assert refused(sheet_with([row(n) for n in range(100_001)])) == [
        (most + 2, None, "too-many-rows")
    ]


@pytest.mark.soak
def test_the_largest_number_of_rows_is_read() -> None:
    assert len(edits_of(sheet_with([row(n) for n in range(bulk.MOST_ROWS)]))) == bulk.MOST_ROWS


def test_not_every_fault_is_listed() -> None:
    assert (
        len(refused(sheet_with([row(n, progress=101) for n in range(MOST_FAULTS + 5)])))
        == MOST_FAULTS
    )


def test_a_wrong_claim_of_endless_size_is_ignored() -> None:
    def far(xml: bytes) -> bytes:
        return xml.replace(b'<row r="6"', b'<row r="99999999999"')

    assert "1048576 is the last" in is_no_sheet(with_part(SHEET, SHEET_PART, far))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"followup_id,version\nf-1,1\n",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4_000),
        b"PK\x03\x04" + bytes(1_000),
        SHEET[: len(SHEET) // 2],
        with_part(SHEET, SHEET_PART, b"<worksheet>"),
        with_part(SHEET, SHEET_PART, b""),
        with_part(SHEET, "xl/workbook.xml", b"<x/>"),
        with_part(SHEET, "xl/_rels/workbook.xml.rels", b"<x/>"),
    ],
)
def test_the_message_says_that_a_file_is_no_spreadsheet(content: bytes) -> None:
    assert is_no_sheet(content)


def test_the_message_about_an_old_or_locked_file_says_what_to_do() -> None:
    assert "save it as .xlsx" in is_no_sheet(b"\xd0\xcf\x11\xe0" + bytes(1_000))


def test_a_bomb_is_not_unpacked() -> None:
    bomb = with_part(SHEET, "xl/bomb.xml", bytes(60_000_000))
    assert len(bomb) < 100_000
    assert "unpacked" in is_no_sheet(bomb)
    out = io.BytesIO(SHEET)
    with zipfile.ZipFile(out, "a") as packed:
        for n in range(1_001):
            packed.writestr(f"xl/{n}.xml", b"")
    assert "parts" in is_no_sheet(out.getvalue())


def test_a_file_that_lies_about_its_size_is_not_read() -> None:
    """Declared as a thousand bytes, it has fifty megabytes."""
    size = 50_000_000
    bomb = with_part(SHEET, "xl/bomb.xml", bytes(size))
    lie = bomb.replace(size.to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    assert lie != bomb
    assert "broken" in is_no_sheet(lie)


@pytest.mark.soak
def test_reading_stops_before_it_fills_the_memory() -> None:
    """Ten million texts that sheets could share.

    The reader's limit is the kernel's: beyond it nothing is had.
    """
    chance, same = random.Random(1), b"<si><t>ab</t></si>" * 24
    texts = (b"<si><t>%x</t></si>" % chance.getrandbits(32) + same for _ in range(400_000))
    xml = b'<sst xmlns="%b">' % NAMESPACE + b"".join(texts) + b"</sst>"
    leads = (
        b'<Relationship Id="rId9" Target="sharedStrings.xml" Type="http://schemas.openxmlformats.org'
        b'/officeDocument/2006/relationships/sharedStrings"/></Relationships>'
    )
    book = with_part(
        SHEET,
        "xl/_rels/workbook.xml.rels",
        lambda part: part.replace(b"sharedStrings", b"others").replace(b"</Relationships>", leads),
    )
    bomb = with_part(book, "xl/sharedStrings.xml", xml)
    assert len(bomb) < 16_000_000
    assert "memory" in is_no_sheet(bomb)


@pytest.mark.soak
def test_two_million_cells_of_one_row_take_no_memory() -> None:
    cells = b'<c s="1"/>' * 2_000_000
    row_ = b'<row r="9"><c r="A9"/>' + cells + b"</row></sheetData>"
    wide = with_part(SHEET, SHEET_PART, lambda part: part.replace(b"</sheetData>", row_))
    assert "far more than is in it" in is_no_sheet(wide), "it is all the same"
    chance = random.Random(1)
    cells = b"".join(b'<c s="%d"/>' % chance.getrandbits(24) for _ in range(2_000_000))
    row_ = b'<row r="9">' + cells + b"</row></sheetData>"
    wide = with_part(SHEET, SHEET_PART, lambda part: part.replace(b"</sheetData>", row_))
    assert len(edits_of(wide)) == 5


def test_entities_are_not_expanded() -> None:
    tens = (b'<!ENTITY a%d "%b">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
    laughs = b'<!DOCTYPE x [<!ENTITY a0 "ha">' + b"".join(tens) + b"]><worksheet>&a9;</worksheet>"
    assert is_no_sheet(with_part(SHEET, SHEET_PART, laughs))
    outside = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><worksheet>&a;</worksheet>'
    assert "root" not in is_no_sheet(with_part(SHEET, SHEET_PART, outside))


def test_macros_and_links_to_other_files_are_ignored() -> None:
    with_macro = with_part(SHEET, "xl/vbaProject.bin", b"Attribute VB_Name")
    linked = with_part(with_macro, "xl/externalLinks/externalLink1.xml", b"<externalLink/>")
    assert len(edits_of(linked)) == 5
