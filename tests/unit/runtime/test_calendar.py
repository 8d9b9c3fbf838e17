"""Working days in Iran, and dates as people read them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.days import from_jalali
from shared.runtime.calendar import (
    FRIDAY,
    TEHRAN,
    THURSDAY,
    WorkingCalendar,
    jalali_date,
    jalali_date_short,
    jalali_datetime,
    jalali_datetime_short,
    start_of_day,
    tehran_date,
    to_jalali,
)
from shared.runtime.official_holidays import OfficialHolidays, Overrides

IRAN = WorkingCalendar.iran()
IRAN_WITHOUT_THURSDAYS = WorkingCalendar.iran(thursday_off=True)

days = st.dates(date(2000, 1, 1), date(2060, 12, 31))
instants = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
calendars = st.sampled_from([IRAN, IRAN_WITHOUT_THURSDAYS, WorkingCalendar()])


def working_days(calendar: WorkingCalendar, after: date, until: date) -> int:
    """The number of working days in (after, until]."""
    count = (until - after).days
    return sum(calendar.is_working(after + timedelta(n)) for n in range(1, count + 1))


@given(calendars, days, st.integers(0, 60))
def test_after_counts_exactly_that_many_working_days(
    calendar: WorkingCalendar, day: date, count: int
) -> None:
    result = calendar.after(day, count)
    assert working_days(calendar, day, result) == count


@given(calendars, days, st.integers(1, 60))
def test_after_ends_on_a_working_day(calendar: WorkingCalendar, day: date, count: int) -> None:
    assert calendar.is_working(calendar.after(day, count))


@given(calendars, days, st.integers(0, 30), st.integers(0, 30))
def test_after_adds_up(calendar: WorkingCalendar, day: date, first: int, then: int) -> None:
    assert calendar.after(calendar.after(day, first), then) == calendar.after(day, first + then)


@given(days)
def test_no_working_days_after_a_day_is_the_day_itself(day: date) -> None:
    assert IRAN.after(day, 0) == day


def test_days_before_are_not_counted() -> None:
    with pytest.raises(ValueError, match="forward"):
        IRAN.after(date(2024, 3, 11), -1)


def test_the_calendar_ends_with_the_year_9999() -> None:
    with pytest.raises(OverflowError):
        IRAN.after(date(9999, 12, 30), 5)


def test_a_week_of_weekends_is_refused() -> None:
    with pytest.raises(ValueError, match="working day"):
        WorkingCalendar(frozenset(range(7)))


@given(days)
def test_fridays_are_never_worked(day: date) -> None:
    if day.weekday() == FRIDAY:
        assert not IRAN.is_working(day)


@given(days)
def test_thursdays_are_off_if_configured(day: date) -> None:
    if day.weekday() == THURSDAY:
        assert not IRAN_WITHOUT_THURSDAYS.is_working(day)
    else:
        assert IRAN_WITHOUT_THURSDAYS.is_working(day) == IRAN.is_working(day)


@pytest.mark.parametrize("year", [1402, 1403])
@pytest.mark.parametrize("day", [1, 2, 3, 4, 12, 13])
def test_nowruz_is_a_holiday(year: int, day: int) -> None:
    assert not IRAN.is_working(from_jalali(year, 1, day))


@pytest.mark.parametrize("year", [1402, 1403])
def test_work_begins_on_the_fifth_of_farvardin_unless_it_is_a_friday(year: int) -> None:
    first = from_jalali(year, 1, 5)
    assert IRAN.is_working(first)


@pytest.mark.parametrize(
    ("day", "occasion"),
    [
        (date(2024, 2, 11), "Victory of the revolution, 22 Bahman 1402"),
        (date(2024, 3, 19), "Nationalisation of oil, 29 Esfand 1402"),
        (date(2023, 6, 4), "14 Khordad 1402"),
        (date(2023, 7, 27), "Tasua 1445, 5 Mordad 1402"),
        (date(2024, 4, 10), "Eid al-Fitr 1445, 22 Farvardin 1403"),
        (date(2025, 3, 20), "The leap day, 30 Esfand 1403"),
    ],
)
def test_official_holidays_are_not_worked(day: date, occasion: str) -> None:
    assert not IRAN.is_working(day), occasion


def test_the_last_planned_session_was_on_a_working_day() -> None:
    assert IRAN.is_working(date(2024, 3, 11))


def test_five_working_days_over_nowruz() -> None:
    # 28 Esfand 1402; then 29 Esfand and 1-4 Farvardin off, of them one a Friday.
    assert IRAN.after(date(2024, 3, 18), 5) == from_jalali(1403, 1, 9)


@pytest.mark.parametrize(
    ("jalali", "day", "weekday"),
    [
        ((1402, 12, 21), date(2024, 3, 11), "دوشنبه"),
        ((1402, 3, 22), date(2023, 6, 12), "دوشنبه"),
        ((1402, 1, 1), date(2023, 3, 21), "سه‌شنبه"),
        ((1403, 1, 1), date(2024, 3, 20), "چهارشنبه"),
        ((1403, 12, 30), date(2025, 3, 20), "پنجشنبه"),
    ],
)
def test_known_days(jalali: tuple[int, int, int], day: date, weekday: str) -> None:
    assert from_jalali(*jalali) == day
    shown = to_jalali(day)
    assert (shown.year, shown.month, shown.day) == jalali
    assert jalali_date(day).startswith(f"{weekday} ")


def test_a_common_year_has_no_thirtieth_of_esfand() -> None:
    with pytest.raises(ValueError, match="day"):
        from_jalali(1402, 12, 30)


@given(st.dates(date(1925, 1, 1), date(2200, 12, 31)))
def test_the_jalali_calendar_there_and_back(day: date) -> None:
    jalali = to_jalali(day)
    assert from_jalali(jalali.year, jalali.month, jalali.day) == day


@given(days)
def test_consecutive_days_are_consecutive_in_the_jalali_calendar(day: date) -> None:
    today, tomorrow = to_jalali(day), to_jalali(day + timedelta(1))
    next_day = (tomorrow.year, tomorrow.month, tomorrow.day) > (today.year, today.month, today.day)
    assert next_day
    assert tomorrow.day in {today.day + 1, 1}


def test_a_day_in_words_and_in_figures() -> None:
    assert jalali_date(date(2024, 3, 11)) == "دوشنبه ۲۱ اسفند ۱۴۰۲"
    assert jalali_date_short(date(2024, 3, 11)) == "۱۴۰۲/۱۲/۲۱"
    assert jalali_date_short(date(2023, 6, 5)) == "۱۴۰۲/۰۳/۱۵"


def test_an_instant_in_words_and_in_figures_is_in_tehrans_time() -> None:
    moment = datetime(2024, 3, 11, 6, 0, tzinfo=UTC)
    assert jalali_datetime(moment) == "دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۰۹:۳۰"
    assert jalali_datetime_short(moment) == "۱۴۰۲/۱۲/۲۱ ۰۹:۳۰"


def test_late_in_the_evening_it_is_tomorrow_in_tehran() -> None:
    assert tehran_date(datetime(2024, 3, 10, 20, 29, 59, tzinfo=UTC)) == date(2024, 3, 10)
    assert tehran_date(datetime(2024, 3, 10, 20, 30, tzinfo=UTC)) == date(2024, 3, 11)


@pytest.mark.parametrize("show", [tehran_date, jalali_datetime, jalali_datetime_short])
def test_an_instant_without_a_time_zone_is_refused(show: object) -> None:
    assert callable(show)
    with pytest.raises(ValueError, match="time zone"):
        show(datetime(2024, 3, 11))  # noqa: DTZ001


@given(days)
def test_a_day_begins_when_its_date_begins(day: date) -> None:
    start = start_of_day(day)
    assert start.tzinfo is UTC
    assert tehran_date(start) == day
    assert tehran_date(start - timedelta(microseconds=1)) == day - timedelta(1)


@given(instants)
def test_an_instant_is_within_its_day(instant: datetime) -> None:
    day = tehran_date(instant)
    assert start_of_day(day) <= instant < start_of_day(day + timedelta(1))


@pytest.mark.parametrize(
    ("moment", "offset"),
    [
        (datetime(2022, 3, 21, 12, tzinfo=UTC), timedelta(hours=3, minutes=30)),
        (datetime(2022, 6, 1, 12, tzinfo=UTC), timedelta(hours=4, minutes=30)),  # the last summer
        (datetime(2022, 9, 22, 12, tzinfo=UTC), timedelta(hours=3, minutes=30)),
        (datetime(2023, 6, 1, 12, tzinfo=UTC), timedelta(hours=3, minutes=30)),
        (datetime(2024, 6, 1, 12, tzinfo=UTC), timedelta(hours=3, minutes=30)),
    ],
)
def test_tehran_has_had_no_summer_time_since_2022(moment: datetime, offset: timedelta) -> None:
    assert moment.astimezone(TEHRAN).utcoffset() == offset


def test_the_day_that_began_at_one_o_clock() -> None:
    # On 1 Farvardin 1401 the clocks went from 24:00 to 01:00.
    assert start_of_day(date(2022, 3, 22)) == datetime(2022, 3, 21, 20, 30, tzinfo=UTC)
    assert start_of_day(date(2022, 3, 23)) == datetime(2022, 3, 22, 19, 30, tzinfo=UTC)


def test_the_day_that_had_twenty_five_hours() -> None:
    # On 30 Shahrivar 1401 the clocks went from 24:00 back to 23:00.
    day = date(2022, 9, 21)
    length = start_of_day(day + timedelta(1)) - start_of_day(day)
    assert length == timedelta(hours=25)
    assert tehran_date(start_of_day(day + timedelta(1)) - timedelta(minutes=90)) == day


@pytest.mark.parametrize("day", [date(2023, 3, 22), date(2023, 9, 21), date(2026, 3, 22)])
def test_since_then_every_day_has_twenty_four(day: date) -> None:
    assert start_of_day(day + timedelta(1)) - start_of_day(day) == timedelta(hours=24)


def test_the_leap_day_is_counted_and_shown() -> None:
    leap_day = from_jalali(1403, 12, 30)
    assert jalali_date_short(leap_day) == "۱۴۰۳/۱۲/۳۰"
    assert from_jalali(1404, 1, 1) - leap_day == timedelta(1)
    assert from_jalali(1405, 1, 1) - from_jalali(1404, 12, 29) == timedelta(1), "no leap year"


@pytest.mark.parametrize("year", [1399, 1403, 1408, 1412, 1416, 1420])
def test_the_leap_years_as_they_are_proclaimed(year: int) -> None:
    assert to_jalali(from_jalali(year + 1, 1, 1) - timedelta(1)).day == 30


def test_a_corrected_lunar_holiday_changes_the_count() -> None:
    expected, announced = date(2024, 4, 10), date(2024, 4, 9)
    moved = WorkingCalendar(
        frozenset({FRIDAY}),
        OfficialHolidays(Overrides(frozenset({announced}), frozenset({expected}))),
    )
    assert IRAN.is_working(announced)
    assert not moved.is_working(announced)
    assert moved.is_working(expected)
    assert IRAN.after(date(2024, 4, 8), 1) == announced
    assert moved.after(date(2024, 4, 8), 1) == expected
