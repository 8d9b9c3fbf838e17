"""The rows of a table of scorecards: order and titles."""

from __future__ import annotations

from datetime import date
from typing import get_args

from services.followups.domain.scorecard_table import scorecard_table
from services.followups.domain.scores import By
from shared.contracts.events.sessions import SessionKind
from shared.contracts.reference import AXES, PROVINCES

ON = date(2024, 3, 1)
ONE = {"state:opened": 1, "age:2024-02-20": 1}
GONE = {"state:opened": 0, "age:2024-02-20": 0}


def test_every_kind_of_gathering_has_a_name() -> None:
    rows = scorecard_table(By.GATHERING, ON, [("civil", {})]).rows
    assert {row.id for row in rows} == set(get_args(SessionKind))


def test_provinces_and_axes_have_their_row_from_the_first_day() -> None:
    provinces = scorecard_table(By.PROVINCE, ON, [("civil", {})])
    assert [(r.id, r.title_fa, r.title_en) for r in provinces.rows] == [
        (p.code, p.name_fa, p.name_en) for p in PROVINCES
    ]
    axes = scorecard_table(By.AXIS, ON, [("civil", {})])
    assert [row.id for row in axes.rows] == [axis.id for axis in AXES]
    assert {row.card.total for row in (*provinces.rows, *axes.rows)} == {0}
    assert scorecard_table(By.SEASON, ON, [("civil", {})]).rows == ()


def test_unknown_subjects_follow_and_the_row_without_a_subject_is_last() -> None:
    counts = {"": ONE, "x-own": ONE, "crisis": ONE, "b-gone": GONE}
    found = scorecard_table(By.AXIS, ON, [("civil", counts), ("crisis", {"crisis": ONE})])
    (*known, own, none) = found.rows
    assert [row.id for row in known] == [axis.id for axis in AXES]
    assert (own.id, own.title_fa, own.title_en) == ("x-own", "x-own", "x-own")
    assert (none.id, none.title_fa) == (None, "بدون محور")
    assert {row.id: row.card.total for row in found.rows if row.card.total} == {
        "crisis": 2,
        "x-own": 1,
        None: 1,
    }
    assert found.total.total == 4


def test_only_deputies_whose_database_answered_have_rows() -> None:
    counts = [("crisis", {"": ONE}), ("own", {}), ("civil", {"": {"state:verified": 2}})]
    found = scorecard_table(By.DEPUTY, ON, counts, ["social"])
    assert [(r.id, r.title_fa, r.card.total) for r in found.rows] == [
        ("crisis", "سازمان مدیریت بحران", 1),
        ("own", "own", 0),
        ("civil", "معاونت عمرانی", 2),
    ]
    assert (found.total.total, found.partial) == (3, ("social",))


def test_seasons_are_shown_with_persian_digits() -> None:
    (row,) = scorecard_table(By.SEASON, ON, [("civil", {"1402": ONE})]).rows
    assert (row.id, row.title_fa, row.title_en) == ("1402", "۱۴۰۲", "1402")


def test_the_median_of_all_is_of_all_follow_ups_not_of_medians() -> None:
    young = {"state:opened": 3, "age:2024-02-29": 3}
    old = {"state:opened": 1, "age:2023-02-28": 1}
    total = scorecard_table(By.DEPUTY, ON, [("civil", {"": young}), ("crisis", {"": old})]).total
    assert total.median_age_days == 1
