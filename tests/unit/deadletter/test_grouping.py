"""Each dead letter once, in groups."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.core.model import Origin
from tests.unit.deadletter.builders import NOW, TOPIC, notes
from tools.deadletter.book import Page, Status
from tools.deadletter.grouping import age, entries, groups
from tools.deadletter.letters import BadOrigin, Notes, add, read_origin, written
from tools.deadletter.replaying import choose


def collected(*found: Notes) -> dict[Origin, Notes]:
    letters: dict[Origin, Notes] = {}
    for note in found:
        add(letters, note)
    return letters


@given(st.permutations(range(6)))
def test_whatever_the_order_of_reading_the_last_written_counts(order: list[int]) -> None:
    written_twice = [notes(n % 3, place=n, reason=f"r{n}") for n in order]
    letters = collected(*written_twice)
    assert {n.origin.offset: (n.reason, n.written) for n in letters.values()} == {
        0: ("r3", 2),
        1: ("r4", 2),
        2: ("r5", 2),
    }


def test_letters_are_listed_newest_first_and_groups_largest_first() -> None:
    letters = collected(
        notes(1, reason="conflict", minutes=1),
        notes(2, reason="invalid", minutes=3),
        notes(3, reason="invalid", minutes=2, topic=f"{TOPIC}2"),
    )
    done = Page(Origin(TOPIC, 0, 2), 1, Status.APPLIED)
    found = entries(letters, {done.origin: done})
    assert [entry.notes.origin.offset for entry in found] == [2, 3, 1]
    invalid, conflict = groups(found, "reason")
    assert (invalid.name, invalid.count) == ("invalid", 2)
    assert invalid.states == {"replayed: applied": 1, "open": 1}
    assert (invalid.oldest, invalid.newest) == (
        NOW + timedelta(minutes=2),
        NOW + timedelta(minutes=3),
    )
    assert conflict.count == 1
    assert [(group.name, group.count) for group in groups(found, "topic")] == [
        (TOPIC, 2),
        (f"{TOPIC}2", 1),
    ]


def test_only_the_letter_of_the_last_replay_says_that_it_was_refused() -> None:
    waiting = Page(Origin(TOPIC, 0, 1), 4, Status.WAITING, replay_id="second")
    assert waiting.seen_with(notes(1)).status is Status.WAITING
    assert waiting.seen_with(notes(1, replay_id="first")).status is Status.WAITING
    refused = waiting.seen_with(notes(1, replay_id="second"))
    assert (refused.status, refused.told) == (Status.REFUSED, "invalid: title: Field required")


def test_letters_go_in_the_order_in_which_they_first_came() -> None:
    found = [notes(3, minutes=0), notes(1, minutes=9), notes(2, minutes=1), notes(4)]
    status = {1: Status.OPEN, 2: Status.REFUSED, 3: Status.MENDED, 4: Status.DISCARDED}

    def page(note: Notes) -> Page:
        return Page(note.origin, status=status[note.origin.offset])

    def chosen(reason: str | None, count: int | None) -> list[int]:
        return [n.origin.offset for n in choose(found, page, reason=reason, count=count)]

    assert chosen(None, None) == [1, 3]
    assert chosen(None, 1) == [1]
    assert chosen("conflict", None) == []


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-5, "0s"), (59, "59s"), (60, "1m"), (3_599, "59m"), (86_399, "23h"), (172_800, "2d")],
)
def test_an_age_is_told_in_its_largest_unit(seconds: int, told: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == told


def test_an_origin_is_read_as_it_is_written() -> None:
    assert read_origin(written(Origin(TOPIC, 2, 17))) == Origin(TOPIC, 2, 17)
    for wrong in ("", "t/1", "t/1/x", "t/-1/2", "/1/2", "t/۱/۲"):
        with pytest.raises(BadOrigin):
            read_origin(wrong)
