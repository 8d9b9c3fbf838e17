"""The oracle, against levels that were counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from tools.demo.actions import Action
from tools.demo.actors import deputy_of, governor_of
from tools.demo.oracle import ExpectedFollowup, expect, level_reached_at
from tools.demo.script import Resolution, Script, write_script
from tools.demo.workdays import WorkDays, in_tehran

DAYS = WorkDays()


@pytest.fixture(scope="module")
def script() -> Script:
    return write_script(1402, 1)


def expected(script: Script, *actions: Action, urgent: bool = False) -> ExpectedFollowup:
    """What the oracle expects of one resolution, approved Monday 14 Aug 2023, due Monday 28 Aug."""
    session = script.sessions[0]
    only: Resolution = replace(
        session.resolutions[0], due_on=date(2023, 8, 28), urgent=urgent, actions=actions
    )
    one = replace(script, sessions=(replace(session, resolutions=(only,)),))
    return expect(one).followups[only.resolution_id]


def action(day: date, kind: str) -> Action:
    by = deputy_of("civil") if kind in {"acknowledge", "complete"} else governor_of("IR-09")
    return Action(in_tehran(day, time(13, 30)), by, kind)  # type: ignore[arg-type]  # a Kind


@pytest.mark.parametrize(
    ("urgent", "level", "day"),
    [
        (False, 1, date(2023, 8, 29)),  # the day after
        (False, 2, date(2023, 9, 4)),  # Tue, Wed, Thu, (Fri), Sat, Sun are five
        (False, 3, date(2023, 9, 11)),  # (Arbaeen on Wed 6 Sep and Fri 8 Sep): ends Sun 10 Sep
        (True, 2, date(2023, 8, 31)),
        (True, 3, date(2023, 9, 3)),
    ],
)
def test_levels_fall_on_the_days_counted_by_hand(urgent: bool, level: int, day: date) -> None:
    at = level_reached_at(date(2023, 8, 28), level, DAYS, urgent=urgent)
    assert at == datetime.combine(day, time.min, UTC) - timedelta(hours=3, minutes=30)


def test_one_that_nobody_touches_climbs_to_the_top(script: Script) -> None:
    followup = expected(script)
    assert [entry.level for entry in followup.history] == [0, 1, 2, 3]
    assert [entry.days_overdue for entry in followup.history] == [0, 1, 7, 14]
    assert (followup.state, followup.level, followup.is_open) == ("opened", 3, True)


def test_one_that_is_done_in_time_is_never_overdue(script: Script) -> None:
    followup = expected(
        script,
        action(date(2023, 8, 16), "acknowledge"),
        action(date(2023, 8, 26), "complete"),
        action(date(2023, 9, 30), "verify"),
    )
    assert [entry.name for entry in followup.history] == [
        "FollowupOpened",
        "FollowupAcknowledged",
        "FollowupCompleted",
        "FollowupVerified",
    ]
    assert not followup.is_open


def test_one_that_is_reopened_late_reaches_at_once_the_levels_it_passed_meanwhile(
    script: Script,
) -> None:
    reopened = action(date(2023, 9, 6), "reopen")
    followup = expected(
        script,
        action(date(2023, 8, 16), "acknowledge"),
        action(date(2023, 8, 26), "complete"),
        reopened,
    )
    levels = [(entry.level, entry.at) for entry in followup.history if entry.level]
    assert levels[:2] == [(1, reopened.at), (2, reopened.at)]
    assert levels[2] == (3, in_tehran(date(2023, 9, 11)))
    assert followup.claimed_at is None


def test_the_nearest_worked_day_stays_in_the_week_from_saturday_to_friday() -> None:
    assert DAYS.nearest_in_week(date(2023, 8, 14)) == date(2023, 8, 14)
    nowruz = date(2024, 3, 20)  # Wed; the holidays go on until Sat, Tue is one too
    assert DAYS.nearest_in_week(nowruz) == date(2024, 3, 18)
