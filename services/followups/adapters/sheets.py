"""Follow-ups as a spreadsheet (Office Open XML), right to left, with Persian titles and dates.

Written row by row into a file, so that memory holds a page of it; read by a process of its own
(`adapters.workbook_reader`), so that no file of whoever can fill this one's memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from datetime import date
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from services.followups.adapters.state_titles import STATES_FA
from services.followups.adapters.xlsx_file import MEDIA_TYPE
from services.followups.domain.bulk import (
    EDITABLE,
    NO,
    TITLES,
    YES,
    Cell,
    Column,
    Merged,
    Odd,
    Row,
    Share,
)
from services.followups.domain.records import Followup
from services.followups.handlers import NoSheet
from shared.contracts.reference import AXIS_TITLES_FA, DEPUTY_TITLES_FA, PROVINCE_NAMES_FA
from shared.runtime.calendar import jalali_date_short
from shared.runtime.settings import PREFIX

if TYPE_CHECKING:
    from xlsxwriter.format import Format

SHEET: Final = "پیگیری‌ها"
_READER: Final = "services.followups.adapters.workbook_reader"

_WIDTHS: Final[Mapping[Column, int]] = {
    Column.FOLLOWUP_ID: 12,
    Column.VERSION: 7,
    Column.TITLE: 60,
    Column.STATE: 24,
    Column.NOTE: 60,
}


class XlsxWriter:
    """Implements `handlers.SheetWriter`."""

    def __init__(self) -> None:
        # Some 5 MB for what is seldom asked for.
        from services.followups.adapters import workbook_writer  # noqa: PLC0415

        self._folder = TemporaryDirectory()  # of rows that are not in the file yet
        self._file: BinaryIO = TemporaryFile()  # noqa: SIM115  # closed by whoever takes it
        self._book, self._sheet = workbook_writer.begin(self._file, self._folder.name, SHEET)
        self._next = 0
        self._taken = False
        self._locked = self._book.add_format({"locked": True})
        marked = {"locked": False, "bg_color": "#FFF2CC"}
        self._editable = self._book.add_format(marked)
        # What begins with = is text in a note, too.
        self._note = self._book.add_format({**marked, "num_format": "@", "text_wrap": True})
        self._head()

    def add(self, followups: Sequence[Followup]) -> None:
        for followup in followups:
            self._row(_cells(followup))

    def finish(self) -> BinaryIO:
        last = max(1, self._next - 1)
        progress, done = _place(Column.PROGRESS), _place(Column.DONE)
        number = {"validate": "integer", "criteria": "between", "minimum": 0, "maximum": 100}
        warned = {
            "error_type": "warning",  # figures of another script are text to a spreadsheet
            "error_title": TITLES[Column.PROGRESS],
            "error_message": "عددی از ۰ تا ۱۰۰ بنویسید.",
        }
        self._sheet.data_validation(1, progress, last, progress, {**number, **warned})
        choice = {"validate": "list", "source": [YES, NO]}
        self._sheet.data_validation(1, done, last, done, choice)
        self._sheet.autofilter(0, 0, last, len(TITLES) - 1)
        self._book.close()
        self._file.seek(0)
        self._taken = True
        return self._file

    def close(self) -> None:
        self._folder.cleanup()
        if not self._taken:
            self._file.close()

    def _head(self) -> None:
        self._sheet.freeze_panes(1, 0)
        allowed = ("sort", "autofilter", "format_cells", "format_columns", "format_rows")
        self._sheet.protect("", dict.fromkeys(allowed, True))
        for place, column in enumerate(TITLES):
            self._sheet.set_column(place, place, _WIDTHS.get(column, 16), self._kind(column))
        bold = {"bold": True, "text_wrap": True, "valign": "top", "border": 1}
        plain, marked = (
            self._book.add_format({**bold, "bg_color": c}) for c in ("#DDDDDD", "#FFD966")
        )
        for place, (column, title) in enumerate(TITLES.items()):
            self._sheet.write_string(0, place, title, marked if column in EDITABLE else plain)
        self._next = 1

    def _kind(self, column: Column) -> Format:
        if column is Column.NOTE:
            return self._note
        return self._editable if column in EDITABLE else self._locked

    def _row(self, cells: Mapping[Column, str | int]) -> None:
        for place, column in enumerate(TITLES):
            cell = cells.get(column)
            if column in EDITABLE:
                self._sheet.write_blank(self._next, place, None, self._kind(column))
            elif isinstance(cell, int):
                self._sheet.write_number(self._next, place, cell, self._locked)
            elif cell:
                self._sheet.write_string(self._next, place, cell, self._locked)
        self._next += 1


class XlsxSheets:
    """Implements `handlers.Sheets`."""

    media_type = MEDIA_TYPE
    suffix = "xlsx"

    def write(self) -> XlsxWriter:
        return XlsxWriter()

    def rows(self, file: BinaryIO) -> Generator[Row | Merged, None, None]:
        command = [sys.executable, "-m", _READER, json.dumps(list(TITLES.values()))]
        # It has no business with what this service may do.
        plain = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        file.flush()
        file.seek(0)
        with subprocess.Popen(
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where it ran out of memory; its status tells
            env=plain,
            text=True,
        ) as reader:
            assert reader.stdout is not None
            whole = False
            try:
                for line in reader.stdout:
                    yield row_of(json.loads(line))
                whole = True
            finally:
                if not whole:
                    reader.kill()
        if reader.returncode:
            told = f"with the memory and time of a sheet (status {reader.returncode})"
            raise NoSheet(f"it cannot be read {told}")


def row_of(told: Any) -> Row | Merged:
    """What the reader told. Raises NoSheet."""
    match told:
        case {"refused": why}:
            raise NoSheet(why)
        case {"merged": cells}:
            return Merged(*cells)
        case _:
            number, cells = told
            return number, [_cell(cell) for cell in cells]


def _cell(told: Any) -> Cell:
    match told:
        case {"odd": odd}:
            return Odd[odd.upper()]
        case {"share": share}:
            return Share(share)
        case {"day": day}:
            return date.fromisoformat(day)
        case _:
            cell: Cell = told
            return cell


def _place(column: Column) -> int:
    return list(TITLES).index(column)


def _cells(followup: Followup) -> dict[Column, str | int]:
    resolution = followup.resolution
    province, axis = resolution.province or "", resolution.axis or ""
    return {
        Column.FOLLOWUP_ID: followup.followup_id,
        Column.VERSION: followup.version,
        Column.RESOLUTION_ID: resolution.resolution_id,
        Column.TITLE: resolution.title,
        Column.DEPUTY: DEPUTY_TITLES_FA.get(resolution.deputy, resolution.deputy),
        Column.PROVINCE: PROVINCE_NAMES_FA.get(province, province),
        Column.AXIS: AXIS_TITLES_FA.get(axis, axis),
        Column.STATE: STATES_FA[followup.state],
        Column.DUE_ON: jalali_date_short(resolution.due_on),
        Column.ORIGINAL_DUE_ON: jalali_date_short(followup.original_due_on),
        Column.LEVEL: followup.level,
        Column.REPORTED: followup.progress,
    }
