"""Spreadsheets as people fill them in, and as nobody should."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from services.followups.adapters.sheets import XlsxSheets
from services.followups.domain.bulk import TITLES, Column
from services.followups.domain.records import Followup

Edits: TypeAlias = Mapping[tuple[int, Column], Any]

PLACES = {column: place for place, column in enumerate(TITLES, 1)}


def sheet_of(followups: Sequence[Followup]) -> bytes:
    """The sheet of these follow-ups, as the service writes it."""
    writer = XlsxSheets().write()
    try:
        writer.add(followups)
        with writer.finish() as file:
            return file.read()
    finally:
        writer.close()


def opened(content: bytes) -> Worksheet:
    """The sheet as a program of an office shows it."""
    return load_workbook(io.BytesIO(content)).worksheets[0]


def filled_in(content: bytes, edits: Edits) -> bytes:
    """The same sheet with other cells, as another program saves it."""

    def fill(sheet: Worksheet) -> None:
        for (row, column), value in edits.items():
            sheet.cell(row, PLACES[column]).value = value

    return changed(content, fill)


def changed(content: bytes, change: Callable[[Worksheet], object]) -> bytes:
    """A sheet that somebody did something to."""
    book = load_workbook(io.BytesIO(content))
    change(book.worksheets[0])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def sheet_with(rows: Sequence[Sequence[Any]]) -> bytes:
    """A sheet of these rows below the right titles."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("x")
    sheet.append(list(TITLES.values()))
    for row in rows:
        sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_part(content: bytes, name: str, part: bytes | Callable[[bytes], bytes]) -> bytes:
    """The file with a part of it replaced, or one more."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as before,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for info in before.infolist():
            if info.filename != name:
                after.writestr(info, before.read(info))
            elif callable(part):
                after.writestr(name, part(before.read(info)))
        if not callable(part):
            after.writestr(name, part)
    return out.getvalue()
