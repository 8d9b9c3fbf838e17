"""Spreadsheets for the tests: filled in, changed, and broken."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from tempfile import TemporaryFile
from typing import Any, TypeAlias

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from services.followups.adapters import workbook_reader
from services.followups.adapters.bulk_sheet import TITLES, read
from services.followups.adapters.sheets import XlsxSheets, row_of
from services.followups.domain.bulk import BadSheet, Column, Edit
from services.followups.domain.records import Followup
from services.followups.handlers import NoSheet

Edits: TypeAlias = Mapping[tuple[int, Column], Any]

PLACES = {column: place for place, column in enumerate(TITLES, 1)}


def sheet_of(followups: Sequence[Followup]) -> bytes:
    """Return the sheet of these follow-ups, as the service writes it."""
    writer = XlsxSheets().write()
    try:
        writer.add(followups)
        with writer.finish() as file:
            return file.read()
    finally:
        writer.close()


def opened(content: bytes) -> Worksheet:
    """Return the sheet as another library reads it."""
    return load_workbook(io.BytesIO(content)).worksheets[0]


def filled_in(content: bytes, edits: Edits) -> bytes:
    """Return the sheet with other cells, as another program saves it."""

    def fill(sheet: Worksheet) -> None:
        for (row, column), value in edits.items():
            sheet.cell(row, PLACES[column]).value = value

    return changed(content, fill)


def changed(content: bytes, change: Callable[[Worksheet], object]) -> bytes:
    """Return the sheet after a change."""
    book = load_workbook(io.BytesIO(content))
    change(book.worksheets[0])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def sheet_with(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return a sheet with the right titles and these rows."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("x")
    sheet.append(list(TITLES.values()))
    for row in rows:
        sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_part(content: bytes, name: str, part: bytes | Callable[[bytes], bytes]) -> bytes:
    """Return the file with one part replaced or added."""
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


def edits_of(content: bytes) -> list[Edit]:
    """Return what the service reads from a file."""
    with TemporaryFile() as file:
        file.write(content)
        return XlsxSheets().read(file)


def edits_here(content: bytes) -> list[Edit]:
    """The same, without a process each time."""
    told = (
        json.loads(line) for line in workbook_reader.lines(io.BytesIO(content), TITLES.values())
    )
    return read(map(row_of, told))


def refused(content: bytes) -> list[tuple[int, Column | None, str]]:
    """Return the faults of a sheet: row, column and slug."""
    with pytest.raises(BadSheet) as bad:
        edits_of(content)
    return [(fault.row, fault.column, fault.slug) for fault in bad.value.faults]


def is_no_sheet(content: bytes) -> str:
    """Return the message for a file that cannot be read."""
    with pytest.raises(NoSheet) as error:
        edits_of(content)
    return str(error.value)
