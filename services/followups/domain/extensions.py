"""The rules of extensions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.runtime.calendar import WorkingCalendar, start_of_day, tehran_date

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ExtensionRules:
    """The number of extensions of a follow-up, their total length, and the time to decide one."""

    calendar: WorkingCalendar
    most: int = 3
    days: int = 180  # calendar days past the original due date, for all extensions together
    lapse_days: int = 10  # working days that coordination has to decide

    def latest(self, original_due_on: date) -> date:
        """Return the latest due date (Asia/Tehran) that can be granted."""
        return original_due_on + timedelta(days=self.days)

    def lapses_at(self, requested_at: datetime) -> datetime:
        """Return when (UTC) a request lapses: 00:00 Asia/Tehran after the last day to decide."""
        last = self.calendar.after(tehran_date(requested_at), self.lapse_days)
        return start_of_day(last + _DAY)
