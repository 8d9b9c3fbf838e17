"""The hash chain of an aggregate's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.core.model import Event
from shared.messaging.ledger.chain import BEGINNING, Provenance, chained, link
from shared.runtime.principals import Authority

_AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
_AUTHORITY = Authority("t-1", "board", "10.0.0.7", ("coordination",))
_WHO = Provenance(_AT, "c.ahmadi", ("coordination",), _AUTHORITY)
_EVENT = Event(
    id="1",
    type="peygir.FollowupProgressed.v1",
    topic="peygir.followups.v1.civil",
    key="f",
    aggregate_id="f",
    version=1,
    time=_AT,
    dataschema="x",
    data=b"{}",
    trace="00-1",
)
_CHANGED = {
    "version": 2,
    "time": _AT + timedelta(milliseconds=1),
    "data": b"{ }",
    "trace": None,
}


@pytest.mark.parametrize("name", [field.name for field in fields(Event) if field.name != "topic"])
def test_each_field_of_an_event_counts(name: str) -> None:
    changed = replace(_EVENT, **{name: _CHANGED.get(name, "other")})  # type: ignore[arg-type]
    assert link(BEGINNING, changed, _WHO) != link(BEGINNING, _EVENT, _WHO)


def test_a_moved_event_keeps_its_hash() -> None:
    moved = replace(_EVENT, topic="peygir.followups.v1.crisis")
    assert link(BEGINNING, moved, _WHO) == link(BEGINNING, _EVENT, _WHO)


@pytest.mark.parametrize(
    "who",
    [
        replace(_WHO, at=_AT + timedelta(milliseconds=1)),
        replace(_WHO, by="d.karimi"),
        replace(_WHO, roles=("coordination", "operator")),
        replace(_WHO, authority=None),
        replace(_WHO, authority=replace(_AUTHORITY, token_id="t-2")),
        replace(_WHO, authority=replace(_AUTHORITY, client=None)),
        replace(_WHO, authority=replace(_AUTHORITY, address="10.0.0.8")),
        replace(_WHO, authority=replace(_AUTHORITY, roles=())),
    ],
)
def test_who_committed_it_and_by_what_counts(who: Provenance) -> None:
    assert link(BEGINNING, _EVENT, who) != link(BEGINNING, _EVENT, _WHO)


def test_what_mongodb_does_not_keep_does_not_count() -> None:
    finer = replace(_EVENT, time=_AT + timedelta(microseconds=999))
    elsewhere = replace(_WHO, at=_AT.astimezone(timezone(timedelta(hours=3.5))))
    assert link(BEGINNING, finer, elsewhere) == link(BEGINNING, _EVENT, _WHO)


@given(st.lists(st.text(max_size=3), min_size=2, max_size=2), st.text(max_size=3))
def test_no_two_contents_are_written_alike(pair: list[str], moved: str) -> None:
    """Text that moves from one field to its neighbour changes the hash."""
    before = replace(_EVENT, id=pair[0] + moved, type=pair[1])
    after = replace(_EVENT, id=pair[0], type=moved + pair[1])
    same = (before.id, before.type) == (after.id, after.type)
    assert (link(BEGINNING, before, _WHO) == link(BEGINNING, after, _WHO)) is same


@given(cut=st.integers(0, 5))
def test_commits_may_cut_a_chain_anywhere(cut: int) -> None:
    events = [replace(_EVENT, id=str(n), version=n) for n in range(1, 6)]
    whole: dict[str, tuple[int, bytes]] = {}
    parts: dict[str, tuple[int, bytes]] = {}
    at_once = chained(events, _WHO, whole)
    assert chained(events[:cut], _WHO, parts) + chained(events[cut:], _WHO, parts) == at_once
    assert parts == whole == {"f": (5, at_once[-1])}


@given(changed=st.integers(0, 4))
def test_a_changed_event_changes_all_that_follow(changed: int) -> None:
    def hashes(data: bytes) -> Sequence[bytes]:
        events = [
            replace(_EVENT, version=n + 1, data=data if n == changed else b"{}") for n in range(5)
        ]
        return chained(events, _WHO, {})

    before, after = hashes(b"{}"), hashes(b"[]")
    same = [one == other for one, other in zip(before, after, strict=True)]
    assert same == [n < changed for n in range(5)]


def test_what_follows_an_event_without_a_hash_begins_a_chain() -> None:
    heads: dict[str, tuple[int, bytes]] = {}
    (hashed,) = chained([replace(_EVENT, version=7)], _WHO, heads)
    assert hashed == link(BEGINNING, replace(_EVENT, version=7), _WHO)
    gap = replace(_EVENT, version=9)
    assert chained([gap], _WHO, heads) == [link(BEGINNING, gap, _WHO)]
