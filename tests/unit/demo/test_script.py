"""The script of the season: what holds for every seed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.reference import COORDINATION, DEPUTIES, PROVINCES
from tools.demo.script import SESSIONS, Script, write_script

seeds = st.integers(min_value=0, max_value=2**32)


@pytest.fixture(scope="module")
def script() -> Script:
    return write_script(1402)


@given(seed=seeds)
@settings(max_examples=12, deadline=None)
def test_every_province_has_its_turn_once_and_600_come_of_17_sessions(seed: int) -> None:
    script = write_script(seed)
    assert Counter(s.province for s in script.sessions) == Counter(p.code for p in PROVINCES)
    assert sum(len(s.resolutions) for s in script.sessions[:17]) > 600
    assert 1_050 <= len(script.resolutions) <= 1_180
    titles = Counter(r.title for r in script.resolutions)
    assert titles.most_common(1)[0][1] == 1
    assert len({r.resolution_id for r in script.resolutions}) == len(script.resolutions)


@given(seed=seeds, sessions=st.integers(min_value=1, max_value=4))
@settings(max_examples=15, deadline=None)
def test_nobody_acts_twice_at_once_before_the_approval_or_after_the_end(
    seed: int, sessions: int
) -> None:
    script = write_script(seed, sessions)
    for resolution in script.resolutions:
        instants = [action.at for action in resolution.actions]
        assert instants == sorted(set(instants))
        assert all(resolution.approved_at < at <= script.ends_at for at in instants)
        assert 14 <= (resolution.due_on - resolution.approved_at.date()).days <= 120


@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_nobody_confirms_their_own(seed: int) -> None:
    for resolution in write_script(seed, 2).resolutions:
        for action in resolution.actions:
            if action.kind in {"verify", "reopen"}:
                own = resolution.deputy == COORDINATION
                allowed = {"minister-office"} if own else {"coordination", _province(resolution)}
                assert action.by.role in allowed
            else:
                assert action.by.role == f"deputy:{resolution.deputy}"


def _province(resolution: object) -> str:
    return f"province:{getattr(resolution, 'province')}"  # noqa: B009


def test_the_same_seed_writes_the_same_script_and_another_another() -> None:
    assert write_script(7, 2) == write_script(7, 2)
    assert write_script(7, 2) != write_script(8, 2)


def test_a_shorter_script_is_the_beginning_of_the_longer_one(script: Script) -> None:
    short = write_script(1402, 3)
    assert short.provinces == script.provinces
    for brief, whole in zip(short.sessions, script.sessions, strict=False):
        assert brief.submissions == whole.submissions
        assert [r.title for r in brief.resolutions] == [r.title for r in whole.resolutions]
    assert len(short.cancelled) == SESSIONS - 3
    assert script.cancelled == ()


def test_the_season_of_1402_lies_where_it_lay(script: Script) -> None:
    first, last = script.sessions[0], script.sessions[-1]
    assert first.opens_at == datetime(2023, 8, 14, 5, 30, tzinfo=UTC)
    assert last.opens_at.date() == date(2024, 3, 11)  # 21 Esfand 1402
    assert script.ends_at.date() == date(2024, 7, 21)  # 31 Tir 1403
    assert last.report_due_at == last.opens_at - timedelta(hours=72)


def test_it_has_of_everything(script: Script) -> None:
    kinds = Counter(action.kind for r in script.resolutions for action in r.actions)
    assert min(kinds.values()) > 50
    assert set(kinds) == {"acknowledge", "progress", "complete", "verify", "reopen"}
    assert {r.deputy for r in script.resolutions} == {deputy.id for deputy in DEPUTIES}
    assert 0.05 < sum(r.urgent for r in script.resolutions) / len(script.resolutions) < 0.25
    assert sum(r.executing_body is not None for r in script.resolutions) > 200
    assert sum(bool(r.supporting) for r in script.resolutions) > 200
    assert sum(s.report_is_late for s in script.sessions) == 3
    assert any(len(s.submissions) == 2 for s in script.sessions)
    assert all(r.axis is None for r in script.resolutions if r.deputy == COORDINATION)


def test_a_report_is_sent_and_distributed_before_its_session(script: Script) -> None:
    for session in script.sessions:
        for sent in session.submissions:
            assert sent.at <= sent.distributed_at < session.opens_at
            assert sent.at != session.report_due_at


def test_titles_are_persian_and_of_the_province(script: Script) -> None:
    for resolution in script.resolutions:
        assert not any(letter.isascii() and letter.isalpha() for letter in resolution.title)
        assert not set("يكةى") & set(resolution.title)
