"""A board as CSV (RFC 4180) that a spreadsheet opens right when it is double-clicked."""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import Final

from services.followups.adapters.tables import gap, heads, lines
from services.followups.domain.boards import Board

MEDIA_TYPE: Final = "text/csv; charset=utf-8"

_FORMULAS: Final = frozenset("=+-@\t\r\n")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV injection)."""


def write(board: Board) -> bytes:
    """The table with a byte order mark, by which Excel tells UTF-8; numbers as they are in JSON.

    A last line says what is left out, where something is.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(harmless, heads(board)))
    for line in lines(board):
        writer.writerow([harmless(line.title), harmless(line.id), *line.values])
    if (left_out := gap(board)) is not None:
        writer.writerow([left_out])
    return text.getvalue().encode("utf-8-sig")


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before one.

    Some pass over white space before it and take the full-width signs (U+FF1D) for the same.
    """
    begins = unicodedata.normalize("NFKC", text[:1] + text.lstrip()[:1])
    return f"'{text}" if _FORMULAS.intersection(begins) else text
