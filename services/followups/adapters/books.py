"""A workbook to be written row by row, in which every text comes back as it is."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from services.followups.adapters.escapes import escaped

_OPTIONS: Final = {
    "constant_memory": True,  # a row is written when the next one begins
    # A title that begins with = is a title.
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


class TextSheet(Worksheet):  # type: ignore[misc]  # it has no types
    """A sheet whose texts are never taken for markup.

    XlsxWriter passes a text from <r> to </r> on as it is, and of `_x005F_x000D_` it escapes the
    first half alone.
    """

    @staticmethod
    def _escape_control_characters(data: Any) -> Any:
        if not isinstance(data, str):
            return data
        text = escaped(data)
        is_passed_on = text.startswith("<r>") and text.endswith("</r>")
        return f"_x003C_{text[1:]}" if is_passed_on else text


def begin(file: BinaryIO, folder: str, name: str) -> tuple[Workbook, TextSheet]:
    """A book and its sheet, right to left; `folder` is for rows that are not in the file yet."""
    book = Workbook(file, {**_OPTIONS, "tmpdir": folder})
    sheet = book.add_worksheet(name, worksheet_class=TextSheet)
    sheet.right_to_left()
    return book, sheet
