"""Scorecards: under which names follow-ups are counted, and what the counts say."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from typing import Final, TypeAlias

from services.followups.domain.records import ENDED, OPEN, Followup, Resolution, State
from shared.runtime.calendar import tehran_date, to_jalali

LEVELS: Final = (1, 2, 3)

Counted: TypeAlias = tuple[str, str, str]
"""The key of a count: a subject, the day (ISO 8601, Asia/Tehran) of the change, and a name."""


class By(StrEnum):
    """The kinds of subjects that have scorecards."""

    DEPUTY = "deputy"
    PROVINCE = "province"
    AXIS = "axis"
    GATHERING = "gathering"  # the kind of session that approved
    SEASON = "season"  # the Jalali year of the approval


# -- counting --------------------------------------------------------------------------------

_AGE: Final = "age:"
_EXTENDED: Final = "extended:"
_STATES: Final = {state: f"state:{state}" for state in State}


def names(followup: Followup) -> tuple[str, ...]:
    """Return the names under which a follow-up is counted; every measure is a sum of such counts.

    `state:` its state · `overdue:` its level, if it is open and past due · `age:` the day
    (Asia/Tehran) of its approval, if it is open · `on-time`, if it is verified and was claimed on
    or before the original due date · `extended:` the number of its extensions, if any.
    """
    return _names(followup, tehran_date(followup.resolution.approved_at))


def _names(followup: Followup, approved_on: date) -> tuple[str, ...]:
    counted = [_STATES[followup.state]]
    if followup.state not in ENDED:
        counted.append(_AGE + approved_on.isoformat())
        if followup.level:
            counted.append(f"overdue:{followup.level}")
    elif _is_on_time(followup):
        counted.append("on-time")
    if followup.extensions:
        counted.append(f"{_EXTENDED}{len(followup.extensions)}")
    return tuple(counted)


def subjects(resolution: Resolution) -> tuple[str, ...]:
    """Return the subjects on whose scorecards a follow-up is counted: one of each kind."""
    r = resolution
    return _subjects(r.province, r.axis, r.session_kind, tehran_date(r.approved_at))


def tally(
    steps: Iterable[tuple[Followup | None, Followup]], own: str | None = None
) -> Counter[Counted]:
    """Return by how much steps from one version to the next change the counts.

    Each step counts on the day of its change. Counts that stay the same are left out. If `own` is
    given, only versions that belong to this deputy are counted.
    """
    groups: Counter[tuple[_Group, date]] = Counter()  # in a batch, many steps are alike
    for before, after in steps:
        changed_on = tehran_date(after.changed_at)
        if before is not None and (own is None or own == before.deputy):
            groups[_group(before), changed_on] -= 1
        if own is None or own == after.deputy:
            groups[_group(after), changed_on] += 1
    total: Counter[Counted] = Counter()
    for ((group_subjects, group_names), changed_on), change in groups.items():
        day = changed_on.isoformat()
        for subject in group_subjects:
            for name in group_names:
                total[subject, day, name] += change
    return Counter({key: change for key, change in total.items() if change})


_Group: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]  # subjects and names


def _group(followup: Followup) -> _Group:
    r = followup.resolution
    approved_on = tehran_date(r.approved_at)
    return _subjects(r.province, r.axis, r.session_kind, approved_on), _names(followup, approved_on)


def _is_on_time(followup: Followup) -> bool:
    if followup.state is not State.VERIFIED or followup.claimed_at is None:
        return False
    return tehran_date(followup.claimed_at) <= followup.original_due_on


@lru_cache(maxsize=10_000)
def _subjects(
    province: str | None, axis: str | None, session_kind: str | None, approved_on: date
) -> tuple[str, ...]:
    season = to_jalali(approved_on).year
    return (
        By.DEPUTY.value,
        f"{By.PROVINCE}|{province or ''}",
        f"{By.AXIS}|{axis or ''}",
        f"{By.GATHERING}|{session_kind or ''}",
        f"{By.SEASON}|{season}",
    )


# -- scorecards ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The measures of a set of follow-ups."""

    total: int
    open: int
    overdue: tuple[int, int, int]  # open ones, by level: 1, 2, 3
    verified: int
    on_time: int  # verified ones that were claimed on or before the original due date
    extensions: int  # granted, in total
    median_age_days: float | None  # of open ones, since approval; None: none is open

    @property
    def ended(self) -> int:
        return self.total - self.open

    @property
    def closed(self) -> int:
        """Ended with another outcome than done."""
        return self.ended - self.verified

    @property
    def overdue_in_all(self) -> int:
        return sum(self.overdue)

    @property
    def in_time(self) -> int:
        """Open, and not overdue."""
        return self.open - self.overdue_in_all

    @property
    def verified_share(self) -> float | None:
        """The share of all, to four places; None if there are none."""
        return _share(self.verified, self.total)

    @property
    def on_time_share(self) -> float | None:
        """The share of the verified ones, to four places; None if there are none."""
        return _share(self.on_time, self.verified)


def scorecard(counts: Mapping[str, int], on: date) -> Scorecard:
    """Return the scorecard of counts by name, at the end of a day (Asia/Tehran)."""
    approved: list[tuple[str, int]] = []  # one pair per day of approval
    extensions = 0
    for name, count in counts.items():
        if name.startswith(_AGE):
            if count > 0:
                approved.append((name[len(_AGE) :], count))
        elif name.startswith(_EXTENDED):
            extensions += int(name[len(_EXTENDED) :]) * count
    one, two, three = (counts.get(f"overdue:{level}", 0) for level in LEVELS)
    return Scorecard(
        total=sum(counts.get(name, 0) for name in _STATES.values()),
        open=sum(counts.get(_STATES[state], 0) for state in OPEN),
        overdue=(one, two, three),
        verified=counts.get(_STATES[State.VERIFIED], 0),
        on_time=counts.get("on-time", 0),
        extensions=extensions,
        median_age_days=_median_age(approved, on),
    )


def merged(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Add up counts by name. Scorecards cannot be added: a median needs all counts."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


def _median_age(approved: Sequence[tuple[str, int]], on: date) -> float | None:
    """Return the median of the days since approval, given the days (ISO 8601) and their counts.

    For an even number it is the mean of the two in the middle.
    """
    ordered = sorted(approved)
    cumulative = list(accumulate(count for _, count in ordered))
    if not cumulative:
        return None
    number = cumulative[-1]
    middle = ((number - 1) // 2, number // 2)  # positions from 0, the youngest last
    days = [ordered[bisect_right(cumulative, position)][0] for position in middle]
    return sum(max(0, (on - date.fromisoformat(day)).days) for day in days) / 2


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
