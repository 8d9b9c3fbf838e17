"""The file of announced holidays, which corrects those that the library expects."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from shared.runtime.calendar import WorkingCalendar
from shared.runtime.official_holidays import (
    BadHolidaysFile,
    OfficialHolidays,
    Overrides,
    read_overrides,
)

EXPECTED_EID = date(2024, 4, 10)
ORDINARY = date(2024, 3, 11)

JSON = '{"added": ["2024-03-11"], "removed": ["2024-04-10"]}'
TOML = "added = [2024-03-11]\nremoved = ['2024-04-10']\n"


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "text"), [("holidays.json", JSON), ("holidays.toml", TOML)])
def test_a_file_adds_and_removes_holidays(tmp_path: Path, name: str, text: str) -> None:
    path = written(tmp_path, name, text)
    assert read_overrides(path) == Overrides(frozenset({ORDINARY}), frozenset({EXPECTED_EID}))
    calendar = WorkingCalendar.iran(overrides=path)
    assert not calendar.is_working(ORDINARY)
    assert calendar.is_working(EXPECTED_EID)
    assert calendar.after(date(2024, 3, 10), 1) == date(2024, 3, 12)


def test_without_a_file_the_library_decides() -> None:
    holidays = OfficialHolidays()
    assert EXPECTED_EID in holidays
    assert ORDINARY not in holidays


def test_a_removed_holiday_on_a_friday_stays_a_day_off(tmp_path: Path) -> None:
    friday = date(2023, 7, 28)  # Ashura 1445
    path = written(tmp_path, "h.json", '{"removed": ["2023-07-28"]}')
    assert not WorkingCalendar.iran(overrides=path).is_working(friday)


@pytest.mark.parametrize(
    "day",
    [
        "1402/12/21",
        "۱۴۰۲/۱۲/۲۱",
        "١٤٠٢/١٢/٢١",
        " ۱۴۰۲/۱۲/۲۱\u200f",
        "2024-03-11",
    ],
)
@pytest.mark.parametrize("form", ['{{"added": ["{}"]}}', "added = ['{}']"])
def test_a_day_is_a_gregorian_or_a_jalali_one_in_digits_of_any_script(
    tmp_path: Path, day: str, form: str
) -> None:
    name = "h.json" if form.startswith("{") else "h.toml"
    path = written(tmp_path, name, form.format(day))
    assert read_overrides(path).added == {ORDINARY}


def test_the_leading_zeros_of_a_jalali_day_are_optional(tmp_path: Path) -> None:
    path = written(tmp_path, "h.json", '{"added": ["1405/2/1"], "removed": ["۱۴۰۳/۱۲/۳۰"]}')
    assert read_overrides(path) == Overrides(
        frozenset({date(2026, 4, 21)}), frozenset({date(2025, 3, 20)})
    )


def test_a_day_in_both_calendars_is_one_day(tmp_path: Path) -> None:
    path = written(tmp_path, "h.json", '{"added": ["2024-03-11"], "removed": ["1402/12/21"]}')
    with pytest.raises(BadHolidaysFile, match="2024-03-11 is both added and removed"):
        read_overrides(path)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    for name, text in (("h.json", JSON), ("h.toml", TOML)):
        assert read_overrides(written(tmp_path, name, f"\ufeff{text}")).added == {ORDINARY}


def test_an_empty_file_corrects_nothing(tmp_path: Path) -> None:
    assert read_overrides(written(tmp_path, "h.toml", "")) == Overrides()


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("h.json", "{", "Expecting property name"),
        ("h.toml", "added = [", "Invalid"),
        ("h.yaml", "added: []", "neither .json nor .toml"),
        ("h.json", '["2024-03-11"]', "not an object"),
        ("h.json", '{"add": []}', "'add' is neither"),
        ("h.json", '{"added": "2024-03-11"}', "`added` is not a list"),
        ("h.json", '{"added": ["2024-02-30"]}', "2024-02-30 is no day of the Gregorian calendar"),
        ("h.json", '{"added": ["1405-02-10"]}', "is written 1405/02/10; it would be 2026-04-30"),
        ("h.toml", "added = [1405-02-10]", "is written 1405/02/10; it would be 2026-04-30"),
        ("h.json", '{"added": ["۱۴۰۲-۱۲-۲۱"]}', "is written 1402/12/21; it would be 2024-03-11"),
        ("h.json", '{"added": ["1402.12.21"]}', "is written 1402/12/21; it would be 2024-03-11"),
        ("h.json", '{"added": ["2024/03/11"]}', "2024/03/11 has to be written as 2024-03-11"),
        ("h.json", '{"added": ["۲۰۲۴-۰۳-۱۱"]}', "has to be written as 2024-03-11"),
        ("h.json", '{"added": ["2024-3-11"]}', "has to be written as 2024-03-11"),
        ("h.json", '{"added": ["1404/12/30"]}', "Esfand 1404 has 29 days"),
        ("h.json", '{"added": ["1405/07/31"]}', "Mehr 1405 has 30 days"),
        ("h.json", '{"added": ["1405/13/01"]}', "is no day of the Jalali calendar"),
        ("h.json", '{"added": ["0224-04-10"]}', "from 1900 to 2199"),
        ("h.toml", "added = [0224-04-10]", "from 1900 to 2199"),
        ("h.json", '{"added": ["10/02/1405"]}', "such as 2024-03-11 or 1402/12/21"),
        ("h.json", '{"added": ["20240311"]}', "such as 2024-03-11 or 1402/12/21"),
        ("h.json", '{"added": ["2024-W11-1"]}', "such as 2024-03-11 or 1402/12/21"),
        ("h.json", '{"added": ["2024-03-11T00:00:00"]}', "such as 2024-03-11 or 1402/12/21"),
        ("h.json", '{"added": ["نوروز"]}', "such as 2024-03-11 or 1402/12/21"),
        ("h.json", '{"added": [""]}', "holds '': it must be one"),
        ("h.json", '{"removed": [20240311]}', "20240311, which is no day"),
        ("h.json", '{"removed": [true]}', "True, which is no day"),
        ("h.json", '{"removed": [null]}', "None, which is no day"),
        ("h.json", '{"removed": [["2024-03-11"]]}', "which is no day"),
        ("h.toml", "added = [2024-03-11T10:00:00]", "which is no day"),
        ("h.json", '{"added": [], "added": ["2024-03-11"]}', "a name is there twice"),
        ("h.json", "[" * 100_000, "too deep"),
        (
            "h.json",
            '{"added": ["2024-03-11"], "removed": ["2024-03-11"]}',
            "both added and removed",
        ),
    ],
)
def test_the_refusal_of_a_file_is_one_line(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(BadHolidaysFile) as caught:
        read_overrides(path)
    message = str(caught.value)
    assert complaint in message
    assert str(path) in message
    assert "\n" not in message


def test_a_missing_file_and_a_binary_one(tmp_path: Path) -> None:
    with pytest.raises(BadHolidaysFile, match="No such file"):
        read_overrides(tmp_path / "nowhere.json")
    (tmp_path / "h.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadHolidaysFile, match="not UTF-8"):
        read_overrides(tmp_path / "h.json")
