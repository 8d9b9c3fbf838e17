"""The cells of a spreadsheet of follow-ups: its Persian titles, and what people wrote.

It knows no file format: whatever reads a file gives its rows as plain values.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Final, TypeAlias

from services.followups.domain.bulk import (
    EDITABLE,
    LONGEST_NOTE,
    MOST_FAULTS,
    MOST_ROWS,
    BadSheet,
    Column,
    Edit,
    Fault,
    doubles,
)
from shared.contracts.days import from_jalali
from shared.runtime.calendar import jalali_date_short
from shared.text import normalise, search_key, shows

TITLES: Final[Mapping[Column, str]] = {
    Column.FOLLOWUP_ID: "شناسه پیگیری",
    Column.VERSION: "نسخه",
    Column.RESOLUTION_ID: "شناسه مصوبه",
    Column.TITLE: "عنوان مصوبه",
    Column.DEPUTY: "معاونت",
    Column.PROVINCE: "استان",
    Column.AXIS: "محور",
    Column.STATE: "وضعیت",
    Column.DUE_ON: "مهلت",
    Column.ORIGINAL_DUE_ON: "مهلت نخست",
    Column.LEVEL: "سطح تأخیر",
    Column.REPORTED: "پیشرفت کنونی (درصد)",
    Column.PROGRESS: "پیشرفت تازه (درصد)",
    Column.NOTE: "یادداشت",
    Column.DONE: "انجام شد؟",
}
YES: Final = "بله"
NO: Final = "خیر"

_COLUMNS: Final = {search_key(title): column for column, title in TITLES.items()}
_ANSWERS: Final = {search_key(YES): True, search_key(NO): False}
_READ: Final = EDITABLE | {Column.FOLLOWUP_ID, Column.VERSION}
_PERCENT = re.compile(r"(?:[%٪﹪％]\s*)?(\d{1,9})|(\d{1,9})\s*(?:[%٪﹪％]|در\s?صد)")
_VERSION = re.compile(r"\d{1,9}")
_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_FIRST_GREGORIAN: Final = 1700  # earlier years are Jalali ones
_SHOWN: Final = 40  # characters of a cell that a message repeats
_LONGEST_ID: Final = 200  # characters


class Odd(Enum):
    """A cell that holds no value: what it holds, and what to do."""

    FORMULA = "a formula; copy the cell and paste its value"
    BROKEN = "an error, such as #REF!; write the value"
    TIME = "a time; format the cell as text and write the value again"


@dataclass(frozen=True, slots=True)
class Share:
    """A number that is shown as a percentage: 0.4 as 40 %."""

    of_one: float


Cell: TypeAlias = str | int | float | bool | date | Share | Odd | None
Row: TypeAlias = tuple[int, Sequence[Cell]]  # its number, as spreadsheets count it, and its cells


@dataclass(frozen=True, slots=True)
class Merged:
    """Cells that are shown as one; only the first can hold something. Rows and columns from 1."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


# -- rows ---------------------------------------------------------------------------------------


def read(rows: Iterator[Row | Merged]) -> list[Edit]:
    """Return what people wrote into a sheet, row by row; its first row has the titles.

    Raises BadSheet, and whatever `rows` raises.
    """
    titles = next(rows, None)
    columns = columns_of(*((1, ()) if titles is None or isinstance(titles, Merged) else titles))
    edits: list[Edit] = []
    faults: list[Fault] = []
    for row in rows:
        if isinstance(row, Merged):
            faults += merged_faults(columns, row, edits)
            continue
        number, cells = row
        if len(edits) == MOST_ROWS:
            message = f"a sheet has at most {MOST_ROWS} rows below its titles"
            raise BadSheet([Fault(number, None, "too-many-rows", message)])
        named = {c: cell for c, cell in zip(columns, cells, strict=True) if c is not None}
        try:
            edits.append(read_row(number, named))
        except BadSheet as bad:
            faults += bad.faults
        if len(faults) >= MOST_FAULTS:
            break
    faults += doubles(edits)
    if faults:
        raise BadSheet(faults[:MOST_FAULTS])
    return edits


def columns_of(row: int, titles: Sequence[Cell]) -> list[Column | None]:
    """Return the column of each title, in any order; None for an empty title.

    Raises BadSheet if a column is missing, is there twice, or has an unknown title.
    """
    found = [_column(title) for title in titles]
    faults = [
        Fault(row, column, "missing-column", f"there is no column «{title}»")
        for column, title in TITLES.items()
        if column not in found
    ]
    for place, (title, column) in enumerate(zip(titles, found, strict=True), 1):
        if column is None and not _is_blank(title):
            message = f"column {place} has the title {_shown(title)}, which is none of this sheet; "
            message += "delete the column or its title"
            faults.append(Fault(row, None, "unknown-column", message))
        elif column is not None and column in found[: place - 1]:
            faults.append(Fault(row, column, "double-column", f"«{title}» is there twice"))
    if faults:
        raise BadSheet(faults)
    return found


def _column(title: Cell) -> Column | None:
    return _COLUMNS.get(search_key(title)) if isinstance(title, str) else None


