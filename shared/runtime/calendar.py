"""Working days in Iran, and dates as people read them.

In the code an instant is an aware UTC datetime, and a day is a date in Asia/Tehran. People see
days of the Jalali (Solar Hijri) calendar with Persian digits.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import jdatetime

from shared.runtime.official_holidays import OfficialHolidays, Overrides, read_overrides
from shared.text import persian_digits

TEHRAN = ZoneInfo("Asia/Tehran")

THURSDAY = 3  # as date.weekday() counts
FRIDAY = 4

_DAY = timedelta(days=1)
_WEEKDAYS = ("دوشنبه", "سه‌شنبه", "چهارشنبه", "پنجشنبه", "جمعه", "شنبه", "یکشنبه")
_MONTHS = (
    "فروردین",
    "اردیبهشت",
    "خرداد",
    "تیر",
    "مرداد",
    "شهریور",
    "مهر",
    "آبان",
    "آذر",
    "دی",
    "بهمن",
    "اسفند",
)


@dataclass(frozen=True, slots=True)
class JalaliDay:
    """A day of the Jalali calendar: month 1 is Farvardin, days count from 1."""

    year: int
    month: int
    day: int


@lru_cache(maxsize=4_096)  # a batch asks for the same few days many times
def start_of_day(day: date) -> datetime:
    """00:00 Asia/Tehran of that day, as a UTC instant.

    Iran had daylight saving time until 2022 and changed its clocks at midnight. For a day that
    began at 01:00 this is the instant of the change.
    """
    return datetime.combine(day, time.min, tzinfo=TEHRAN).astimezone(UTC)


def tehran_date(instant: datetime) -> date:
    """The day in Tehran at an aware instant. Raises ValueError for a naive one."""
    return _in_tehran(instant).date()


def to_jalali(day: date) -> JalaliDay:
    """The same day in the Jalali calendar."""
    converted = jdatetime.date.fromgregorian(date=day)
    return JalaliDay(converted.year, converted.month, converted.day)


def jalali_date(day: date) -> str:
    """A day in words: `دوشنبه ۲۱ اسفند ۱۴۰۲`."""
    jalali = to_jalali(day)
    weekday, month = _WEEKDAYS[day.weekday()], _MONTHS[jalali.month - 1]
    return persian_digits(f"{weekday} {jalali.day} {month} {jalali.year}")


def jalali_date_short(day: date) -> str:
    """A day in figures: `۱۴۰۲/۱۲/۲۱`."""
    jalali = to_jalali(day)
    return persian_digits(f"{jalali.year:04}/{jalali.month:02}/{jalali.day:02}")


def jalali_month(day: date) -> str:
    """The month of a day in words: `اسفند ۱۴۰۲`."""
    jalali = to_jalali(day)
    return persian_digits(f"{_MONTHS[jalali.month - 1]} {jalali.year}")


def jalali_datetime(instant: datetime) -> str:
    """An instant in words, in Tehran's time: `دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۰۹:۳۰`."""
    local = _in_tehran(instant)
    return f"{jalali_date(local.date())}، ساعت {persian_digits(f'{local:%H:%M}')}"


def jalali_datetime_short(instant: datetime) -> str:
    """An instant in figures, in Tehran's time: `۱۴۰۲/۱۲/۲۱ ۰۹:۳۰`."""
    local = _in_tehran(instant)
    return f"{jalali_date_short(local.date())} {persian_digits(f'{local:%H:%M}')}"


class WorkingCalendar:
    """Knows the working days: all days except the weekend and holidays.

    `weekend` holds weekdays as `date.weekday()` counts them (Monday is 0). `holidays` is anything
    that supports `day in holidays`.
    """

    def __init__(
        self,
        weekend: frozenset[int] = frozenset({FRIDAY}),
        holidays: Container[date] = frozenset(),
    ) -> None:
        if len(weekend) == 7:
            raise ValueError("a week without a working day")
        self._weekend = weekend
        self._holidays = holidays

    @classmethod
    def iran(cls, thursday_off: bool = False, overrides: Path | None = None) -> Self:
        """A calendar with Fridays, Thursdays if `thursday_off`, and Iran's official holidays off.

        Holidays of the lunar calendar are announced and may differ by a day from what the library
        expects; `overrides` names a file with corrections. Raises BadHolidaysFile.
        """
        weekend = frozenset({THURSDAY, FRIDAY}) if thursday_off else frozenset({FRIDAY})
        announced = Overrides() if overrides is None else read_overrides(overrides)
        return cls(weekend, OfficialHolidays(announced))

    def is_working(self, day: date) -> bool:
        """Whether people work on that day."""
        return day.weekday() not in self._weekend and day not in self._holidays

    def after(self, day: date, working_days: int) -> date:
        """The date of the n-th working day after `day`; for 0, `day` itself in any case.

        Raises ValueError for a negative number and OverflowError after the year 9999.
        """
        if working_days < 0:
            raise ValueError("working days are counted forward")
        left = working_days
        while left:
            day += _DAY
            left -= self.is_working(day)
        return day

    def before(self, day: date, working_days: int) -> date:
        """The date of the n-th working day before `day`; for 0, `day` itself in any case.

        Raises ValueError for a negative number and OverflowError before the year 1.
        """
        if working_days < 0:
            raise ValueError("working days are counted as they are, backward")
        left = working_days
        while left:
            day -= _DAY
            left -= self.is_working(day)
        return day


def _in_tehran(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("an instant without a time zone")
    return instant.astimezone(TEHRAN)
