"""Writes scorecards as CSV (RFC 4180) that spreadsheet programs open correctly."""

from __future__ import annotations

import csv
import io
import re
from typing import Final

from services.followups.adapters.tables import headings, lines, missing_note
from services.followups.domain.scorecard_table import ScorecardTable
from shared.runtime.safe_text import writable

MEDIA_TYPE: Final = "text/csv; charset=utf-8"

_SIGNS: Final = "[=+\\-@＝＋－＠﹢﹣﹦﹫⁺⁻⁼₊₋₌−﬩⩵⩶]"  # those four, and what NFKC maps to them
_IGNORED: Final = (  # white space, a quotation mark, and default-ignorable characters
    '[^\\S;\t\r\n]|["\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f'
    "\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffd"
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_FORMULA: Final = re.compile(rf"(?:\A|(?<=[;\t\r\n]))(?='|(?:{_IGNORED})*{_SIGNS})|\A(?=[\t\r\n])")
"""Where a spreadsheet program may read the rest as a formula (OWASP, CSV injection)."""


def write(table: ScorecardTable) -> bytes:
    """The table in UTF-8 with a byte order mark, which Excel needs; numbers as in JSON.

    If deputies are left out, a last line names them.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(map(harmless, headings(table)))
    for line in lines(table):
        writer.writerow([harmless(line.title), harmless(line.id), *line.values])
    if (left_out := missing_note(table)) is not None:
        writer.writerow([harmless(left_out)])
    return text.getvalue().encode("utf-8-sig")


def harmless(text: str) -> str:
    """The text with an apostrophe before each formula, so that no spreadsheet program runs it.

    A formula may also begin after a `;`, a tab or the end of a line, as programs with other
    separators begin a cell there. An apostrophe in these places gets one more. To get the text
    back, remove one apostrophe at its beginning and after each of these characters. Some programs
    skip invisible characters before a sign, and read full-width signs (U+FF1D) like the others.
    """
    return _FORMULA.sub("'", writable(text))
