"""A sheet that is downloaded, filled in by another program, and read back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
import xlsxwriter
from openpyxl import load_workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import PatternFill

from services.followups.adapters.bulk_sheet import TITLES
from services.followups.domain.bulk import Column, Edit
from tests.sheets.programs import Excelize, LibreOffice, SheetJs, Written
from tests.unit.followups.examples import ACKNOWLEDGED, PROGRESSED, after
from tests.unit.followups.sheets import PLACES, edits_of, is_no_sheet, opened, refused, sheet_of

NOTE: Final = "یادداشت «می‌شود»؛ 100% & <b>\nسطر دوم"
WRITTEN: Final = [
    Written("M2", "share", 0.5),
    Written("N2", "text", NOTE),
    Written("M3", "text", "\u200f۷۰٪"),
    Written("O3", "text", "بله"),
    Written("M4", "number", 30),
    Written("M5", "share", 1),
]
READ: Final = [
    Edit(2, "f-0", 3, 50, NOTE),
    Edit(3, "f-1", 3, 70, claims=True),
    Edit(4, "f-2", 3, 30),
    Edit(5, "f-3", 3, 100),
    Edit(6, "f-4", 3),
]
TITLE: Final = "تکمیل پل _x000D_ <r>&</r>"
SAVED: Final = Path(__file__).with_name("saved")


def our_sheet() -> bytes:
    one = after(ACKNOWLEDGED, PROGRESSED)
    one = replace(one, resolution=replace(one.resolution, title=TITLE))
    return sheet_of([replace(one, followup_id=f"f-{n}") for n in range(5)])


@pytest.fixture(scope="module")
def folder(test_folder: Path) -> Path:
    made = test_folder / "sheets"
    made.mkdir(exist_ok=True)
    return made


@pytest.fixture(scope="module")
def ours(folder: Path) -> Path:
    """The sheet as the service writes it."""
    file = folder / "ours.xlsx"
    file.write_bytes(our_sheet())
    return file


@pytest.fixture(scope="module")
def sheetjs(local: Path) -> SheetJs:
    return SheetJs(local / "cache" / "sheetjs")


@pytest.fixture(scope="module")
def excelize(local: Path) -> Excelize:
    return Excelize(local / "cache")


@pytest.fixture(scope="module")
def libreoffice(folder: Path) -> LibreOffice:
    return LibreOffice(folder)


def with_openpyxl(source: Path, saved: Path, cells: Sequence[Written]) -> None:
    book = load_workbook(source)
    sheet: Any = book.worksheets[0]
    for written in cells:
        cell = sheet[written.place]
        cell.value = written.value
        cell.number_format = "0%" if written.kind == "share" else "General"
    book.save(saved)


# -- saved before, for machines without the programs --------------------------------------------


@pytest.mark.parametrize("name", ["excelize", "libreoffice", "sheetjs"])
def test_what_a_program_saved(name: str) -> None:
    assert edits_of((SAVED / f"{name}.xlsx").read_bytes()) == READ


def test_what_a_program_saved_with_a_password() -> None:
    assert "it has a password" in is_no_sheet((SAVED / "excelize-locked.xlsx").read_bytes())


# -- openpyxl -----------------------------------------------------------------------------------


def test_openpyxl(ours: Path, folder: Path) -> None:
    with_openpyxl(ours, saved := folder / "openpyxl.xlsx", WRITTEN)
    assert edits_of(saved.read_bytes()) == READ


def test_openpyxl_with_many_other_changes(ours: Path, folder: Path) -> None:
    """Other sheets before it, a name, filters, hidden rows, rich text, formats to the last row."""
    book = load_workbook(ours)
    sheet: Any = book.worksheets[0]
    sheet.title = "هفته‌ی سوم"
    summary: Any = book.create_sheet("خلاصه", 0)
    summary["A1"] = "=COUNTA('هفته‌ی سوم'!A:A)"
    sheet["N2"] = CellRichText("یک ", TextBlock(InlineFont(b=True), "دو"), " سه")
    sheet["M3"], sheet["M3"].number_format = 0.29, '0.00%;[Red]"-"0.00%'
    sheet["M4"], sheet["M4"].number_format = 40, '#,##0 "ریال"'
    sheet["I5"] = date(2024, 3, 11)
    sheet["A1048576"].fill = PatternFill("solid", "FFFF00")
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["A"].hidden = True
    sheet.auto_filter.add_filter_column(0, ["f-1"])
    sheet.merge_cells("E2:E6")
    book.save(saved := folder / "office.xlsx")
    found = {edit.followup_id: edit for edit in edits_of(saved.read_bytes())}
    assert found["f-0"].note == "یک دو سه"
    assert [found[f"f-{n}"].progress for n in range(5)] == [None, 29, 40, None, None]


# -- XlsxWriter ---------------------------------------------------------------------------------


@pytest.mark.parametrize("in_order", [True, False], ids=["texts in their cells", "texts shared"])
def test_xlsxwriter(in_order: bool) -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"constant_memory": in_order, "date_1904": in_order})
    sheet = book.add_worksheet("x")
    percent = book.add_format({"num_format": "0%"})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for place, column in enumerate(reversed(list(TITLES))):  # in another order
        sheet.write_string(0, place, TITLES[column])
    places = {column: place for place, column in enumerate(reversed(list(TITLES)))}
    sheet.write_number(1, places[Column.PROGRESS], 0.55, percent)
    sheet.write_string(1, places[Column.NOTE], NOTE)
    sheet.write_number(1, places[Column.VERSION], 3)
    sheet.write_string(1, places[Column.FOLLOWUP_ID], "f-0")
    sheet.write_string(2, places[Column.FOLLOWUP_ID], "f-1")
    sheet.write_number(2, places[Column.VERSION], 3)
    sheet.write_boolean(2, places[Column.DONE], True)
    sheet.write_datetime(2, places[Column.NOTE], date(2024, 3, 11), day)
    sheet.write_formula(2, places[Column.PROGRESS], "=1+1", percent, 2)
    book.close()
    assert refused(out.getvalue()) == [
        (3, Column.NOTE, "broken-cell"),
        (3, Column.PROGRESS, "formula"),
    ]


# -- SheetJS ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("suffix", ["xlsx", "xlsm"])
def test_sheetjs(ours: Path, folder: Path, sheetjs: SheetJs, suffix: str, is_shared: bool) -> None:
    saved = folder / f"sheetjs.{suffix}"
    sheetjs.save(ours, saved, WRITTEN, is_shared=is_shared)
    assert edits_of(saved.read_bytes()) == READ


@pytest.mark.parametrize(
    ("suffix", "advice"),
    [
        *(("xls", "(.xls)"), ("xlsb", "(.xlsb)"), ("ods", "(.ods)"), ("fods", "(.fods)")),
        *(("csv", "such as .csv"), ("txt", "such as .csv"), ("html", "a web page")),
        ("xml", "XML Spreadsheet 2003"),
    ],
)
def test_what_sheetjs_saves_as_something_else(
    ours: Path, folder: Path, sheetjs: SheetJs, suffix: str, advice: str
) -> None:
    sheetjs.save(ours, saved := folder / f"sheetjs.{suffix}", WRITTEN)
    refusal = is_no_sheet(saved.read_bytes())
    assert advice in refusal
    assert "save it as .xlsx: File > Save As" in refusal


# -- excelize -----------------------------------------------------------------------------------


@pytest.mark.soak  # building it takes minutes
def test_excelize(ours: Path, folder: Path, excelize: Excelize) -> None:
    excelize.save(ours, saved := folder / "excelize.xlsx", WRITTEN)
    assert edits_of(saved.read_bytes()) == READ


@pytest.mark.soak
def test_what_excelize_saves_with_a_password(ours: Path, folder: Path, excelize: Excelize) -> None:
    excelize.save(ours, saved := folder / "locked.xlsx", WRITTEN, password="پیگیری")
    assert "it has a password" in is_no_sheet(saved.read_bytes())


# -- LibreOffice --------------------------------------------------------------------------------


@pytest.mark.parametrize("filter_", ["Calc MS Excel 2007 XML", "Calc Office Open XML"])
def test_libreoffice(ours: Path, folder: Path, libreoffice: LibreOffice, filter_: str) -> None:
    with_openpyxl(ours, filled := folder / "filled.xlsx", WRITTEN)
    libreoffice.save(filled, saved := folder / "libreoffice.xlsx", filter_)
    assert saved.read_bytes() != filled.read_bytes()
    assert edits_of(saved.read_bytes()) == READ


def test_libreoffice_shows_a_title_as_it_is(
    ours: Path, folder: Path, libreoffice: LibreOffice
) -> None:
    libreoffice.save(ours, saved := folder / "shown.ods", "calc8")
    libreoffice.save(saved, again := folder / "again.xlsx", "Calc MS Excel 2007 XML")
    shown = opened(again.read_bytes()).cell(2, PLACES[Column.TITLE]).value
    assert str(shown).replace("_x005F_", "_") == TITLE


@pytest.mark.parametrize(
    ("suffix", "filter_", "advice"),
    [
        ("ods", "calc8", "(.ods)"),
        ("xls", "MS Excel 97", "(.xls)"),
        ("html", "HTML (StarCalc)", "a web page"),
    ],
)
def test_what_libreoffice_saves_as_something_else(
    ours: Path, folder: Path, libreoffice: LibreOffice, suffix: str, filter_: str, advice: str
) -> None:
    libreoffice.save(ours, saved := folder / f"libreoffice.{suffix}", filter_)
    assert advice in is_no_sheet(saved.read_bytes())
