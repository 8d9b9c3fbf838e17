"""Reports of many follow-ups at once, a row each, as a spreadsheet holds them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from services.followups.domain.decisions import complete, report_progress
from services.followups.domain.records import Fact, Followup, evolve
from services.followups.domain.refusals import BadProgress, NotNow
from shared.contracts.days import from_jalali
from shared.runtime.calendar import jalali_date_short
from shared.runtime.principals import Principal
from shared.runtime.refusals import Refused
from shared.text import normalise, search_key, shows

MOST_ROWS: Final = 20_000
LONGEST_NOTE: Final = 20_000  # characters


class Column(StrEnum):
    """The columns of a sheet, in their order."""

    FOLLOWUP_ID = "followup_id"
    VERSION = "version"
    RESOLUTION_ID = "resolution_id"
    TITLE = "title"
    DEPUTY = "deputy"
    PROVINCE = "province"
    AXIS = "axis"
    STATE = "state"
    DUE_ON = "due_on"
    ORIGINAL_DUE_ON = "original_due_on"
    LEVEL = "level"
    REPORTED = "reported"
    PROGRESS = "progress"
    NOTE = "note"
    DONE = "done"


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
EDITABLE: Final = frozenset({Column.PROGRESS, Column.NOTE, Column.DONE})
YES: Final = "بله"
NO: Final = "خیر"

_COLUMNS: Final = {search_key(title): column for column, title in TITLES.items()}
_ANSWERS: Final = {search_key(YES): True, search_key(NO): False}
_READ: Final = EDITABLE | {Column.FOLLOWUP_ID, Column.VERSION}
_PERCENT = re.compile(r"(?:[%٪﹪％]\s*)?(\d{1,9})|(\d{1,9})\s*(?:[%٪﹪％]|در\s?صد)")
_VERSION = re.compile(r"\d{1,9}")
_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_FIRST_GREGORIAN: Final = 1700  # earlier years are Jalali ones
_SHOWN: Final = 40  # characters of what a cell holds


class Odd(Enum):
    """What a cell holds that is no value."""

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
    """Cells that are shown as one, of which the first alone can hold something; from 1."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a sheet, and where; `row` as spreadsheets count it."""

    row: int
    column: Column | None
    slug: str
    message: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What somebody wrote into a row."""

    row: int
    followup_id: str
    version: int  # of the follow-up, as it was when the sheet was made
    progress: int | None = None
    note: str | None = None
    claims: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written into the row."""
        return self.progress is None and self.note is None and not self.claims


