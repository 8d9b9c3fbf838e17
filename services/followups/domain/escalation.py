"""The ladder of escalation: when which level of being overdue is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache

from services.followups.domain.records import (
    ENDED,
    WAITS_FOR_THE_DEPUTY,
    CameDueSoon,
    ExtensionRefused,
    Fact,
    FellOverdue,
    Followup,
    Priority,
    Resolution,
    State,
    WentUnacknowledged,
)
from shared.runtime.calendar import WorkingCalendar, start_of_day, tehran_date

_DAY = timedelta(days=1)
_DEFAULT_STEPS: Mapping[Priority, tuple[int, ...]] = {"normal": (0, 5, 10), "urgent": (0, 2, 4)}


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """After how many working days each level is reached, and which days are working days.

    A follow-up is overdue from 00:00 Asia/Tehran of the day after its due date. Level n is reached
    when the n-th number of `steps` of working days has passed since then, whole days counted.
    """

    calendar: WorkingCalendar
    steps: Mapping[Priority, tuple[int, ...]] = field(default_factory=lambda: _DEFAULT_STEPS)
    soon_days: int = 3  # working days before a due date on which it is said to be near; 0: never
    acknowledge_days: int = 3  # working days that a deputy has to take note; 0: without a limit

    def reached_at(self, followup: Followup, level: int) -> datetime:
        """The instant (UTC) at which a level, from 1, is reached."""
        resolution = followup.resolution
        start = resolution.due_on
        if resolution.baseline_on is not None:
            start = max(start, resolution.baseline_on - _DAY)
        passed = self.steps[resolution.priority][level - 1]
        return start_of_day(self.calendar.after(start, passed) + _DAY)

    def soon_at(self, followup: Followup) -> datetime | None:
        """The instant (UTC) at which a due date is near; None where that was told, or is late."""
        resolution = followup.resolution
        due_on, baseline = resolution.due_on, resolution.baseline_on
        told = followup.level > 0 or due_on in followup.due_soon_for
        if told or not self.soon_days or (baseline is not None and baseline > due_on):
            return None
        day = self.calendar.before(due_on, self.soon_days)
        return start_of_day(day if baseline is None else max(day, baseline))

    def acknowledge_by(self, resolution: Resolution, opened_at: datetime) -> date | None:
        """The last day (Asia/Tehran) to take note of what is opened at an instant (UTC).

        None where there is no limit. No day before the baseline counts.
        """
        if not self.acknowledge_days:
            return None
        baseline = resolution.baseline_on
        return _last_day(self.calendar, opened_at, baseline, self.acknowledge_days)

    def next_alert(self, followup: Followup) -> datetime | None:
        """The instant (UTC) at which time does something next, or None as things stand.

        A claim of being done waits for somebody else, so it is not escalated meanwhile; nor is
        what more time is asked for, until that is decided or lapses.
        """
        if followup.state not in WAITS_FOR_THE_DEPUTY:
            return None
        if followup.request is not None:
            return followup.request.lapses_at
        top = len(self.steps[followup.resolution.priority])
        level = None if followup.level >= top else self.reached_at(followup, followup.level + 1)
        last = _waited_until(followup)
        unacknowledged = None if last is None else start_of_day(last + _DAY)
        instants = (level, self.soon_at(followup), unacknowledged)
        return min((instant for instant in instants if instant is not None), default=None)

    def passed(self, followup: Followup, now: datetime) -> list[Fact]:
        """What time has done by `now` (UTC) that was not told yet, in order.

        That a due date is near is not told once it is past.
        """
        facts: list[Fact] = []
        if followup.state not in WAITS_FOR_THE_DEPUTY:
            return facts
        if followup.request is not None:
            if followup.request.lapses_at > now:
                return facts
            facts.append(ExtensionRefused(now, None, followup.request.due_on, None))
        last = _waited_until(followup)
        if last is not None and start_of_day(last + _DAY) <= now:
            facts.append(WentUnacknowledged(now, last))
        due_on = followup.resolution.due_on
        soon, overdue_at = self.soon_at(followup), self.reached_at(followup, 1)
        if soon is not None and soon <= now < overdue_at:
            facts.append(CameDueSoon(now, due_on))
        top = len(self.steps[followup.resolution.priority])
        for level in range(followup.level + 1, top + 1):
            if self.reached_at(followup, level) > now:
                break
            facts.append(FellOverdue(now, level, due_on, days_overdue(due_on, now)))
        return facts


@lru_cache(maxsize=256)
def _last_day(
    calendar: WorkingCalendar, opened_at: datetime, baseline: date | None, working_days: int
) -> date:
    # A batch opens thousands at one instant, and they all have the same last day.
    opened_on = tehran_date(opened_at)
    start = opened_on if baseline is None else max(opened_on, baseline - _DAY)
    return calendar.after(start, working_days)


def is_unacknowledged(followup: Followup, now: datetime) -> bool:
    """Whether the deputy has to take note still, and the last day to do so is past (`now`: UTC)."""
    last = followup.acknowledge_by
    return followup.state is State.OPENED and last is not None and last < tehran_date(now)


def _waited_until(followup: Followup) -> date | None:
    """The last day to take note; None where nobody waits for that, or that it passed was told."""
    waits = followup.state is State.OPENED and followup.unacknowledged_at is None
    return followup.acknowledge_by if waits else None


def days_late(followup: Followup, due_on: date, now: datetime) -> int:
    """Calendar days by which a follow-up, or what is due in it, is past a date at `now` (UTC).

    By the claim, where there is one; 0 where it ended otherwise.
    """
    if followup.claimed_at is not None:
        return days_overdue(due_on, followup.claimed_at)
    return 0 if followup.state in ENDED else days_overdue(due_on, now)


def days_overdue(due_on: date, now: datetime) -> int:
    """Calendar days past a due date at an instant (UTC), in Asia/Tehran; 0 where it is not past."""
    return max(0, (tehran_date(now) - due_on).days)
