"""Writes follow-ups into a workbook for people to fill in, and reads it back (Office Open XML).

The sheet is right to left, with Persian titles and dates. It is written row by row into a file, so
that memory holds only a page of it. A separate process (`adapters.workbook_reader`) reads it, so
that no file can fill the memory of the service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from datetime import date
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from services.followups.adapters import bulk_sheet
from services.followups.adapters.bulk_sheet import NO, TITLES, YES, Cell, Merged, Odd, Row, Share
from services.followups.adapters.state_titles import STATES_FA
from services.followups.adapters.xlsx_file import MEDIA_TYPE
from services.followups.domain.bulk import EDITABLE, Column, Edit
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
        # Imported when it is first needed: the library takes some 5 MB.
        from services.followups.adapters import workbook_writer  # noqa: PLC0415

        self._folder = TemporaryDirectory()  # for rows that are not in the file yet
        self._file: BinaryIO = TemporaryFile()  # noqa: SIM115  # the caller of `finish` closes it
        self._book, self._sheet = workbook_writer.begin(self._file, self._folder.name, SHEET)
        self._next_row = 0
        self._handed_over = False
        self._locked = self._book.add_format({"locked": True})
        marked = {"locked": False, "bg_color": "#FFF2CC"}
        self._editable = self._book.add_format(marked)
        # In a note, a text that begins with = is not a formula.
        self._note = self._book.add_format({**marked, "num_format": "@", "text_wrap": True})
        self._write_head()

    def add(self, followups: Sequence[Followup]) -> None:
        """Write one row per follow-up. Blocks."""
        for followup in followups:
            self._write_row(_cells(followup))

    def finish(self) -> BinaryIO:
        """Return the whole file from its beginning; the caller closes it. Blocks."""
        last = max(1, self._next_row - 1)
        progress, done = _index(Column.PROGRESS), _index(Column.DONE)
        number = {"validate": "integer", "criteria": "between", "minimum": 0, "maximum": 100}
        warned = {
            "error_type": "warning",  # spreadsheet programs read Persian digits as text
            "error_title": TITLES[Column.PROGRESS],
            "error_message": "عددی از ۰ تا ۱۰۰ بنویسید.",
        }
        self._sheet.data_validation(1, progress, last, progress, {**number, **warned})
        choice = {"validate": "list", "source": [YES, NO]}
        self._sheet.data_validation(1, done, last, done, choice)
        self._sheet.autofilter(0, 0, last, len(TITLES) - 1)
        self._book.close()
        self._file.seek(0)
        self._handed_over = True
        return self._file

    def close(self) -> None:
        """Remove the temporary files, except a finished one."""
        self._folder.cleanup()
        if not self._handed_over:
            self._file.close()

    def _write_head(self) -> None:
        self._sheet.freeze_panes(1, 0)
        allowed = ("sort", "autofilter", "format_cells", "format_columns", "format_rows")
        self._sheet.protect("", dict.fromkeys(allowed, True))
        for index, column in enumerate(TITLES):
            self._sheet.set_column(index, index, _WIDTHS.get(column, 16), self._format(column))
        bold = {"bold": True, "text_wrap": True, "valign": "top", "border": 1}
        plain, marked = (
            self._book.add_format({**bold, "bg_color": c}) for c in ("#DDDDDD", "#FFD966")
        )
        for index, (column, title) in enumerate(TITLES.items()):
            self._sheet.write_string(0, index, title, marked if column in EDITABLE else plain)
        self._next_row = 1

    def _format(self, column: Column) -> Format:
        if column is Column.NOTE:
            return self._note
        return self._editable if column in EDITABLE else self._locked

    def _write_row(self, cells: Mapping[Column, str | int]) -> None:
        for index, column in enumerate(TITLES):
            cell = cells.get(column)
            if column in EDITABLE:
                self._sheet.write_blank(self._next_row, index, None, self._format(column))
            elif isinstance(cell, int):
                self._sheet.write_number(self._next_row, index, cell, self._locked)
            elif cell:
                self._sheet.write_string(self._next_row, index, cell, self._locked)
        self._next_row += 1


class XlsxSheets:
    """Implements `handlers.Sheets`."""

    media_type = MEDIA_TYPE
    suffix = "xlsx"
    titles = TITLES

    def write(self) -> XlsxWriter:
        """Begin a sheet."""
        return XlsxWriter()

    def read(self, file: BinaryIO) -> list[Edit]:
        with closing(self.rows(file)) as rows:
            return bulk_sheet.read(rows)

    def rows(self, file: BinaryIO) -> Generator[Row | Merged, None, None]:
        """Give the rows that are not empty, titles first, all of one length; then merged cells.

        Blocks. Raises NoSheet.
        """
        command = [sys.executable, "-m", _READER, json.dumps(list(TITLES.values()))]
        # The reader gets no settings of this service, so it knows no password.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        file.flush()
        file.seek(0)
        with subprocess.Popen(  # noqa: S603  # a fixed list of arguments; the file is only read
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback if memory runs out; the exit status says so
            env=environment,
            text=True,
        ) as reader:
            assert reader.stdout is not None
            finished = False
            try:
                for line in reader.stdout:
                    yield row_of(json.loads(line))
                finished = True
            finally:
                if not finished:
                    reader.kill()
        if reader.returncode:
            limits = f"with the memory and time of a sheet (status {reader.returncode})"
            raise NoSheet(f"it cannot be read {limits}")


def row_of(parsed: Any) -> Row | Merged:
    """What a line of the reader holds. Raises NoSheet if the reader refused the file."""
    match parsed:
        case {"refused": reason}:
            raise NoSheet(reason)
        case {"merged": cells}:
            return Merged(*cells)
        case _:
            number, cells = parsed
            return number, [_cell(cell) for cell in cells]


def _cell(parsed: Any) -> Cell:
    match parsed:
        case {"odd": odd}:
            return Odd[odd.upper()]
        case {"share": share}:
            return Share(share)
        case {"day": day}:
            return date.fromisoformat(day)
        case _:
            cell: Cell = parsed
            return cell


def _index(column: Column) -> int:
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