class BadSheet(Exception):
    """A sheet of which nothing is applied."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = tuple(faults)


class StaleRow(Refused):
    """The follow-up has changed since the sheet was made."""

    reason = "stale-version"


# -- reading ------------------------------------------------------------------------------------


def columns_of(row: int, titles: Sequence[Cell]) -> list[Column | None]:
    """Which column stands where, by the row of titles; they may stand in any order.

    Raises BadSheet where one is missing, there twice, or none that is known.
    """
    found = [_column(title) for title in titles]
    faults = [
        Fault(row, column, "missing-column", f"there is no column «{title}»")
        for column, title in TITLES.items()
        if column not in found
    ]
    for place, (title, column) in enumerate(zip(titles, found, strict=True), 1):
        if column is None and not _is_blank(title):
            told = f"column {place} has the title {_shown(title)}, which is none of this sheet; "
            told += "delete the column or its title"
            faults.append(Fault(row, None, "unknown-column", told))
        elif column is not None and column in found[: place - 1]:
            faults.append(Fault(row, column, "double-column", f"«{title}» is there twice"))
    if faults:
        raise BadSheet(faults)
    return found


def _column(title: Cell) -> Column | None:
    return _COLUMNS.get(search_key(title)) if isinstance(title, str) else None


def read_row(row: int, cells: Mapping[Column, Cell]) -> Edit:
    """What a row of a sheet says. Raises BadSheet that names the cells."""
    faults: list[Fault] = []

    def fault(column: Column, slug: str, message: str) -> None:
        faults.append(Fault(row, column, slug, f"«{TITLES[column]}» {message}"))

    for column, cell in cells.items():
        is_odd = isinstance(cell, date) or cell is Odd.TIME
        if cell is Odd.FORMULA:
            fault(column, "formula", f"holds {cell.value}")
        elif cell is Odd.BROKEN or (is_odd and column in _READ):
            fault(column, "broken-cell", f"holds {_shown(cell)}")
    if faults:
        raise BadSheet(faults)
    followup_id = _bare(_text(cells.get(Column.FOLLOWUP_ID)))
    if not followup_id or len(followup_id) > 200:
        fault(Column.FOLLOWUP_ID, "bad-id", "is empty or no id")
    version = _number(given := cells.get(Column.VERSION), _VERSION)
    if version is None or version < 1:
        told = f"is a whole number from 1, as the sheet had it, and not {_shown(given)}"
        fault(Column.VERSION, "bad-version", told)
    progress = _number(given := cells.get(Column.PROGRESS), _PERCENT)
    if not _is_blank(given) and (progress is None or progress > 100):
        told = f"is a whole number from 0 to 100, such as 40, ۴۰ or 40%, and not {_shown(given)}"
        fault(Column.PROGRESS, "bad-progress", told)
    note = _text(given := cells.get(Column.NOTE))
    if note is None or len(note) > LONGEST_NOTE:
        told = f"is text of at most {LONGEST_NOTE} characters, and not {_shown(given)}"
        fault(Column.NOTE, "bad-note", told)
    claims = _answer(given := cells.get(Column.DONE))
    if claims is None:
        told = f"is «{YES}», «{NO}» or empty, and not {_shown(given)}"
        fault(Column.DONE, "bad-answer", told)
    if faults:
        raise BadSheet(faults)
    assert followup_id is not None
    assert version is not None
    return Edit(row, followup_id, version, progress, note or None, bool(claims))


def doubles(edits: Iterable[Edit]) -> list[Fault]:
    """The rows that speak of a follow-up of which another row speaks too."""
    first: dict[str, int] = {}
    faults: list[Fault] = []
    for edit in edits:
        row = first.setdefault(edit.followup_id, edit.row)
        if row != edit.row:
            told = f"row {row} speaks of the same follow-up"
            faults.append(Fault(edit.row, Column.FOLLOWUP_ID, "double-row", told))
    return faults


def merged(columns: Sequence[Column | None], cells: Merged, edits: Iterable[Edit]) -> list[Fault]:
    """What is wrong where somebody wrote once into the cells of several rows."""
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


def _is_blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not shows(cell))


def _bare(text: str | None) -> str:
    """A text without what nobody sees: directional marks, joiners, and white space around it."""
    seen = (c for c in text or "" if unicodedata.category(c) != "Cf")
    return "".join(seen).strip()


def _text(cell: Cell) -> str | None:
    """Text as everywhere it is kept, "" for an empty cell; None for what is no text."""
    if _is_blank(cell):
        return ""
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        return None
    return normalise(str(cell))


def _number(cell: Cell, pattern: re.Pattern[str]) -> int | None:
    """A whole number, in figures of any script; None for what is none."""
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
    """A number as spreadsheets show it, of 15 digits: 0.29 is no 0.28999999999999998."""
    return Decimal(f"{number:.15g}")


def _if_whole(number: Decimal) -> int | None:
    return int(number) if number == int(number) else None


def _answer(cell: Cell) -> bool | None:
    if _is_blank(cell):
        return False
    return _ANSWERS.get(search_key(cell)) if isinstance(cell, str) else None


def _shown(cell: Cell) -> str:
    """What a cell holds, as people see it; a day in both calendars."""
    match cell:
        case None:
            return "empty"
        case str():
            day = _DAY.fullmatch(_bare(cell))
            shown = cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}…"
            told = None if day is None else _told_day(*map(int, day.groups()))
            return f"«{shown}»" if told is None else f"«{shown}», {told}"
        case Odd():
            return cell.value
        case bool():
            return str(cell).upper()
        case date():
            told = _told_day(cell.year, cell.month, cell.day) or cell.isoformat()
            return f"{told}; format the cell as text and write the value again"
        case Share():
            return f"{100 * cell.of_one:.15g} %"
        case _:
            return f"{cell:.15g}"


def _told_day(year: int, month: int, day: int) -> str | None:
    """A day in both calendars; a year before 1700 is a Jalali one. None where there is no such."""
    try:
        is_jalali = year < _FIRST_GREGORIAN
        gregorian = from_jalali(year, month, day) if is_jalali else date(year, month, day)
        return f"the day {gregorian.isoformat()} ({jalali_date_short(gregorian)})"
    except ValueError:
        return None


# -- deciding -----------------------------------------------------------------------------------


def decide(followup: Followup, edit: Edit, by: Principal, now: datetime) -> list[Fact]:
    """What a row brings about; nothing where it says what is there already.

    A claim that says how far it is as well is a report and a claim. Raises StaleRow, NotAllowed,
    NotNow, BadProgress.
    """
    progress = None if edit.progress == followup.progress else edit.progress
    if progress is None and edit.note is None and not edit.claims:
        return []
    if followup.version != edit.version:
        told = f"it is version {followup.version} now, {followup.state}, {followup.progress} %"
        raise StaleRow(f"{told}; the sheet has version {edit.version}")
    facts: list[Fact] = []
    if progress is not None or not edit.claims:
        figure = followup.progress if progress is None else progress
        note = None if edit.claims else edit.note
        facts.append(report_progress(followup, by, figure, note, now))
    if edit.claims:
        facts.append(
            complete(evolve(followup, facts[0]) if facts else followup, by, edit.note, now)
        )
    return facts


def column_of(refused: Refused, edit: Edit) -> Column:
    """The column that a refusal is about."""
    match refused:
        case StaleRow():
            return Column.VERSION
        case BadProgress():
            return Column.PROGRESS
        case NotNow() if edit.claims:
            return Column.DONE
        case _:
            return Column.FOLLOWUP_ID if edit.progress is None else Column.PROGRESS
