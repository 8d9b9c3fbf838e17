"""Days and instants as people write them, and the messages for those that are refused.

A day of the Gregorian calendar is written `2024-03-11`. People also write Jalali days, Persian
digits and slashes. Nothing is guessed: these are refused with a message that says which day it
would be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import jdatetime

YEARS: Final = range(1900, 2200)
"""Years of the Gregorian calendar that days and instants may have."""

JALALI_YEARS: Final = range(1279, 1578)
"""Years of the Jalali calendar that are wholly within those."""

DAY_EXPECTED: Final = "must be a day, such as 2024-03-11"
INSTANT_EXPECTED: Final = (
    "must be an RFC 3339 time with an offset, such as 2024-03-11T09:00:00+03:30"
)

_TEHRAN: Final = ZoneInfo("Asia/Tehran")
# Digits of any script; dashes as word processors make them, the Persian date separator U+060D.
_DAY: Final = re.compile(r"(\d{4})([-/.\u060d\u2010-\u2015\u2212])(\d{1,2})\2(\d{1,2})")
_TIME: Final = re.compile(
    r"[Tt\s]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.]\d+)?)?\s*([Zz]|[-+]\d{2}:?\d{2})?"
)
_INVISIBLE: Final = " \t\u00a0\u061c\u200c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
_AROUND: Final = re.compile(f"^[{_INVISIBLE}]+|[{_INVISIBLE}]+$")
_MONTHS: Final = (
    "Farvardin", "Ordibehesht", "Khordad", "Tir", "Mordad", "Shahrivar", "Mehr", "Aban", "Azar",
    "Dey", "Bahman", "Esfand",
)  # fmt: skip


class Misread(ValueError):
    """A text is not an accepted day or instant; the message says why, in one line.

    `kind`, `template` and `context` are the parts of the message, for translation.
    """

    def __init__(self, kind: str, template: str, **context: str | int) -> None:
        super().__init__(template.format(**context))
        self.kind = kind
        self.template = template
        self.context: Mapping[str, str | int] = context


@dataclass(frozen=True, slots=True)
class WrittenDay:
    """A day as somebody wrote it, in whatever digits; it need not exist."""

    text: str
    year: int
    separator: str
    month: int
    day: int

    @property
    def is_jalali(self) -> bool:
        """Whether its year is one of the Jalali calendar."""
        return self.year in JALALI_YEARS

    def meant(self) -> date:
        """The day meant, in the calendar of its year. Raises Misread if there is no such day."""
        if self.is_jalali:
            return self._of_jalali()
        if self.year not in YEARS:
            raise year_out_of_range()
        try:
            return date(self.year, self.month, self.day)
        except ValueError:
            raise Misread(
                "no_day", "{given} is no day of the Gregorian calendar", given=self.text
            ) from None

    def _of_jalali(self) -> date:
        try:
            return from_jalali(self.year, self.month, self.day)
        except ValueError:
            pass
        if self.month not in range(1, 13) or self.day not in range(1, 32):
            raise Misread("no_day", "{given} is no day of the Jalali calendar", given=self.text)
        month = _MONTHS[self.month - 1]
        raise Misread(
            "no_jalali_day",
            "{given} is no day of the Jalali calendar: {month} {year} has {days} days",
            given=self.text,
            month=month,
            year=self.year,
            days=_days_of(self.year, self.month),
        )


def from_jalali(year: int, month: int, day: int) -> date:
    """The date of a Jalali day. Raises ValueError if that month has no such day."""
    converted: date = jdatetime.date(year, month, day).togregorian()
    return converted


def written_day(text: str) -> WrittenDay | None:
    """The day that a text names, in either calendar, year first; None if it names none."""
    given = _AROUND.sub("", text)
    found = _DAY.fullmatch(given)
    return None if found is None else _written(given, found)


def read_day(text: str) -> date:
    """A day of the Gregorian calendar, `2024-03-11` (RFC 3339, full-date). Raises Misread."""
    if len(text) == 10 and text[4] == text[7] == "-" and text.isascii():
        try:
            day = date.fromisoformat(text)
        except ValueError:
            pass
        else:
            if day.year in YEARS:
                return day
    raise _day_misread(text)


def instant_misread(text: str) -> Misread:
    """The error for a text that is not an accepted instant (RFC 3339, date-time)."""
    given = _AROUND.sub("", text)
    found = _DAY.match(given)
    if found is None:
        return Misread("written", INSTANT_EXPECTED)
    written = _written(found[0], found)
    try:
        day = written.meant()
    except Misread as misread:
        return misread
    if found.end() == len(given):
        return _day_without_time(written, day)
    time_part = _TIME.fullmatch(given, found.end())
    meant = None if time_part is None else _instant(day, time_part)
    if time_part is None or meant is None or meant == given:
        return Misread("written", INSTANT_EXPECTED)
    if written.is_jalali:
        kind, template = "jalali_instant", "{given} is of the Jalali calendar; it would be {meant}"
    elif time_part[4] is None:
        kind, template = "no_offset", "{given} has no offset; in Tehran it would be {meant}"
    else:
        kind, template = "instant_written", "{given} has to be written as {meant}"
    return Misread(kind, template, given=given, meant=meant)


def _written(text: str, found: re.Match[str]) -> WrittenDay:
    return WrittenDay(text, int(found[1]), found[2], int(found[3]), int(found[4]))


def _day_misread(text: str) -> Misread:
    written = written_day(text)
    if written is None:
        return Misread("written", DAY_EXPECTED)
    try:
        day = written.meant()
    except Misread as misread:
        return misread
    if written.is_jalali:
        template = "{given} is a Jalali day; it would be {day}"
        return Misread("jalali_day", template, given=written.text, day=day.isoformat())
    template = "{given} has to be written as {day}"
    return Misread("day_written", template, given=written.text, day=day.isoformat())


def _day_without_time(written: WrittenDay, day: date) -> Misread:
    kind, what = (
        ("jalali_day_alone", "a Jalali day") if written.is_jalali else ("day_alone", "a day")
    )
    example = datetime.combine(day, time(9), tzinfo=_TEHRAN).isoformat()
    template = f"{{given}} is {what} without a time; nine in Tehran would be {{example}}"
    return Misread(kind, template, given=written.text, example=example)


def _instant(day: date, time_part: re.Match[str]) -> str | None:
    """The correct form of an instant; if its offset is missing, with Tehran's."""
    try:
        time_of_day = time(int(time_part[1]), int(time_part[2]), int(time_part[3] or 0))
    except ValueError:
        return None
    if time_part[4] is not None:
        offset = "Z" if time_part[4] in "Zz" else f"{time_part[4][:3]}:{time_part[4][-2:]}"
        return f"{day}T{time_of_day}{offset}"
    return datetime.combine(day, time_of_day, tzinfo=_TEHRAN).isoformat()


def _days_of(year: int, month: int) -> int:
    if month <= 6:
        return 31
    return 30 if month < 12 or jdatetime.date(year, month, 1).isleap() else 29


def year_out_of_range() -> Misread:
    """The error for a year that days and instants may not have."""
    return Misread(
        "year",
        "must be a year of the Gregorian calendar from {first} to {last}",
        first=YEARS[0],
        last=YEARS[-1],
    )
