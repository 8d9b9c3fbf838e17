"""When each level of being overdue is reached, and other alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.followups.domain.escalation import EscalationPolicy, days_overdue, is_unacknowledged
from services.followups.domain.evolution import evolve
from services.followups.domain.facts import (
    CameDueSoon,
    ExtensionRefused,
    Fact,
    FellOverdue,
    WentUnacknowledged,
)
from services.followups.domain.records import Followup, State
from shared.runtime.calendar import FRIDAY, THURSDAY, WorkingCalendar, start_of_day, tehran_date
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    BLOCKED,
    CLOSED,
    COMPLETED,
    DISPUTED,
    FRIDAYS_OFF,
    PROGRESSED,
    REOPENED,
    REQUESTED,
    SOON,
    VERIFIED,
    WATCHED,
    after,
    amended,
    followup,
    resolution,
    unhurried,
)

DAY = timedelta(days=1)
STEPS = {"normal": (0, 5, 10), "urgent": (0, 2, 4)}  # the documented default

# The calendar's own data reach over the years in which Iran still moved its clocks.
days = st.dates(date(2019, 1, 1), date(2030, 1, 1))


def overdues(facts: Sequence[Fact]) -> list[FellOverdue]:
    """Return these facts, all of which have to be levels."""
    levels = [fact for fact in facts if isinstance(fact, FellOverdue)]
    assert len(levels) == len(facts)
    return levels


def levels(facts: Sequence[Fact]) -> list[int]:
    """Return the levels of these facts, all of which have to be levels."""
    return [fact.level for fact in overdues(facts)]


@st.composite
def ladders(draw: st.DrawFn, around: date) -> EscalationPolicy:
    """Draw a policy with any weekend, and any holidays within some weeks of a date."""
    weekend = draw(st.sampled_from([frozenset({FRIDAY}), frozenset({THURSDAY, FRIDAY})]))
    offsets = draw(st.sets(st.integers(-10, 60)))
    calendar = WorkingCalendar(weekend, frozenset(around + n * DAY for n in offsets))
    return EscalationPolicy(calendar, soon_days=0)


@st.composite
def overdue(draw: st.DrawFn) -> tuple[EscalationPolicy, Followup, list[datetime]]:
    """Draw a follow-up, a policy, and the instants of sweeps, in order."""
    due_on = draw(days)
    before = st.none() | st.integers(-30, 30).map(lambda n: due_on + n * DAY)
    priority = draw(st.sampled_from(["normal", "urgent"]))
    current = followup(due_on=due_on, baseline_on=draw(before), priority=priority)
    minutes = draw(st.lists(st.integers(-5 * 1440, 120 * 1440), min_size=1, max_size=12))
    looks = [start_of_day(due_on) + timedelta(minutes=m) for m in sorted(minutes)]
    return draw(ladders(due_on)), current, looks


def levels_due(escalation: EscalationPolicy, followup: Followup, now: datetime) -> int:
    """Return the instant by counting the days one by one."""
    r = followup.resolution
    today, start = tehran_date(now), r.due_on
    if r.baseline_on is not None and r.baseline_on > start:
        start = r.baseline_on - DAY
    if today <= start:
        return 0
    gone = [start + n * DAY for n in range(1, (today - start).days)]
    worked = sum(escalation.calendar.is_working(day) for day in gone)
    return sum(worked >= step for step in STEPS[r.priority])


@unhurried
@given(overdue())
def test_levels_come_in_order_each_once_and_exactly_when_their_working_days_have_passed(
    case: tuple[EscalationPolicy, Followup, list[datetime]],
) -> None:
    escalation, current, looks = case
    announced: list[int] = []
    for now in looks:
        facts = overdues(escalation.passed(current, now))
        assert all(f.at == now and f.due_on == current.resolution.due_on for f in facts)
        for fact in facts:
            current = evolve(current, fact)
        announced += levels(facts)
        assert announced == list(range(1, levels_due(escalation, current, now) + 1))


@unhurried
@given(overdue())
def test_the_next_alert_is_the_very_instant_of_the_next_level(
    case: tuple[EscalationPolicy, Followup, list[datetime]],
) -> None:
    escalation, current, _ = case
    for level in (1, 2, 3):
        alert = escalation.next_alert(current)
        assert alert is not None
        assert escalation.passed(current, alert - timedelta(milliseconds=1)) == []
        fact = overdues(escalation.passed(current, alert))[0]
        assert fact.level == level
        current = evolve(current, fact)
    assert escalation.next_alert(current) is None
    assert escalation.passed(current, datetime(2060, 1, 1, tzinfo=UTC)) == []


def at(year: int, month: int, day: int) -> datetime:
    """Return 00:00 in Tehran."""
    return start_of_day(date(year, month, day))


def test_over_nowruz_only_working_days_count() -> None:
    """27 Esfand 1402; 29 Esfand, 1 to 4 and 12 and 13 Farvardin are holidays."""
    escalation = EscalationPolicy(WorkingCalendar.iran(), soon_days=0)
    current = followup(due_on=date(2024, 3, 17))
    reached = [escalation.reached_at(current, level) for level in (1, 2, 3)]
    assert reached == [at(2024, 3, 18), at(2024, 3, 28), at(2024, 4, 5)]
    urgent = followup(due_on=date(2024, 3, 17), priority="urgent")
    reached = [escalation.reached_at(urgent, level) for level in (1, 2, 3)]
    assert reached == [at(2024, 3, 18), at(2024, 3, 25), at(2024, 3, 27)]


def test_where_thursdays_are_off_they_do_not_count() -> None:
    escalation = EscalationPolicy(WorkingCalendar.iran(thursday_off=True))
    current = followup(due_on=date(2024, 3, 17))
    assert escalation.reached_at(current, 3) == at(2024, 4, 8)


def test_a_day_is_over_at_midnight_in_tehran() -> None:
    current = followup(due_on=date(2024, 1, 1))
    midnight = datetime(2024, 1, 1, 20, 30, tzinfo=UTC)
    assert FRIDAYS_OFF.passed(current, midnight - timedelta(milliseconds=1)) == []
    assert levels(FRIDAYS_OFF.passed(current, midnight)) == [1]


def test_levels_of_an_older_resolution_count_from_its_baseline() -> None:
    current = followup(due_on=date(2023, 11, 1), baseline_on=date(2024, 1, 1))
    assert FRIDAYS_OFF.passed(current, at(2024, 1, 1) - timedelta(milliseconds=1)) == []
    (first,) = overdues(FRIDAYS_OFF.passed(current, at(2024, 1, 1)))
    assert (first.level, first.due_on, first.days_overdue) == (1, date(2023, 11, 1), 61)
    assert FRIDAYS_OFF.reached_at(current, 2) == at(2024, 1, 7)  # 5 January is a Friday


def test_a_baseline_before_the_due_date_changes_nothing() -> None:
    late, usual = followup(baseline_on=date(2023, 10, 1)), followup()
    for level in (1, 2, 3):
        assert FRIDAYS_OFF.reached_at(late, level) == FRIDAYS_OFF.reached_at(usual, level)


LONG_AFTER = at(2025, 1, 1)


@pytest.mark.parametrize(
    ("current", "escalated"),
    [
        (followup(), True),
        (after(ACKNOWLEDGED), True),
        (after(DISPUTED), True),
        (after(ACKNOWLEDGED, PROGRESSED), True),
        (after(ACKNOWLEDGED, BLOCKED), True),
        (after(ACKNOWLEDGED, COMPLETED), False),
        (after(ACKNOWLEDGED, COMPLETED, REOPENED), True),
        (after(ACKNOWLEDGED, COMPLETED, VERIFIED), False),
        (after(CLOSED), False),
    ],
    ids=[*State],
)
def test_only_what_waits_for_the_deputy_escalates(current: Followup, escalated: bool) -> None:
    assert levels(FRIDAYS_OFF.passed(current, LONG_AFTER)) == [1, 2, 3] * escalated
    assert (FRIDAYS_OFF.next_alert(current) is not None) is escalated


def test_a_new_due_date_starts_at_level_0_and_a_former_one_at_its_level() -> None:
    first, second = date(2024, 1, 1), date(2024, 2, 1)
    current = after(FellOverdue(at(2024, 1, 2), 1, first, 1))
    current = evolve(current, amended(resolution(due_on=second)))
    assert levels(FRIDAYS_OFF.passed(current, LONG_AFTER)) == [1, 2, 3]
    current = evolve(current, FellOverdue(at(2024, 2, 2), 1, second, 1))
    current = evolve(current, FellOverdue(at(2024, 2, 8), 2, second, 7))
    current = evolve(current, amended(resolution(due_on=first)))
    assert levels(FRIDAYS_OFF.passed(current, LONG_AFTER)) == [2, 3]
    current = evolve(current, amended(resolution(due_on=second)))
    assert levels(FRIDAYS_OFF.passed(current, LONG_AFTER)) == [3]


# -- that a due date is near --------------------------------------------------------------------


def test_a_due_date_is_announced_as_near_once() -> None:
    """1 January 2024 is a Monday; the third working day before it is a Thursday."""
    current, near = followup(), at(2023, 12, 28)
    assert SOON.next_alert(current) == near
    assert SOON.passed(current, near - timedelta(milliseconds=1)) == []
    assert SOON.passed(current, near) == [CameDueSoon(near, date(2024, 1, 1))]
    current = evolve(current, CameDueSoon(near, date(2024, 1, 1)))
    assert SOON.passed(current, near) == []
    assert SOON.next_alert(current) == at(2024, 1, 2)


def test_a_past_due_date_is_not_announced_as_near() -> None:
    assert levels(SOON.passed(followup(), at(2024, 1, 2))) == [1]


def test_an_older_overdue_resolution_is_never_near() -> None:
    current = followup(due_on=date(2023, 11, 1), baseline_on=date(2024, 1, 1))
    assert SOON.next_alert(current) == at(2024, 1, 1)
    assert levels(SOON.passed(current, at(2024, 1, 1))) == [1]


def test_each_new_due_date_is_announced_as_near() -> None:
    current = after(CameDueSoon(at(2023, 12, 28), date(2024, 1, 1)))
    current = evolve(current, amended(resolution(due_on=date(2024, 2, 1))))
    assert SOON.next_alert(current) == at(2024, 1, 29)
    current = evolve(current, amended(resolution(due_on=date(2024, 1, 1))))
    assert SOON.next_alert(current) == at(2024, 1, 2)


@unhurried
@given(overdue(), st.integers(1, 20))
def test_the_same_is_announced_however_often_sweeps_run(
    case: tuple[EscalationPolicy, Followup, list[datetime]], soon_days: int
) -> None:
    """Late sweeps omit that it is near, but no level; repeated sweeps repeat nothing."""
    escalation, current, looks = case
    escalation = EscalationPolicy(escalation.calendar, soon_days=soon_days)
    often: list[Fact] = []
    seen = current
    for now in looks:
        for fact in escalation.passed(seen, now):
            seen = evolve(seen, fact)
            often.append(fact)
        assert escalation.passed(seen, now) == []
        assert (alert := escalation.next_alert(seen)) is None or alert > now
    slept = [f for f in escalation.passed(current, looks[-1]) if isinstance(f, FellOverdue)]
    woken = [f for f in often if isinstance(f, FellOverdue)]
    assert levels(woken) == levels(slept)
    assert sum(isinstance(f, CameDueSoon) for f in often) <= 1


# -- that nobody takes note ---------------------------------------------------------------------


def watched(opened_at: datetime, **changes: Any) -> Followup:
    """Return a follow-up opened at an instant, with the last day to acknowledge it."""
    current = followup(**changes)
    last = WATCHED.acknowledge_by(current.resolution, opened_at)
    return replace(current, opened_at=opened_at, acknowledge_by=last)


def test_it_has_to_be_acknowledged_within_some_working_days() -> None:
    """Monday 16 October 2023: the fourth working day after it is Saturday 21."""
    opened_at = datetime(2023, 10, 16, 9, 0, tzinfo=UTC)
    current, past = watched(opened_at), at(2023, 10, 22)
    assert current.acknowledge_by == date(2023, 10, 21)
    assert WATCHED.next_alert(current) == past
    assert WATCHED.passed(current, past - timedelta(milliseconds=1)) == []
    assert not is_unacknowledged(current, past - timedelta(milliseconds=1))
    fact = WentUnacknowledged(past, date(2023, 10, 21))
    assert WATCHED.passed(current, past) == [fact]
    after_it = evolve(current, fact)
    assert is_unacknowledged(after_it, past)
    assert WATCHED.passed(after_it, past) == []
    assert WATCHED.next_alert(after_it) == at(2023, 12, 28)


def test_days_are_those_of_tehran() -> None:
    """21:00 UTC of the 16th is 00:30 of the 17th in Tehran."""
    current = watched(datetime(2023, 10, 16, 21, 0, tzinfo=UTC))
    assert current.acknowledge_by == date(2023, 10, 22)


@pytest.mark.parametrize("taken_note", [ACKNOWLEDGED, DISPUTED, CLOSED])
def test_a_missed_acknowledgement_is_not_announced_after_it_or_an_end(taken_note: Fact) -> None:
    current = evolve(watched(datetime(2023, 10, 16, 9, 0, tzinfo=UTC)), taken_note)
    assert not is_unacknowledged(current, LONG_AFTER)
    passed = WATCHED.passed(current, LONG_AFTER)
    assert not [fact for fact in passed if isinstance(fact, WentUnacknowledged)]


def test_the_days_to_acknowledge_count_from_the_baseline() -> None:
    opened_at = datetime(2023, 10, 16, 9, 0, tzinfo=UTC)
    late = watched(opened_at, baseline_on=date(2023, 11, 4))  # a Saturday, and the first day
    assert late.acknowledge_by == date(2023, 11, 7)
    assert watched(opened_at, baseline_on=date(2023, 10, 1)).acknowledge_by == date(2023, 10, 21)


def test_without_a_limit_nothing_is_announced() -> None:
    """Follow-ups that an earlier version opened have no limit."""
    opened_at = datetime(2023, 10, 16, 9, 0, tzinfo=UTC)
    assert FRIDAYS_OFF.acknowledge_by(resolution(), opened_at) is None
    assert levels(WATCHED.passed(followup(), LONG_AFTER)) == [1, 2, 3]
    assert not is_unacknowledged(followup(), LONG_AFTER)


def test_everything_that_is_due_is_announced_at_once() -> None:
    first, *late = WATCHED.passed(watched(datetime(2023, 10, 16, 9, 0, tzinfo=UTC)), LONG_AFTER)
    assert isinstance(first, WentUnacknowledged)
    assert levels(late) == [1, 2, 3]


# -- while more time is asked for ---------------------------------------------------------------


def test_escalation_pauses_while_an_extension_is_open_and_goes_on_when_it_lapses() -> None:
    current = after(ACKNOWLEDGED, REQUESTED)
    lapses_at = REQUESTED.lapses_at
    assert FRIDAYS_OFF.next_alert(current) == lapses_at
    assert FRIDAYS_OFF.passed(current, lapses_at - timedelta(milliseconds=1)) == []
    assert FRIDAYS_OFF.passed(current, lapses_at) == [
        ExtensionRefused(lapses_at, None, date(2024, 2, 1), None)
    ]
    lapsed, *late = FRIDAYS_OFF.passed(current, LONG_AFTER)
    assert isinstance(lapsed, ExtensionRefused)
    assert levels(late) == [1, 2, 3]


@unhurried
@given(days, st.integers(0, 2**31))
def test_days_overdue_are_the_calendar_days_past_the_due_date(due_on: date, seconds: int) -> None:
    now = start_of_day(due_on) + timedelta(seconds=seconds)
    assert days_overdue(due_on, now) == (tehran_date(now) - due_on).days
    assert days_overdue(due_on, start_of_day(due_on) - timedelta(seconds=seconds + 1)) == 0
