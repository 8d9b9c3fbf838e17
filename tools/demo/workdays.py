"""Days in Tehran, and which of them are worked.

The demo counts them itself, directly from the library `holidays`, so that its count can disagree
with that of the services.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from holidays import country_holidays

TEHRAN: Final = ZoneInfo("Asia/Tehran")
DAY: Final = timedelta(days=1)
ACTION_TIME: Final = time(13, 30)
"""When people act, in Tehran: one time per day, because each instant costs the replay a step."""

_FRIDAY: Final = 4


class WorkDays:
    """Every day except Fridays and Iran's official holidays."""

    def __init__(self) -> None:
        self._holidays = country_holidays("IR")

    def is_worked(self, day: date) -> bool:
        """Return whether the day is neither a Friday nor an official holiday."""
        return day.weekday() != _FRIDAY and day not in self._holidays

    def on_or_after(self, day: date) -> date:
        """Return the day, or the first worked day after it."""
        while not self.is_worked(day):
            day += DAY
        return day

    def on_or_before(self, day: date) -> date:
        """Return the day, or the last worked day before it."""
        while not self.is_worked(day):
            day -= DAY
        return day

    def add(self, day: date, count: int) -> date:
        """Return the day on which `count` more days have been worked; 0 gives the day itself."""
        while count > 0:
            day = self.on_or_after(day + DAY)
            count -= 1
        return day

    def nearest_in_week(self, day: date) -> date:
        """Return the nearest worked day of the same week, Saturday to Friday; of two, the later."""
        saturday = day - DAY * ((day.weekday() + 2) % 7)
        week = [saturday + DAY * n for n in range(7)]
        return min((d for d in week if self.is_worked(d)), key=lambda d: (abs(d - day), day - d))


def in_tehran(day: date, time_of_day: time = time.min) -> datetime:
    """Return that time of that day in Tehran, as a UTC instant."""
    return datetime.combine(day, time_of_day, TEHRAN).astimezone(UTC)


def day_of(instant: datetime) -> date:
    """Return the day in Tehran at an instant."""
    return instant.astimezone(TEHRAN).date()