def read_row(row: int, cells: Mapping[Column, Cell]) -> Edit:
    """Return what a row says. Raises BadSheet, which names the cells at fault."""
    faults: list[Fault] = []

    def fault(column: Column, slug: str, message: str) -> None:
        faults.append(Fault(row, column, slug, f"«{TITLES[column]}» {message}"))

    _require_values(row, cells)
    followup_id = _bare(_text(cells.get(Column.FOLLOWUP_ID)))
    if not followup_id or len(followup_id) > _LONGEST_ID:
        fault(Column.FOLLOWUP_ID, "bad-id", "is empty or no id")
    version = _number(cell := cells.get(Column.VERSION), _VERSION)
    if version is None or version < 1:
        message = f"is a whole number from 1, as the sheet had it, and not {_shown(cell)}"
        fault(Column.VERSION, "bad-version", message)
    progress = _number(cell := cells.get(Column.PROGRESS), _PERCENT)
    if not _is_blank(cell) and (progress is None or progress > 100):
        message = f"is a whole number from 0 to 100, such as 40, ۴۰ or 40%, and not {_shown(cell)}"
        fault(Column.PROGRESS, "bad-progress", message)
    note = _text(cell := cells.get(Column.NOTE))
    if note is None or len(note) > LONGEST_NOTE:
        message = f"is text of at most {LONGEST_NOTE} characters, and not {_shown(cell)}"
        fault(Column.NOTE, "bad-note", message)
    claims = _answer(cell := cells.get(Column.DONE))
    if claims is None:
        fault(Column.DONE, "bad-answer", f"is «{YES}», «{NO}» or empty, and not {_shown(cell)}")
    if faults:
        raise BadSheet(faults)
    assert followup_id is not None
    assert version is not None
    return Edit(row, followup_id, version, progress, note or None, bool(claims))


def _require_values(row: int, cells: Mapping[Column, Cell]) -> None:
    """Refuse cells that hold no value. Raises BadSheet."""
    faults: list[Fault] = []
    for column, cell in cells.items():
        is_day_or_time = isinstance(cell, date) or cell is Odd.TIME
        if cell is Odd.FORMULA:
            slug, held = "formula", cell.value
        elif cell is Odd.BROKEN or (is_day_or_time and column in _READ):
            slug, held = "broken-cell", _shown(cell)
        else:
            continue
        faults.append(Fault(row, column, slug, f"«{TITLES[column]}» holds {held}"))
    if faults:
        raise BadSheet(faults)


def merged_faults(
    columns: Sequence[Column | None], cells: Merged, edits: Iterable[Edit]
) -> list[Fault]:
    """Return the faults of merged cells: something was written once for several rows."""
    is_filled_in = any(edit.row == cells.first_row and not edit.is_empty for edit in edits)
    if cells.first_row == cells.last_row or not is_filled_in:
        return []
    rows = f"rows {cells.first_row} to {cells.last_row}"
    return [
        Fault(
            cells.first_row,
            column,
            "merged-cells",
            f"«{TITLES[column]}» is one cell in {rows}; split it and write into each row",
        )
        for column in columns[cells.first_column - 1 : cells.last_column]
        if column in EDITABLE
    ]


# -- cells --------------------------------------------------------------------------------------


def _is_blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not shows(cell))


def _bare(text: str | None) -> str:
    """Remove invisible characters (directional marks, joiners) and surrounding white space."""
    visible = (c for c in text or "" if unicodedata.category(c) != "Cf")
    return "".join(visible).strip()


def _text(cell: Cell) -> str | None:
    """Return the normalised text, "" for an empty cell, None if it is no text."""
    if _is_blank(cell):
        return ""
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        return None
    return normalise(str(cell))


def _number(cell: Cell, pattern: re.Pattern[str]) -> int | None:
    """Return a whole number, in digits of any script; None if it is none."""
    match cell:
        case str():
            written = pattern.fullmatch(_bare(cell))
            return None if written is None else int(written[written.lastindex or 0])
        case bool():
            return None
        case int() | float() if 0 <= cell < 1e9:
            return _if_whole(_decimal(cell))
        case Share() if pattern is _PERCENT and 0 <= cell.of_one < 1e9:
            return _if_whole(100 * _decimal(cell.of_one))
        case _:
            return None


def _decimal(number: float) -> Decimal:
    """Return a number as spreadsheets show it, with 15 digits: 0.29, not 0.28999999999999998."""
    return Decimal(f"{number:.15g}")


def _if_whole(number: Decimal) -> int | None:
    return int(number) if number == int(number) else None


def _answer(cell: Cell) -> bool | None:
    if _is_blank(cell):
        return False
    return _ANSWERS.get(search_key(cell)) if isinstance(cell, str) else None


def _shown(cell: Cell) -> str:
    """Return what a cell holds, as people see it; a day in both calendars."""
    match cell:
        case None:
            return "empty"
        case str():
            day = _DAY.fullmatch(_bare(cell))
            shown = cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}…"
            in_both = None if day is None else _in_both_calendars(*map(int, day.groups()))
            return f"«{shown}»" if in_both is None else f"«{shown}», {in_both}"
        case Odd():
            return cell.value
        case bool():
            return str(cell).upper()
        case date():
            in_both = _in_both_calendars(cell.year, cell.month, cell.day)
            return (
                f"{in_both or cell.isoformat()}; format the cell as text and write the value again"
            )
        case Share():
            return f"{100 * cell.of_one:.15g} %"
        case _:
            return f"{cell:.15g}"


def _in_both_calendars(year: int, month: int, day: int) -> str | None:
    """Return a day in both calendars, or None if there is no such day.

    A year before 1700 is a Jalali one.
    """
    try:
        is_jalali = year < _FIRST_GREGORIAN
        gregorian = from_jalali(year, month, day) if is_jalali else date(year, month, day)
        return f"the day {gregorian.isoformat()} ({jalali_date_short(gregorian)})"
    except ValueError:
        return None
