"""Verification finds whatever was changed or removed, and where first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.ledger.chain import BEGINNING, link
from tests.unit.audit.trails import AT, DATABASE, WHO, trail
from tools.audit.trail import Committed
from tools.audit.verifying import Head, Place, Verified, lost, verify

_PLACE = (DATABASE, "f")


def verified(entries: list[Committed], sealed: dict[Place, Head] | None = None) -> Verified:
    found = Verified()
    assert len(list(verify(entries, found, sealed or {}))) == len(entries)
    return found


def first_broken(entries: list[Committed]) -> tuple[str, int] | None:
    broken = verified(entries).broken
    assert len(broken) < 2
    return (broken[0].what, broken[0].version) if broken else None


@given(versions=st.integers(1, 8), begins=st.integers(1, 8))
def test_what_nobody_touched_is_whole(versions: int, begins: int) -> None:
    entries = [*trail(versions, "a", min(begins, versions)), *trail(3, "b")]
    found = verified(entries)
    assert found.broken == []
    assert (found.events, found.aggregates) == (versions + 3, 2)
    assert found.unchained == min(begins, versions) - 1
    assert found.heads[DATABASE, "b"][0] == 3


@given(versions=st.integers(1, 8), data=st.data())
def test_whatever_is_changed_is_found_where_it_is(versions: int, data: st.DataObject) -> None:
    entries = trail(versions)
    place = data.draw(st.integers(0, versions - 1))
    touched = entries[place]
    event, who = touched.event, touched.who
    changed = data.draw(
        st.sampled_from(
            [
                replace(touched, event=replace(event, data=b'{"progress": 100}')),
                replace(touched, event=replace(event, id="other")),
                replace(touched, who=replace(who, by="somebody")),
                replace(touched, who=replace(who, at=AT + timedelta(days=1))),
                replace(touched, who=replace(who, authority=None)),
                replace(touched, hash=bytes(32)),
            ]
        )
    )
    entries[place] = changed
    assert first_broken(entries) == ("changed", place + 1)


@given(versions=st.integers(2, 8), data=st.data())
def test_what_is_removed_is_missing(versions: int, data: st.DataObject) -> None:
    entries = trail(versions)
    place = data.draw(st.integers(0, versions - 2))  # of the last one only a seal knows
    del entries[place]
    assert first_broken(entries) == ("missing", place + 1)


@given(versions=st.integers(2, 8), data=st.data())
def test_a_change_with_a_new_hash_breaks_the_next_link(versions: int, data: st.DataObject) -> None:
    entries = trail(versions)
    place = data.draw(st.integers(0, versions - 2))
    forged = replace(entries[place].event, data=b"{}")
    previous = BEGINNING if place == 0 else entries[place - 1].hash
    assert previous is not None
    entries[place] = replace(entries[place], event=forged, hash=link(previous, forged, WHO))
    assert first_broken(entries) == ("changed", place + 2)


def test_a_hash_that_is_taken_away_is_noticed_unless_an_upgrade_explains_it() -> None:
    entries = trail(3)
    entries[1:] = [replace(entry, hash=None) for entry in entries[1:]]
    assert first_broken(entries) == ("changed", 2)
    found = Verified()
    list(verify(entries, found, {}, AT + timedelta(seconds=1)))
    assert found.broken == []


def test_two_events_of_one_version_are_noticed() -> None:
    (first, second) = trail(2)
    assert first_broken([first, second, second]) == ("changed", 2)


def test_an_end_that_is_cut_off_is_missing_in_a_seal() -> None:
    entries = trail(4)
    sealed = verified(entries).heads
    assert [*lost(verified(entries, sealed), sealed)] == []
    cut = verified(entries[:2], sealed)
    assert cut.broken == []
    (broken,) = lost(cut, sealed)
    assert (broken.what, broken.version) == ("missing", 3)
    (gone,) = lost(verified([]), sealed)
    assert (gone.what, gone.version) == ("missing", 1)


def test_a_chain_that_is_made_anew_differs_from_its_seal() -> None:
    entries = trail(3)
    sealed = verified(entries).heads
    anew = [replace(entry, who=replace(WHO, by="somebody")) for entry in trail(3)]
    previous = BEGINNING
    for n, entry in enumerate(anew):
        previous = link(previous, entry.event, entry.who)
        anew[n] = replace(entry, hash=previous)
    assert verified(anew).broken == []
    (broken,) = verified(anew, sealed).broken
    assert (broken.what, broken.version) == ("changed", 3)


@pytest.mark.parametrize("grown", [3, 6])
def test_a_seal_holds_as_the_chain_grows(grown: int) -> None:
    sealed = verified(trail(3)).heads
    found = verified(trail(grown), sealed)
    assert found.broken == []
    assert [*lost(found, sealed)] == []
    assert _PLACE in found.heads
