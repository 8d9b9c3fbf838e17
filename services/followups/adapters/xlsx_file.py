"""Writes scorecards as a workbook (ECMA-376), right to left."""

from __future__ import annotations

import io
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any, Final

from services.followups.adapters.scorecard_titles import KINDS_FA
from services.followups.adapters.tables import COLUMNS, Value, headings, lines, missing_note, title
from services.followups.domain.scorecard_table import ScorecardTable
from shared.runtime.calendar import start_of_day

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_NUMBERS: Final = {"count": "#,##0", "share": "0.0%", "days": "#,##0.0"}
_HEADINGS_AT: Final = 2  # after the title and an empty line
_FONT: Final = {"font_name": "Tahoma", "font_size": 10}  # common, with Persian letters


def write(table: ScorecardTable) -> bytes:
    """The table under a title with its Jalali date; numbers are numbers, texts never formulas."""
    # Imported when it is first needed: the library takes some 4 MiB until the process ends.
    from services.followups.adapters import workbook_writer  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        buffer = io.BytesIO()
        book, sheet = workbook_writer.begin(buffer, folder, KINDS_FA[table.by])
        _fill(book, sheet, table)
        book.close()
    return buffer.getvalue()


def _fill(book: Any, sheet: Any, table: ScorecardTable) -> None:
    # The day of the scorecards, not the time of a clock, so that equal tables give equal files.
    book.set_properties({"title": title(table), "created": start_of_day(table.as_of)})
    plain, bold, large = (
        book.add_format({**_FONT, **more})
        for more in ({}, {"bold": True, "bottom": 1, "text_wrap": True}, {"bold": True})
    )
    numbers = [book.add_format({**_FONT, "num_format": _NUMBERS[c.kind]}) for c in COLUMNS]
    sheet.write_string(0, 0, title(table), large)
    for column, heading in enumerate(headings(table)):
        sheet.write_string(_HEADINGS_AT, column, heading, bold)
    rows = list(lines(table))
    for row, line in enumerate(rows, _HEADINGS_AT + 1):
        sheet.write_string(row, 0, line.title, plain)
        sheet.write_string(row, 1, line.id, plain)
        _write_numbers(sheet, row, line.values, numbers)
    if (left_out := missing_note(table)) is not None:
        sheet.write_string(_HEADINGS_AT + len(rows) + 2, 0, left_out, large)
    sheet.set_column(0, 0, 32)
    sheet.set_column(1, len(COLUMNS) + 1, 12)
    sheet.freeze_panes(_HEADINGS_AT + 1, 1)


def _write_numbers(sheet: Any, row: int, values: Sequence[Value], formats: Sequence[Any]) -> None:
    for column, (value, format_) in enumerate(zip(values, formats, strict=True), 2):
        if value is not None:  # without a value the cell stays empty
            sheet.write_number(row, column, value, format_)
