"""Counts of follow-ups, and that scorecards equal a recount of the follow-ups."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.followups.domain.evolution import evolve
from services.followups.domain.facts import Closed, Completed, Extended, Fact, FellOverdue
from services.followups.domain.records import ENDED, Followup, State
from services.followups.domain.scores import (
    By,
    Counted,
    Scorecard,
    merged,
    names,
    scorecard,
    subjects,
    tally,
)
from shared.runtime.calendar import tehran_date, to_jalali
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    APPROVER,
    COMPLETED,
    LATER,
    NOW,
    REOPENED,
    VERIFIED,
    after,
    followup,
    lives,
    resolution,
    steps,
    unhurried,
)

Steps = list[tuple[Followup | None, Followup]]
of_many = settings(unhurried, max_examples=30)  # each example has several lives


@st.composite
def orderly_lives(draw: st.DrawFn) -> list[Fact]:
    """Draw lives whose facts happen one after another."""
    life = draw(lives())
    instants = sorted(fact.at for fact in life)
    return [replace(fact, at=at) for fact, at in zip(life, instants, strict=True)]


def walked(life: list[Fact]) -> Steps:
    return [(before, now) for before, _fact, now in steps(life)]


def counts_of(total: Counter[Counted], subject: str, until: date | None = None) -> Counter[str]:
    """Return the counts of a subject at the end of a day."""
    counts: Counter[str] = Counter()
    for (of, day, name), count in total.items():
        if of == subject and (until is None or day <= until.isoformat()):
            counts[name] += count
    return counts


def stood(life: Steps, day: date) -> Followup | None:
    """Return a follow-up as it was at the end of a day."""
    until = [now for _, now in life if tehran_date(now.changed_at) <= day]
    return until[-1] if until else None


def recount(followups: Iterable[Followup], on: date) -> Scorecard:
    """Compute a scorecard from the follow-ups themselves."""
    all_ = list(followups)
    open_ = [f for f in all_ if f.state not in ENDED]
    verified = [f for f in all_ if f.state is State.VERIFIED]
    in_time = [
        f
        for f in verified
        if f.claimed_at is not None and tehran_date(f.claimed_at) <= f.original_due_on
    ]
    ages = [max(0, (on - tehran_date(f.resolution.approved_at)).days) for f in open_]
    one, two, three = (sum(f.level == level for f in open_) for level in (1, 2, 3))
    return Scorecard(
        total=len(all_),
        open=len(open_),
        overdue=(one, two, three),
        verified=len(verified),
        on_time=len(in_time),
        extensions=sum(len(f.extensions) for f in all_),
        median_age_days=float(statistics.median(ages)) if ages else None,
    )


def is_of(followup: Followup, subject: str) -> bool:
    r = followup.resolution
    season = str(to_jalali(tehran_date(r.approved_at)).year)
    own = {"province": r.province, "axis": r.axis, "gathering": r.session_kind, "season": season}
    kind, _, which = subject.partition("|")
    return kind == "deputy" or (own[kind] or "") == which


# -- laws ---------------------------------------------------------------------------------------


@unhurried
@given(lives())
def test_the_sum_of_all_changes_is_the_count_of_the_final_state(life: list[Fact]) -> None:
    walk = walked(life)
    end = walk[-1][1]
    total = tally(walk)
    expected = {(s, name): 1 for s in subjects(end.resolution) for name in names(end)}
    found: Counter[tuple[str, str]] = Counter()
    for (subject, _day, name), count in total.items():
        found[subject, name] += count
    assert {key: n for key, n in found.items() if n} == expected
    assert 0 not in total.values(), "what stays as it was takes no room"


@of_many
@given(st.lists(orderly_lives(), min_size=1, max_size=5), st.integers(-2, 1_200))
def test_the_counts_of_a_past_day_equal_a_recount(all_lives: list[list[Fact]], days: int) -> None:
    day = tehran_date(NOW) + timedelta(days=days)
    walks = [walked(life) for life in all_lives]
    total = tally(step for walk in walks for step in walk)
    standing = [f for walk in walks if (f := stood(walk, day)) is not None]
    for subject in {subject for subject, _, _ in total}:
        mine = [f for f in standing if is_of(f, subject)]
        assert scorecard(counts_of(total, subject, day), day) == recount(mine, day)


@of_many
@given(st.lists(orderly_lives(), min_size=1, max_size=4))
def test_the_scorecards_of_a_kind_add_up_to_the_total(all_lives: list[list[Fact]]) -> None:
    walks = [walked(life) for life in all_lives]
    total = tally(step for walk in walks for step in walk)
    on = date(2026, 1, 1)
    whole = recount([walk[-1][1] for walk in walks], on)
    for by in By:
        of_kind = {s for s, _, _ in total if s.partition("|")[0] == by}
        assert scorecard(merged(counts_of(total, s) for s in of_kind), on) == whole


@unhurried
@given(lives(), st.integers(1, 5))
def test_the_counts_do_not_depend_on_the_steps_per_transaction(life: list[Fact], size: int) -> None:
    walk = walked(life)
    parts: Counter[Counted] = Counter()
    for n in range(0, len(walk), size):
        parts.update(tally(walk[n : n + size]))
    assert {key: n for key, n in parts.items() if n} == tally(walk)


@given(st.lists(st.tuples(st.dates(date(2023, 1, 1), date(2024, 3, 1)), st.integers(0, 5))))
def test_the_median_is_that_of_the_ages(approved: list[tuple[date, int]]) -> None:
    on = date(2024, 3, 1)
    counts: Counter[str] = Counter()
    ages: list[int] = []
    for day, count in approved:
        counts[f"age:{day}"] += count
        ages += [(on - day).days] * count
    assert scorecard(counts, on).median_age_days == (statistics.median(ages) if ages else None)


# -- by example ---------------------------------------------------------------------------------


def test_an_overdue_follow_up_counts_at_its_level_until_it_ends() -> None:
    overdue = after(FellOverdue(LATER, 2, date(2024, 1, 1), 9))
    assert names(followup()) == ("state:opened", "age:2023-10-16")
    assert names(overdue) == ("state:opened", "age:2023-10-16", "overdue:2")
    closed = evolve(overdue, Closed(LATER, APPROVER, "superseded", None))
    assert names(closed) == ("state:closed",)
    assert tally([(overdue, closed)])["deputy", "2023-10-16", "overdue:2"] == -1
    assert tally([(overdue, overdue)]) == {}


@pytest.mark.parametrize(
    ("claimed_at", "on_time"),
    [
        (datetime(2024, 1, 1, 20, 29, 59, tzinfo=UTC), True),  # 23:59:59 in Tehran
        (datetime(2024, 1, 1, 20, 30, tzinfo=UTC), False),
    ],
)
def test_on_time_is_judged_by_the_original_due_date(claimed_at: datetime, on_time: bool) -> None:
    granted = Extended(LATER, "c.ahmadi", date(2024, 6, 1), date(2024, 1, 1), None)
    claimed = after(ACKNOWLEDGED, granted, Completed(claimed_at, "d.karimi", None))
    assert "on-time" not in names(claimed), "it is not confirmed yet"
    verified = evolve(claimed, replace(VERIFIED, at=claimed_at + timedelta(days=90)))
    assert ("on-time" in names(verified)) is on_time
    assert "extended:1" in names(verified)
    assert "on-time" not in names(evolve(verified, REOPENED))
    closed = evolve(claimed, Closed(LATER, APPROVER, "superseded", None))
    assert "on-time" not in names(closed)


def test_a_verification_without_the_instant_of_its_claim_is_not_on_time() -> None:
    """Documents of the first schema had no instant of the claim."""
    verified = replace(after(COMPLETED, VERIFIED), claimed_at=None)
    assert names(verified) == ("state:verified",)


def test_the_season_is_the_jalali_year_of_the_approval_in_tehran() -> None:
    eve = datetime(2024, 3, 19, 20, 29, 59, tzinfo=UTC)  # 23:59:59 of 29 Esfand 1402
    for approved_at, season in ((eve, "season|1402"), (eve + timedelta(seconds=1), "season|1403")):
        assert subjects(resolution(approved_at=approved_at))[-1] == season


def test_subjects_and_names_are_valid_field_names_in_mongodb() -> None:
    total = tally([(None, followup(axis="crisis", session_kind="visit"))])
    for subject, _day, name in total:
        assert not set("$.\0") & set(subject + name)


def test_shares_of_nothing_are_none() -> None:
    empty = scorecard({}, date(2024, 3, 1))
    assert (empty.total, empty.open, empty.ended, empty.in_time) == (0, 0, 0, 0)
    assert (empty.verified_share, empty.on_time_share, empty.median_age_days) == (None, None, None)


def test_all_measures_follow_from_the_counts() -> None:
    counts = {
        "state:opened": 3,
        "state:done": 1,
        "state:verified": 3,
        "state:closed": 2,
        "overdue:1": 1,
        "overdue:3": 1,
        "on-time": 2,
        "extended:1": 2,
        "extended:3": 1,
        "age:2024-02-20": 2,
        "age:2024-02-27": 2,
        "age:2024-01-01": 0,
    }
    card = scorecard(counts, date(2024, 3, 1))
    assert card == Scorecard(9, 4, (1, 0, 1), 3, 2, 5, 6.5)
    assert (card.ended, card.closed, card.overdue_in_all, card.in_time) == (5, 2, 2, 2)
    assert (card.verified_share, card.on_time_share) == (0.3333, 0.6667)


def test_an_approval_of_tomorrow_has_age_0() -> None:
    assert scorecard({"age:2024-03-02": 1}, date(2024, 3, 1)).median_age_days == 0


def test_medians_are_merged_by_their_counts() -> None:
    parts: Sequence[dict[str, int]] = [{"age:2024-02-29": 3}, {"age:2024-02-01": 1}]
    assert scorecard(merged(parts), date(2024, 3, 1)).median_age_days == 1
