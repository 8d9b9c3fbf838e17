"""The laws of a season: each province once, one session per week, on working days, no gaps."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.domain.decisions import Invalid
from services.scheduler.domain.records import Gathering
from services.scheduler.domain.seasons import plan
from shared.runtime.calendar import FRIDAY, THURSDAY, WorkingCalendar, jalali_date, tehran_date
from tests.unit.scheduler.examples import CODES, LEAD, season

WEDNESDAY = 2
_SATURDAY = 5
_WEEK = timedelta(days=7)
_IRAN = WorkingCalendar.iran()

unhurried = settings(deadline=None)  # a shared machine may be slow
days = st.dates(date(2023, 1, 1), date(2026, 1, 1))


def saturday_of(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(days=(day.weekday() - _SATURDAY) % 7)


def held_on(planned: list[Gathering]) -> list[date]:
    return [tehran_date(gathering.starts_at) for gathering in planned]


@st.composite
def years(draw: st.DrawFn) -> tuple[date, WorkingCalendar]:
    """A day to start on, and any holidays from then on that leave each week its Wednesday."""
    starts_on = draw(days)
    weekend = draw(st.sampled_from([frozenset({FRIDAY}), frozenset({THURSDAY, FRIDAY})]))
    numbers = draw(st.sets(st.integers(-6, 31 * 7), max_size=60))
    holidays = {starts_on + timedelta(days=number) for number in numbers}
    return starts_on, WorkingCalendar(weekend, {d for d in holidays if d.weekday() != WEDNESDAY})


@unhurried
@given(st.permutations(CODES), years())
def test_each_province_meets_exactly_once_and_in_its_turn(
    order: list[str], year: tuple[date, WorkingCalendar]
) -> None:
    starts_on, calendar = year
    planned = plan(season(provinces=tuple(order), starts_on=starts_on), calendar, LEAD)
    assert [gathering.provinces for gathering in planned] == [(code,) for code in order]


@unhurried
@given(years())
def test_there_is_one_session_a_week_and_no_week_without(
    year: tuple[date, WorkingCalendar],
) -> None:
    starts_on, calendar = year
    weeks = [saturday_of(day) for day in held_on(plan(season(starts_on=starts_on), calendar, LEAD))]
    assert weeks == [saturday_of(starts_on) + n * _WEEK for n in range(len(CODES))]


@unhurried
@given(years())
def test_sessions_are_held_on_the_nearest_working_day_of_their_week(
    year: tuple[date, WorkingCalendar],
) -> None:
    starts_on, calendar = year
    for number, day in enumerate(held_on(plan(season(starts_on=starts_on), calendar, LEAD))):
        wanted = starts_on + number * _WEEK
        week = [saturday_of(wanted) + timedelta(days=n) for n in range(7)]
        worked = [other for other in week if calendar.is_working(other)]
        assert day in worked
        assert abs(day - wanted) == min(abs(other - wanted) for other in worked)


@unhurried
@given(days, st.times(), st.integers(1, 1_440))
def test_each_begins_at_the_same_time_in_tehran_and_its_report_is_due_before(
    starts_on: date, of_day: time, minutes: int
) -> None:
    at = of_day.replace(second=0, microsecond=0)
    year = season(starts_on=starts_on, starts_at_time=at, minutes=minutes)
    for gathering in plan(year, WorkingCalendar(), LEAD):
        local = gathering.starts_at + timedelta(hours=3, minutes=30)  # Iran's offset since 2023
        assert local.time() == at
        assert gathering.ends_at - gathering.starts_at == timedelta(minutes=minutes)
        assert gathering.report_due_at == gathering.starts_at - timedelta(hours=72)


def test_the_season_of_1402_ends_on_21_esfand() -> None:
    planned = plan(season(), _IRAN, LEAD)
    assert len(planned) == 31
    assert tehran_date(planned[0].starts_at) == date(2023, 8, 14)
    last = tehran_date(planned[-1].starts_at)
    assert last == date(2024, 3, 11)
    assert jalali_date(last) == "دوشنبه ۲۱ اسفند ۱۴۰۲"
    assert planned[-1].starts_at == datetime(2024, 3, 11, 5, 30, tzinfo=UTC)


def test_a_session_is_named_after_its_season_and_province() -> None:
    planned = {gathering.session_id: gathering for gathering in plan(season(), _IRAN, LEAD)}
    mashhad = planned["1402-IR-09"]
    assert mashhad.title == "نشست تخصصی استان خراسان رضوی"
    assert (mashhad.kind, mashhad.season) == ("provincial", "1402")


@pytest.mark.parametrize(
    ("holidays", "held"),
    [
        ({date(2023, 8, 14)}, date(2023, 8, 15)),  # of two equally near days the later
        ({date(2023, 8, 14), date(2023, 8, 15)}, date(2023, 8, 13)),
        ({date(2023, 8, n) for n in (13, 14, 15, 16)}, date(2023, 8, 12)),
        ({date(2023, 8, n) for n in (12, 13, 14, 15, 16)}, date(2023, 8, 17)),
    ],
)
def test_a_holiday_moves_a_session_within_its_week(holidays: set[date], held: date) -> None:
    planned = plan(season(), WorkingCalendar(holidays=holidays), LEAD)
    assert held_on(planned)[:2] == [held, date(2023, 8, 21)]


def test_a_session_never_moves_into_another_week() -> None:
    friday = date(2023, 8, 18)
    holidays = {friday - timedelta(days=n) for n in range(1, 5)}
    planned = plan(season(starts_on=friday), WorkingCalendar(holidays=holidays), LEAD)
    assert held_on(planned)[0] == date(2023, 8, 13)  # though Saturday, the 19th, is nearer


def test_a_week_without_a_working_day_is_refused() -> None:
    holidays = {date(2023, 8, 19) + timedelta(days=n) for n in range(7)}
    with pytest.raises(Invalid, match="2023-08-19") as refused:
        plan(season(), WorkingCalendar(holidays=holidays), LEAD)
    assert [fault.field for fault in refused.value.faults] == ["starts_on"]


@pytest.mark.parametrize(
    ("provinces", "detail"),
    [
        (CODES[1:], "missing: IR-00"),
        ((*CODES, "IR-30"), "named twice: IR-30"),
        ((*CODES[1:], "IR-99"), "missing: IR-00; unknown: IR-99"),
        ((), "missing: IR-00, IR-01"),
    ],
)
def test_a_season_without_each_province_once_is_refused(
    provinces: tuple[str, ...], detail: str
) -> None:
    with pytest.raises(Invalid, match=detail) as refused:
        plan(season(provinces=provinces), _IRAN, LEAD)
    assert [fault.field for fault in refused.value.faults] == ["provinces"]
