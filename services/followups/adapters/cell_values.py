"""The values of cells: what a number means by its number format, and which day it is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final, Literal, TypeAlias

Kind: TypeAlias = Literal["number", "share", "day", "time"]
Value: TypeAlias = str | int | float | bool | dict[str, Any] | None
"""A value as it is stored.

A number that is shown as a percentage is `{"share": …}`, a day is `{"day": "2024-03-11"}`, and
what is neither a text nor a number is `{"odd": "formula" | "broken" | "time"}`.
"""

BROKEN: Final[Value] = {"odd": "broken"}
FORMULA: Final[Value] = {"odd": "formula"}
TIME: Final[Value] = {"odd": "time"}

BUILT_IN_KINDS: Final[Mapping[int, Kind]] = {
    **dict.fromkeys((9, 10), "share"),
    **dict.fromkeys((*range(14, 18), 22, *range(27, 37), *range(50, 59)), "day"),
    **dict.fromkeys((*range(18, 22), *range(45, 48)), "time"),
}
"""By the id of a built-in format (ECMA-376 part 1, 18.8.30), East Asian ones included."""

_ELAPSED: Final = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_LITERAL: Final = re.compile(r'"[^"]*"?|\\.|_.|\*.|\[[^\]]*\]|General|E[+-]', re.IGNORECASE)
_WHOLE: Final = re.compile("-?[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([Ee][+-]?[0-9]+)?")
_FIRST_GREGORIAN: Final = date(1582, 10, 15)
_ISO_DAY: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T.*)?")


def kind_of(code: str) -> Kind:
    """What a number means under a number format: `0.0%` is a share, `yyyy/mm/dd` a day."""
    plain = _LITERAL.sub("", _ELAPSED.sub(r"\1", code)).lower()
    if "%" in plain:
        return "share"
    if "d" in plain or "y" in plain:
        return "day"
    if "h" in plain or "s" in plain:
        return "time"
    return "day" if "m" in plain else "number"


def number_value(text: str, kind: Kind, *, starts_1904: bool) -> Value:
    """The value of a number, as it is written; `starts_1904` says from when its days count."""
    if kind == "number" and _WHOLE.fullmatch(text):
        return int(text)
    if not _NUMBER.fullmatch(text) or not math.isfinite(number := float(text)):
        return BROKEN
    match kind:
        case "share":
            return {"share": number}
        case "day":
            return day_of(number, starts_1904=starts_1904)
        case "time":
            return TIME
        case _:
            return number


def iso_day_value(text: str) -> Value:
    """The value of an ISO 8601 date. Raises ValueError if there is no such day."""
    found = _ISO_DAY.fullmatch(text)
    return BROKEN if found is None else _day(date.fromisoformat(found[1]))


def day_of(serial: float, *, starts_1904: bool) -> Value:
    """The day of a serial number; a serial number below 1 is a time of day.

    The 1900 system has a 29 February 1900, which never existed: serial numbers before it count
    from one day later. Only LibreOffice writes numbers for days before 1582. They count in the
    Julian calendar, and mostly the user meant a Jalali day.
    """
    number = math.floor(serial)
    if number == 0 and not starts_1904:
        return TIME
    if number == 60 and not starts_1904:
        return BROKEN
    begin = date(1904, 1, 1) if starts_1904 else date(1899, 12, 31 if 1 <= number < 60 else 30)
    try:
        day = begin + timedelta(days=number)
        return _day(day if day >= _FIRST_GREGORIAN else _julian(day))
    except (OverflowError, ValueError):
        return BROKEN


def _julian(day: date) -> date:
    """The same day in the Julian calendar. Raises ValueError if Python has no such date."""
    days = day.toordinal() + 1_753_507  # from 1 March 4801 BC on
    year, days = divmod(4 * days + 3, 1_461)
    month, days = divmod(5 * (days // 4) + 2, 153)
    return date(year - 4_800 + month // 10, (month + 2) % 12 + 1, days // 5 + 1)


def _day(day: date) -> Value:
    return {"day": day.isoformat()}
