"""The file by which announced holidays correct what the library expects."""

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
        ("h.json", '{"added": ["2024-02-30"]}', "'2024-02-30', which is no date"),
        ("h.json", '{"added": ["۱۴۰۲-۱۲-۲۱"]}', "which is no date"),
        ("h.json", '{"removed": [20240311]}', "20240311, which is no date"),
        ("h.toml", "added = [2024-03-11T10:00:00]", "which is no date"),
        (
            "h.json",
            '{"added": ["2024-03-11"], "removed": ["2024-03-11"]}',
            "both added and removed",
        ),
    ],
)
def test_a_wrong_file_is_told_in_one_line(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(BadHolidaysFile) as caught:
        read_overrides(path)
    told = str(caught.value)
    assert complaint in told
    assert str(path) in told
    assert "\n" not in told


def test_a_missing_file_and_a_binary_one(tmp_path: Path) -> None:
    with pytest.raises(BadHolidaysFile, match="No such file"):
        read_overrides(tmp_path / "nowhere.json")
    (tmp_path / "h.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadHolidaysFile, match="not UTF-8"):
        read_overrides(tmp_path / "h.json")
