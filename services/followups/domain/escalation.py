"""Escalation: when a due date is near, and when each level of being overdue is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache

from services.followups.domain.facts import (
    CameDueSoon,
    ExtensionRefused,
    Fact,
    FellOverdue,
    WentUnacknowledged,
)
from services.followups.domain.records import (
    ENDED,
    WAITS_FOR_THE_DEPUTY,
    Followup,
    Priority,
    Resolution,
    State,
)
from shared.runtime.calendar import WorkingCalendar, start_of_day, tehran_date

_DAY = timedelta(days=1)
_DEFAULT_STEPS: Mapping[Priority, tuple[int, ...]] = {"normal": (0, 5, 10), "urgent": (0, 2, 4)}


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """After how many working days each level is reached, and which days are working days.

    A follow-up is overdue from 00:00 Asia/Tehran of the day after its due date. Level n is reached
    when as many whole working days have passed since then as the n-th number of `steps` says.
    """

    calendar: WorkingCalendar
    steps: Mapping[Priority, tuple[int, ...]] = field(default_factory=lambda: _DEFAULT_STEPS)
    soon_days: int = 3  # working days before a due date on which it is near; 0: never
    acknowledge_days: int = 3  # working days in which a deputy has to take note; 0: no limit

    def reached_at(self, followup: Followup, level: int) -> datetime:
        """Return the instant (UTC) at which a level, from 1, is reached."""
        resolution = followup.resolution
        start = resolution.due_on
        if resolution.baseline_on is not None:
            start = max(start, resolution.baseline_on - _DAY)
        passed = self.steps[resolution.priority][level - 1]
        return start_of_day(self.calendar.after(start, passed) + _DAY)

    def soon_at(self, followup: Followup) -> datetime | None:
        """Return the instant (UTC) at which the due date is near.

        None if this was announced, or never will be.
        """
        resolution = followup.resolution
        due_on, baseline = resolution.due_on, resolution.baseline_on
        is_announced = followup.level > 0 or due_on in followup.due_soon_for
        if is_announced or not self.soon_days or (baseline is not None and baseline > due_on):
            return None
        day = self.calendar.before(due_on, self.soon_days)
        return start_of_day(day if baseline is None else max(day, baseline))

    def acknowledge_by(self, resolution: Resolution, opened_at: datetime) -> date | None:
        """Return the last day (Asia/Tehran) to take note of what is opened at an instant (UTC).

        None if there is no limit. No day before the baseline counts.
        """
        if not self.acknowledge_days:
            return None
        baseline = resolution.baseline_on
        return _last_day(self.calendar, opened_at, baseline, self.acknowledge_days)

    def next_alert(self, followup: Followup) -> datetime | None:
        """Return the instant (UTC) of the next alert, or None if there is none at present.

        Nothing escalates while a claim waits for confirmation, or while a request for an extension
        is open.
        """
        if followup.state not in WAITS_FOR_THE_DEPUTY:
            return None
        if followup.request is not None:
            return followup.request.lapses_at
        top = len(self.steps[followup.resolution.priority])
        level = None if followup.level >= top else self.reached_at(followup, followup.level + 1)
        last = _acknowledge_by(followup)
        unacknowledged = None if last is None else start_of_day(last + _DAY)
        instants = (level, self.soon_at(followup), unacknowledged)
        return min((instant for instant in instants if instant is not None), default=None)

    def passed(self, followup: Followup, now: datetime) -> list[Fact]:
        """Return the facts that are due by `now` (UTC) and not announced yet, in order.

        Once a due date is past, it is no longer announced as near.
        """
        facts: list[Fact] = []
        if followup.state not in WAITS_FOR_THE_DEPUTY:
            return facts
        if followup.request is not None:
            if followup.request.lapses_at > now:
                return facts
            facts.append(ExtensionRefused(now, None, followup.request.due_on, None))
        last = _acknowledge_by(followup)
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
    # Cached: a batch may open thousands at one instant, all with the same last day.
    opened_on = tehran_date(opened_at)
    start = opened_on if baseline is None else max(opened_on, baseline - _DAY)
    return calendar.after(start, working_days)


def is_unacknowledged(followup: Followup, now: datetime) -> bool:
    """Whether the deputy has still not taken note at `now` (UTC), after the last day to do so."""
    last = followup.acknowledge_by
    return followup.state is State.OPENED and last is not None and last < tehran_date(now)


def _acknowledge_by(followup: Followup) -> date | None:
    """The last day to take note; None if this is done, or its passing was announced."""
    is_awaited = followup.state is State.OPENED and followup.unacknowledged_at is None
    return followup.acknowledge_by if is_awaited else None


def days_late(followup: Followup, due_on: date, now: datetime) -> int:
    """Return the calendar days by which a follow-up, or a part of it, is late at `now` (UTC).

    If it is claimed, the days are counted to the claim. 0 if it ended without a claim.
    """
    if followup.claimed_at is not None:
        return days_overdue(due_on, followup.claimed_at)
    return 0 if followup.state in ENDED else days_overdue(due_on, now)


def days_overdue(due_on: date, now: datetime) -> int:
    """Return the calendar days (Asia/Tehran) past a due date at `now` (UTC), at least 0."""
    return max(0, (tehran_date(now) - due_on).days)
