"""Begins a workbook that is written row by row and keeps every text unchanged."""

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


class TextSheet(Worksheet):  # type: ignore[misc]  # XlsxWriter has no types
    """A sheet whose texts are never taken for markup.

    XlsxWriter itself writes a text from <r> to </r> without escaping it, and escapes only the
    first half of `_x005F_x000D_`.
    """

    @staticmethod
    def _escape_control_characters(data: Any) -> Any:
        if not isinstance(data, str):
            return data
        text = escaped(data)
        looks_like_markup = text.startswith("<r>") and text.endswith("</r>")
        return f"_x003C_{text[1:]}" if looks_like_markup else text


def begin(file: BinaryIO, folder: str, name: str) -> tuple[Workbook, TextSheet]:
    """A new workbook and its only sheet, right to left.

    XlsxWriter keeps unfinished rows in `folder`.
    """
    book = Workbook(file, {**_OPTIONS, "tmpdir": folder})
    sheet = book.add_worksheet(name, worksheet_class=TextSheet)
    sheet.right_to_left()
    return book, sheet
