"""A board as CSV (RFC 4180) that a spreadsheet opens right when it is double-clicked."""

from __future__ import annotations

import csv
import io
import re
from typing import Final

from services.followups.adapters.tables import gap, heads, lines
from services.followups.domain.scorecard_table import ScorecardTable
from shared.runtime.safe_text import writable

MEDIA_TYPE: Final = "text/csv; charset=utf-8"

_SIGNS: Final = "[=+\\-@＝＋－＠﹢﹣﹦﹫⁺⁻⁼₊₋₌−﬩⩵⩶]"  # what Unicode's NFKC makes of the four, too
_UNSEEN: Final = (  # white space, a quotation mark, and what Unicode lets a program ignore
    '[^\\S;\t\r\n]|["\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f'
    "\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffd"
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_FORMULA: Final = re.compile(rf"(?:\A|(?<=[;\t\r\n]))(?='|(?:{_UNSEEN})*{_SIGNS})|\A(?=[\t\r\n])")
"""Where a spreadsheet may take what follows for a formula (OWASP, CSV injection)."""


def write(board: ScorecardTable) -> bytes:
    """The table with a byte order mark, by which Excel tells UTF-8; numbers as they are in JSON.

    A last line says what is left out, where something is.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(harmless, heads(board)))
    for line in lines(board):
        writer.writerow([harmless(line.title), harmless(line.id), *line.values])
    if (left_out := gap(board)) is not None:
        writer.writerow([harmless(left_out)])
    return text.getvalue().encode("utf-8-sig")


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before one.

    It does so, too, behind each `;`, tab and end of a line, where a cell begins for those who are
    set to other separators, and before an apostrophe in these places. So whoever wants the text
    back takes one away at its beginning and behind each of those. Some pass over what cannot be
    seen before a sign, and take the full-width ones (U+FF1D) for the same.
    """
    return _FORMULA.sub("'", writable(text))
