"""The time axis of a timeline: where an instant is drawn, and which days are labelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from services.followups.domain.records import ENDED
from services.followups.domain.timeline import Timeline
from shared.contracts.days import from_jalali
from shared.runtime.calendar import jalali_date_short, jalali_month, start_of_day, to_jalali

RIGHT: Final = 976.0
LEFT: Final = 24.0
DAY: Final = timedelta(days=1)

_MOST_TICKS: Final = 12


@dataclass(frozen=True, slots=True)
class Axis:
    """The position of each instant: the first on the right, the last on the left."""

    begins: datetime
    ends: datetime

    def x(self, at: datetime) -> float:
        """The position of an instant; instants beyond the axis are at its ends."""
        share = (at - self.begins) / (self.ends - self.begins)
        return RIGHT - min(1.0, max(0.0, share)) * (RIGHT - LEFT)

    def end_of(self, day: date) -> float:
        """The position of the end of a day: a due date is met until then."""
        return self.x(start_of_day(day + DAY))


def axis_of(life: Timeline, now: datetime) -> Axis:
    """An axis for everything that is drawn of a follow-up at an instant (UTC)."""
    followup = life.followup
    instants = [followup.opened_at, followup.changed_at]
    if followup.state not in ENDED:
        instants.append(now)
    due = [followup.original_due_on, followup.resolution.due_on]
    due += [day for move in life.due_moves for day in (move.before, move.after)]
    if followup.request is not None:
        instants.append(followup.request.lapses_at)
        due.append(followup.request.due_on)
    instants += [start_of_day(day + DAY) for day in due]
    begins, ends = min(instants), max(instants)
    span = max(ends - begins, 2 * DAY)
    return Axis(begins - span / 50, begins + span + span / 50)


def labelled_days(begins: date, ends: date) -> Iterator[tuple[date, str]]:
    """Days with their labels, few enough to read: single days, or the first days of months."""
    days = (ends - begins).days + 1
    if days <= 4 * _MOST_TICKS:
        step = -(-days // _MOST_TICKS)
        for number in range(0, days, step):
            day = begins + number * DAY
            yield day, jalali_date_short(day)
        return
    first, last = to_jalali(begins), to_jalali(ends)
    months = (last.year - first.year) * 12 + last.month - first.month
    least = -(-(months + 1) // _MOST_TICKS)
    step = next((step for step in (1, 2, 3, 4, 6, 12) if step >= least), -(-least // 12) * 12)
    first_month = first.year * 12 + first.month - 1
    for number in range(-(-first_month // step) * step, first_month + months + 1, step):
        day = from_jalali(number // 12, number % 12 + 1, 1)
        yield day, jalali_month(day)
