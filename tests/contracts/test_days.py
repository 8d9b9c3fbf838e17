"""Days and instants have one form; a message says which one was meant."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import jdatetime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.contracts.days import Misread, read_day, written_day
from shared.contracts.events.base import Day, Instant

DAY: TypeAdapter[date] = TypeAdapter(Day)
INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
SCRIPTS = ["0123456789", "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९"]

our_days = st.dates(date(1900, 4, 1), date(2199, 3, 1))
scripts = st.sampled_from(SCRIPTS)


def in_script(text: str, digits: str) -> str:
    return text.translate(str.maketrans("0123456789", digits))


def message_of(adapter: TypeAdapter[Any], value: Any) -> str:
    """The message for a refused value, which is the same from JSON and from Python."""
    with pytest.raises(ValidationError) as python:
        adapter.validate_python(value)
    with pytest.raises(ValidationError) as read:
        adapter.validate_json(json.dumps(value))
    (one,), (other,) = python.value.errors(), read.value.errors()
    assert (one["type"], one["msg"], one["loc"]) == (other["type"], other["msg"], other["loc"])
    return one["msg"]


@given(our_days)
def test_a_day_is_read_from_json_and_from_python(day: date) -> None:
    assert DAY.validate_json(json.dumps(day.isoformat())) == day
    assert DAY.validate_python(day.isoformat()) == DAY.validate_python(day) == day
    assert DAY.dump_json(day) == json.dumps(day.isoformat()).encode()


@given(st.datetimes(datetime(1900, 1, 2), datetime(2199, 12, 30)), st.integers(-839, 839))  # noqa: DTZ001
def test_an_instant_is_read_from_json_and_from_python(moment: datetime, minutes: int) -> None:
    there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for read in (
        INSTANT.validate_json(json.dumps(there.isoformat())),
        INSTANT.validate_python(there.isoformat()),
        INSTANT.validate_python(there),
    ):
        assert (read, read.tzinfo) == (there, UTC)


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


@given(numbers | st.none() | st.lists(numbers, max_size=2) | st.dictionaries(st.text(), numbers))
def test_only_text_can_be_a_date_in_json(value: Any) -> None:
    assert message_of(DAY, value) == "must be a day, such as 2024-03-11"
    assert message_of(INSTANT, value).startswith("must be an RFC 3339 time with an offset")


@given(st.integers().map(str) | st.floats().map(str) | st.sampled_from(["", " ", "true", "P1D"]))
def test_digits_alone_are_not_a_date(text: str) -> None:
    assert message_of(DAY, text) == "must be a day, such as 2024-03-11"
    assert message_of(INSTANT, text).startswith("must be an RFC 3339 time with an offset")


@pytest.mark.parametrize(
    "value",
    [
        datetime(2024, 3, 11, tzinfo=UTC),
        datetime(2024, 3, 11),  # noqa: DTZ001
        b"2024-03-11",
        1803686400,
        timedelta(days=19_000),
    ],
)
def test_no_other_value_of_python_is_a_day(value: Any) -> None:
    with pytest.raises(ValidationError, match="must be a day"):
        DAY.validate_python(value)


@pytest.mark.parametrize(
    "value",
    [date(2024, 3, 11), datetime(2024, 3, 11), b"2024-03-11T09:00:00Z", 1803686400],  # noqa: DTZ001
)
def test_no_other_value_of_python_is_an_instant(value: Any) -> None:
    with pytest.raises(ValidationError, match="must be an RFC 3339 time"):
        INSTANT.validate_python(value)


@given(st.text() | st.from_regex(r"\A.{4}-.{2}-.{2}\Z") | st.from_regex(r"\A[0-9]{4}-.{5}\Z"))
def test_text_of_any_other_form_is_not_a_day(text: str) -> None:
    try:
        read = read_day(text)
    except Misread:
        return
    assert re.fullmatch("(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}", text)
    assert read.isoformat() == text


@given(our_days, scripts, st.sampled_from("-/."), st.sampled_from(["", " ", "\u200f", "\u202b"]))
def test_the_message_for_a_jalali_day_has_the_gregorian_one(
    day: date, digits: str, separator: str, around: str
) -> None:
    jalali = jdatetime.date.fromgregorian(date=day)
    text = in_script(jalali.strftime(f"%Y{separator}%m{separator}%d"), digits)
    assert (
        message_of(DAY, f"{around}{text}{around}") == f"{text} is a Jalali day; it would be {day}"
    )


@given(our_days, scripts, st.sampled_from("-/."))
def test_the_message_for_another_form_of_a_day_has_the_right_one(
    day: date, digits: str, separator: str
) -> None:
    text = in_script(day.isoformat().replace("-", separator), digits)
    if text != day.isoformat():
        assert message_of(DAY, text) == f"{text} has to be written as {day}"


@given(st.integers(1279, 1577), st.integers(0, 99), st.integers(0, 99), scripts)
def test_the_message_says_if_a_jalali_day_does_not_exist(
    year: int, month: int, day: int, digits: str
) -> None:
    text = in_script(f"{year}-{month:02}-{day:02}", digits)
    try:
        meant = jdatetime.date(year, month, day).togregorian()
    except ValueError:
        assert message_of(DAY, text).startswith(f"{text} is no day of the Jalali calendar")
    else:
        assert message_of(DAY, text) == f"{text} is a Jalali day; it would be {meant}"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1405-10-30", "1405-10-30 is a Jalali day; it would be 2027-01-20"),
        ("۱۴۰۵/۱۰/۳۰", "۱۴۰۵/۱۰/۳۰ is a Jalali day; it would be 2027-01-20"),
        ("1405/1/2", "1405/1/2 is a Jalali day; it would be 2026-03-22"),
        ("1403-12-30", "1403-12-30 is a Jalali day; it would be 2025-03-20"),
        (
            "1404-12-30",
            "1404-12-30 is no day of the Jalali calendar: Esfand 1404 has 29 days",
        ),
        (
            "1403-12-31",
            "1403-12-31 is no day of the Jalali calendar: Esfand 1403 has 30 days",
        ),
        ("1405-07-31", "1405-07-31 is no day of the Jalali calendar: Mehr 1405 has 30 days"),
        ("1405-02-31", "1405-02-31 is a Jalali day; it would be 2026-05-21"),
        ("1405-13-01", "1405-13-01 is no day of the Jalali calendar"),
        ("2027/01/20", "2027/01/20 has to be written as 2027-01-20"),
        ("2027-1-20", "2027-1-20 has to be written as 2027-01-20"),
        ("2027\u201301\u201320", "2027\u201301\u201320 has to be written as 2027-01-20"),
        (" 2027-01-20", "2027-01-20 has to be written as 2027-01-20"),
        ("2023-02-29", "2023-02-29 is no day of the Gregorian calendar"),
        ("۲۰۲۳/۰۲/۲۹", "۲۰۲۳/۰۲/۲۹ is no day of the Gregorian calendar"),
        ("0001-01-01", "must be a year of the Gregorian calendar from 1900 to 2199"),
        ("2200-01-01", "must be a year of the Gregorian calendar from 1900 to 2199"),
        ("1803686400", "must be a day, such as 2024-03-11"),
        ("20270120", "must be a day, such as 2024-03-11"),
        ("14051030", "must be a day, such as 2024-03-11"),
        ("2027-W03-3", "must be a day, such as 2024-03-11"),
        ("20-01-2027", "must be a day, such as 2024-03-11"),
        ("2027-01/20", "must be a day, such as 2024-03-11"),
        ("2027-01-20T00:00:00Z", "must be a day, such as 2024-03-11"),
        ("2027-01-20\n", "must be a day, such as 2024-03-11"),
        ("امروز", "must be a day, such as 2024-03-11"),
    ],
)
def test_messages_for_days(text: str, answer: str) -> None:
    assert message_of(DAY, text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "1405-10-30T09:00:00+03:30",
            "1405-10-30T09:00:00+03:30 is of the Jalali calendar; "
            "it would be 2027-01-20T09:00:00+03:30",
        ),
        (
            "1405-02-31T09:00:00Z",
            "1405-02-31T09:00:00Z is of the Jalali calendar; it would be 2026-05-21T09:00:00Z",
        ),
        (
            "۱۴۰۵/۱۰/۳۰ ۰۹:۳۰",
            "۱۴۰۵/۱۰/۳۰ ۰۹:۳۰ is of the Jalali calendar; it would be 2027-01-20T09:30:00+03:30",
        ),
        (
            "1401-04-01T09:00",
            "1401-04-01T09:00 is of the Jalali calendar; it would be 2022-06-22T09:00:00+04:30",
        ),
        (
            "1404-12-30T09:00:00Z",
            "1404-12-30 is no day of the Jalali calendar: Esfand 1404 has 29 days",
        ),
        (
            "1405-10-30",
            "1405-10-30 is a Jalali day without a time; "
            "nine in Tehran would be 2027-01-20T09:00:00+03:30",
        ),
        (
            "2027-01-20",
            "2027-01-20 is a day without a time; nine in Tehran would be 2027-01-20T09:00:00+03:30",
        ),
        (
            "2027-01-20 09:00:00Z",
            "2027-01-20 09:00:00Z has to be written as 2027-01-20T09:00:00Z",
        ),
        (
            "۲۰۲۷-۰۱-۲۰T09:00+0330",
            "۲۰۲۷-۰۱-۲۰T09:00+0330 has to be written as 2027-01-20T09:00:00+03:30",
        ),
        (
            "2027-01-20T09:00:00",
            "2027-01-20T09:00:00 has no offset; in Tehran it would be 2027-01-20T09:00:00+03:30",
        ),
        ("2023-02-29T09:00:00Z", "2023-02-29 is no day of the Gregorian calendar"),
        ("0001-01-01T00:00:00Z", "must be a year of the Gregorian calendar from 1900 to 2199"),
        ("9999-12-31T23:59:59-14:00", "must be a year of the Gregorian calendar from 1900 to 2199"),
        (
            "1900-01-01T00:00:00+14:00",  # it is 1899 in UTC
            "must be a year of the Gregorian calendar from 1900 to 2199",
        ),
        ("2027-01-20T25:00:00Z", "must be an RFC 3339 time with an offset, such as "),
        ("2027-01-20T09:00:00+25:00", "must be an RFC 3339 time with an offset, such as "),
        ("2027-01-20T09:00:00 IRST", "must be an RFC 3339 time with an offset, such as "),
        ("1803686400", "must be an RFC 3339 time with an offset, such as "),
    ],
)
def test_messages_for_instants(text: str, answer: str) -> None:
    assert message_of(INSTANT, text).startswith(answer)


@given(st.text(max_size=40) | st.from_regex(r"\A\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ].{0,14})?\Z"))
def test_every_text_is_accepted_or_gets_a_message(text: str) -> None:
    try:
        read = read_day(text)
    except Misread as misread:
        message = str(misread)
        assert message
        assert "\n" not in message
    else:
        assert read.isoformat() == text
    try:
        instant = INSTANT.validate_python(text)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        assert "\n" not in message
    else:
        assert instant.tzinfo is UTC


def test_a_written_day_need_not_exist() -> None:
    written = written_day("۱۴۰۴/۱۲/۳۰")
    assert written is not None
    assert (written.year, written.month, written.day, written.separator) == (1404, 12, 30, "/")
    with pytest.raises(Misread):
        written.meant()
    assert written_day("1404-12/30") is None
