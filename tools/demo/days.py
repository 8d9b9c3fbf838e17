"""Days and hours in Tehran, and which days are worked: a count of the demo's own.

Taken from the library `holidays` directly, so that it can contradict what the services count.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from holidays import country_holidays

TEHRAN = ZoneInfo("Asia/Tehran")
DAY = timedelta(days=1)
DESK_HOUR = time(13, 30)
"""When people act: one instant a day, since each costs the replay a step."""

_FRIDAY = 4


class WorkDays:
    """Every day but Fridays and Iran's official holidays."""

    def __init__(self) -> None:
        self._holidays = country_holidays("IR")

    def is_worked(self, day: date) -> bool:
        return day.weekday() != _FRIDAY and day not in self._holidays

    def from_(self, day: date) -> date:
        """The day, or the first one after it that is worked."""
        while not self.is_worked(day):
            day += DAY
        return day

    def until(self, day: date) -> date:
        """The day, or the last one before it that is worked."""
        while not self.is_worked(day):
            day -= DAY
        return day

    def after(self, day: date, count: int) -> date:
        """The day on which `count` further days have been worked; 0 is the day itself."""
        while count > 0:
            day = self.from_(day + DAY)
            count -= 1
        return day

    def nearest_in_week(self, day: date) -> date:
        """The nearest worked day of the same week, Saturday to Friday; of two the later."""
        saturday = day - DAY * ((day.weekday() + 2) % 7)
        week = [saturday + DAY * n for n in range(7)]
        return min((d for d in week if self.is_worked(d)), key=lambda d: (abs(d - day), day - d))


def in_tehran(day: date, hour: time = time.min) -> datetime:
    """That hour of that day in Tehran, as a UTC instant."""
    return datetime.combine(day, hour, TEHRAN).astimezone(UTC)


def day_of(instant: datetime) -> date:
    """The day that it is in Tehran at a UTC instant."""
    return instant.astimezone(TEHRAN).date()
