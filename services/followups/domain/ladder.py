"""The ladder of escalation: when which level of being overdue is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from services.followups.domain.records import WAITS_FOR_THE_DEPUTY, FellOverdue, Followup, Priority
from shared.runtime.calendar import WorkingCalendar, start_of_day, tehran_date

_DAY = timedelta(days=1)
_DEFAULT_STEPS: Mapping[Priority, tuple[int, ...]] = {"normal": (0, 5, 10), "urgent": (0, 2, 4)}


@dataclass(frozen=True, slots=True)
class Ladder:
    """After how many working days each level is reached, and which days are working days.

    A follow-up is overdue from 00:00 Asia/Tehran of the day after its due date. Level n is reached
    when the n-th number of `steps` of working days has passed since then, whole days counted.
    """

    calendar: WorkingCalendar
    steps: Mapping[Priority, tuple[int, ...]] = field(default_factory=lambda: _DEFAULT_STEPS)

    def reached_at(self, followup: Followup, level: int) -> datetime:
        """The instant (UTC) at which a level, from 1, is reached."""
        resolution = followup.resolution
        start = resolution.due_on
        if resolution.baseline_on is not None:
            start = max(start, resolution.baseline_on - _DAY)
        passed = self.steps[resolution.priority][level - 1]
        return start_of_day(self.calendar.after(start, passed) + _DAY)

    def next_alert(self, followup: Followup) -> datetime | None:
        """The instant (UTC) of the next level, or None where none comes as things stand.

        A claim of being done waits for somebody else, so it is not escalated meanwhile.
        """
        top = len(self.steps[followup.resolution.priority])
        if followup.state not in WAITS_FOR_THE_DEPUTY or followup.level >= top:
            return None
        return self.reached_at(followup, followup.level + 1)

    def passed(self, followup: Followup, now: datetime) -> list[FellOverdue]:
        """The levels reached by `now` (UTC) that were not announced yet, in order."""
        facts: list[FellOverdue] = []
        top = len(self.steps[followup.resolution.priority])
        if followup.state not in WAITS_FOR_THE_DEPUTY:
            return facts
        for level in range(followup.level + 1, top + 1):
            if self.reached_at(followup, level) > now:
                break
            due_on = followup.resolution.due_on
            facts.append(FellOverdue(now, level, due_on, days_overdue(due_on, now)))
        return facts


def days_overdue(due_on: date, now: datetime) -> int:
    """Calendar days past a due date at an instant (UTC), in Asia/Tehran; 0 where it is not past."""
    return max(0, (tehran_date(now) - due_on).days)
