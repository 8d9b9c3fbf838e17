"""Each dead letter once, in groups."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.core.model import Origin
from tests.unit.deadletter.builders import NOW, TOPIC, notes
from tools.deadletter.dead_letters import (
    BadOrigin,
    DeadLetterNotes,
    format_origin,
    keep_latest,
    parse_origin,
)
from tools.deadletter.grouping import age, group_letters, with_triage
from tools.deadletter.replayer import select_by_default
from tools.deadletter.triage import Triage, TriageStatus


def collected(*found: DeadLetterNotes) -> dict[Origin, DeadLetterNotes]:
    letters: dict[Origin, DeadLetterNotes] = {}
    for note in found:
        keep_latest(letters, note)
    return letters


@given(st.permutations(range(6)))
def test_whatever_the_order_of_reading_the_last_written_counts(order: list[int]) -> None:
    written_twice = [notes(n % 3, position=n, reason=f"r{n}") for n in order]
    letters = collected(*written_twice)
    assert {n.origin.offset: (n.reason, n.times_written) for n in letters.values()} == {
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
    done = Triage(Origin(TOPIC, 0, 2), 1, TriageStatus.APPLIED)
    found = with_triage(letters, {done.origin: done})
    assert [triaged.notes.origin.offset for triaged in found] == [2, 3, 1]
    invalid, conflict = group_letters(found, "reason")
    assert (invalid.name, invalid.count) == ("invalid", 2)
    assert invalid.states == {"replayed: applied": 1, "open": 1}
    assert (invalid.oldest, invalid.newest) == (
        NOW + timedelta(minutes=2),
        NOW + timedelta(minutes=3),
    )
    assert conflict.count == 1
    assert [(group.name, group.count) for group in group_letters(found, "topic")] == [
        (TOPIC, 2),
        (f"{TOPIC}2", 1),
    ]


def test_only_the_letter_of_the_last_replay_says_that_it_was_refused() -> None:
    waiting = Triage(Origin(TOPIC, 0, 1), 4, TriageStatus.WAITING, replay_id="second")
    assert waiting.with_notes(notes(1)).status is TriageStatus.WAITING
    assert waiting.with_notes(notes(1, replay_id="first")).status is TriageStatus.WAITING
    refused = waiting.with_notes(notes(1, replay_id="second"))
    assert (refused.status, refused.refusal) == (
        TriageStatus.REFUSED,
        "invalid: title: Field required",
    )


def test_letters_go_in_the_order_in_which_they_first_came() -> None:
    found = [notes(3, minutes=0), notes(1, minutes=9), notes(2, minutes=1), notes(4)]
    status = {
        1: TriageStatus.OPEN,
        2: TriageStatus.REFUSED,
        3: TriageStatus.MENDED,
        4: TriageStatus.DISCARDED,
    }

    def triage(note: DeadLetterNotes) -> Triage:
        return Triage(note.origin, status=status[note.origin.offset])

    def selected(reason: str | None, count: int | None) -> list[int]:
        return [
            n.origin.offset for n in select_by_default(found, triage, reason=reason, count=count)
        ]

    assert selected(None, None) == [1, 3]
    assert selected(None, 1) == [1]
    assert selected("conflict", None) == []


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-5, "0s"), (59, "59s"), (60, "1m"), (3_599, "59m"), (86_399, "23h"), (172_800, "2d")],
)
def test_an_age_is_told_in_its_largest_unit(seconds: int, told: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == told


def test_an_origin_is_read_as_it_is_written() -> None:
    assert parse_origin(format_origin(Origin(TOPIC, 2, 17))) == Origin(TOPIC, 2, 17)
    for wrong in ("", "t/1", "t/1/x", "t/-1/2", "/1/2", "t/۱/۲"):
        with pytest.raises(BadOrigin):
            parse_origin(wrong)
