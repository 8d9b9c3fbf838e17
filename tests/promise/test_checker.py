"""The checker itself: a good history passes, and each way to break the promise is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.promise.breaking import (
    AGAIN,
    BREAKS,
    IN,
    OUT,
    added,
    renumbered,
    told,
    whole,
    without,
)
from tests.promise.checker import LAWS, Kind, by_kind, check
from tests.promise.history import (
    Act,
    Arrived,
    Effect,
    History,
    Letter,
    Outcome,
    Place,
    Sent,
    State,
    read,
    write,
)


def test_a_history_that_keeps_the_promise_passes() -> None:
    assert check(whole()) == []
    assert check(History()) == []


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_law_is_found(name: str) -> None:
    kind, broken = BREAKS[name]
    found = by_kind(check(broken(whole())))
    assert found[kind] > 0, found


def test_every_kind_and_every_law_is_broken_by_one_of_these() -> None:
    assert {kind for kind, _ in BREAKS.values()} == set(Kind)
    found = {
        law
        for kind, broken in BREAKS.values()
        for law in LAWS
        if kind in {violation.kind for violation in law(broken(whole()))}
    }
    assert found == set(LAWS)


def test_an_unknown_outcome_may_have_an_effect_or_none() -> None:
    done, failed = whole(), whole()
    unknown = replace(done.acts[0], outcome=Outcome.UNKNOWN, version=None)
    assert check(replace(done, acts=(unknown,))) == []
    never = Act("h-2", Outcome.UNKNOWN, 3.0, 4.0, (Effect("Verified", "r-1"),))
    assert check(added(failed, acts=never)) == []


def test_an_unknown_outcome_is_known_by_what_arrived() -> None:
    history = whole()
    lost = Sent("a-3", IN, "r-1", Outcome.UNKNOWN, effects=(Effect("Amended", "r-1", "a-3"),))
    assert check(added(history, sent=lost)) == [], "it never arrived"
    found = check(added(history, sent=lost, arrived=Arrived(Place(IN, 0, 9), "a-3", "r-1")))
    assert by_kind(found)[Kind.LOST] == 1, "it arrived, and has no effect"


def test_an_unknown_poison_is_known_by_what_arrived() -> None:
    history = whole()
    unknown = Sent("p-2", IN, "r-1", Outcome.UNKNOWN, refusal="broken-json")
    assert check(added(history, sent=unknown)) == []
    landed = added(history, sent=unknown, arrived=Arrived(Place(IN, 0, 9), "p-2", "r-1"))
    assert by_kind(check(landed))[Kind.POISON] == 1
    letter = Letter(Place(IN, 0, 9), "broken-json")
    assert check(added(landed, letters=letter)) == []


def test_what_had_to_wait_may_come_in_any_order() -> None:
    history = renumbered(whole(), 2, 3)
    loose = tuple(replace(one, in_order=False) for one in history.sent)
    assert by_kind(check(replace(history, sent=loose)))[Kind.DISORDER] == 0


def test_acts_at_the_same_time_may_come_in_any_order() -> None:
    history = whole()
    other = Act("h-2", Outcome.ACKNOWLEDGED, 1.5, 1.8, (AGAIN,))
    assert check(added(history, acts=other)) == []


def test_a_history_that_moved_is_whole_in_its_new_topic() -> None:
    history = whole()
    moved_out = tuple(
        replace(event, place=Place("followups-social", 0, event.version))
        for event in [*history.told[:7], told(8, Effect("Moved", "r-1"))]
    )
    moved = Act("m", Outcome.ACKNOWLEDGED, 3.0, 4.0, (Effect("Moved", "r-1"),))
    history = replace(
        history,
        told=(*history.told, told(8, Effect("Moved", "r-1")), *moved_out),
        acts=(*history.acts, moved),
        committed=None,
        states=(State("social", "f-1", "r-1", 8, "followups-social"),),
        shown=None,
    )
    assert check(history) == []
    cut = replace(history, told=tuple(e for e in history.told if e.place != moved_out[2].place))
    assert by_kind(check(cut))[Kind.GAP] == 1


def test_a_level_that_may_come_need_not() -> None:
    history = without(whole(), 7)
    last = replace(history.dues[2], must=False)
    history = replace(history, dues=(*history.dues[:2], last), committed=None, states=None)
    assert check(history) == []


@given(
    versions=st.lists(st.integers(1, 7), min_size=1, max_size=12),
    repeats=st.lists(st.integers(0, 11), max_size=4),
)
def test_only_one_two_three_passes(versions: list[int], repeats: list[int]) -> None:
    again = [versions[n % len(versions)] for n in repeats]  # records are read again
    stream = versions + again
    events = tuple(
        told(version, place=Place(OUT, 0, offset)) for offset, version in enumerate(stream)
    )
    found = check(History(told=events))
    first = list(dict.fromkeys(stream))
    assert (found == []) == (first == list(range(1, len(first) + 1)))


def test_a_history_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for history in (whole(), History(), replace(whole(), arrived=(), most_letters=1)):
        write(history, path)
        assert read(path) == history
