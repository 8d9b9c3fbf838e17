"""The settings of follow-ups, from the variables to the escalation policy."""

from __future__ import annotations

import os
from datetime import date

import pytest

from services.followups.app import escalation_policy_of
from services.followups.settings import FollowupsSettings
from shared.runtime.calendar import WorkingCalendar, start_of_day
from shared.runtime.settings import load
from tests.unit.followups.examples import followup, resolution


@pytest.fixture(autouse=True)
def development(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove our variables, except those that a service needs to start."""
    for name in [name for name in os.environ if name.startswith("PEYGIR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PEYGIR_ENV", "development")


def test_levels_by_default() -> None:
    settings = load(FollowupsSettings)
    assert settings.levels_normal == (0, 5, 10)
    assert settings.levels_urgent == (0, 2, 4)


@pytest.mark.parametrize("name", ["LEVELS_NORMAL", "LEVELS_URGENT"])
@pytest.mark.parametrize(
    ("written", "read"),
    [("1,2,3", (1, 2, 3)), (" 0 , 10, 1000 ", (0, 10, 1_000)), ("0,7,14", (0, 7, 14))],
)
def test_levels_are_three_numbers(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, read: tuple[int, int, int]
) -> None:
    monkeypatch.setenv(f"PEYGIR_{name}", written)
    assert getattr(load(FollowupsSettings), name.lower()) == read


@pytest.mark.parametrize("name", ["LEVELS_NORMAL", "LEVELS_URGENT"])
@pytest.mark.parametrize(
    "written",
    [
        *("5,0,10", "0,5,5", "-1,5,10", "0,5", "0,5,10,15", "0,5,10,", "0,5.5,10", "0,five,10"),
        *("[0,5,10]", ",", "0;5;10", "0,5,1001", "0,5,99999", "۰,۵,۱۰", "0,5,1e1"),
    ],
)
def test_wrong_levels_give_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, written: str
) -> None:
    monkeypatch.setenv(f"PEYGIR_{name}", written)
    with pytest.raises(SystemExit) as stopped:
        load(FollowupsSettings)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        f"PEYGIR_{name}: allowed are three whole numbers of working days, each higher than the "
        f"one before, from 0 to 1000, such as 0,5,10, not {written!r}\n"
    )


def test_the_days_in_which_a_deputy_takes_note(monkeypatch: pytest.MonkeyPatch) -> None:
    saturday = start_of_day(date(2023, 10, 14))
    calendar = WorkingCalendar.iran()

    def last() -> date | None:
        escalation = escalation_policy_of(load(FollowupsSettings), calendar)
        return escalation.acknowledge_by(resolution(), saturday)

    assert last() == date(2023, 10, 17)
    monkeypatch.setenv("PEYGIR_ACKNOWLEDGE_DAYS", "1")
    assert last() == date(2023, 10, 15)
    monkeypatch.setenv("PEYGIR_ACKNOWLEDGE_DAYS", "0")
    assert last() is None


@pytest.mark.parametrize("written", ["-1", "101", "۳", "three", "3.5"])
def test_a_wrong_number_of_days_gives_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], written: str
) -> None:
    monkeypatch.setenv("PEYGIR_ACKNOWLEDGE_DAYS", written)
    with pytest.raises(SystemExit) as stopped:
        load(FollowupsSettings)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("PEYGIR_ACKNOWLEDGE_DAYS: ")
    assert error.count("\n") == 1


def test_the_escalation_policy_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEYGIR_LEVELS_NORMAL", "1,2,9")
    monkeypatch.setenv("PEYGIR_LEVELS_URGENT", "0,1,3")
    escalation = escalation_policy_of(load(FollowupsSettings), WorkingCalendar.iran())
    saturday = date(2023, 10, 14)  # the only holiday after it is Friday, the 20th

    def reached(priority: str) -> list[date]:
        late = followup(due_on=saturday, priority=priority)
        days = {start_of_day(date(2023, 10, day)): date(2023, 10, day) for day in range(15, 30)}
        return [days[escalation.reached_at(late, level)] for level in (1, 2, 3)]

    assert reached("normal") == [date(2023, 10, 16), date(2023, 10, 17), date(2023, 10, 25)]
    assert reached("urgent") == [date(2023, 10, 15), date(2023, 10, 16), date(2023, 10, 18)]
