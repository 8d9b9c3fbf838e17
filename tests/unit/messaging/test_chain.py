"""The hash of an event: other content has another hash, and a batch is hashed as its events are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from shared.messaging.core.model import Event
from shared.messaging.ledger.chain import BEGINNING, Provenance, chained, link
from shared.runtime.principals import Authority

AT = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
texts = st.text("ab=\n\x00ی", max_size=3)
maybe = st.none() | texts
instants = st.sampled_from([AT, AT + timedelta(milliseconds=1), AT + timedelta(days=1)])

events = st.builds(
    Event,
    id=texts,
    type=texts,
    topic=st.just("t"),
    key=texts,
    aggregate_id=texts,
    version=st.integers(1, 12),
    time=instants,
    dataschema=texts,
    data=st.binary(max_size=2),
    trace=maybe,
)
authorities = st.none() | st.builds(
    Authority, token_id=texts, client=maybe, address=maybe, roles=st.just(()) | st.just(("a", "b"))
)
provenances = st.builds(
    Provenance, at=instants, by=texts, roles=st.just(()) | st.just(("a",)), authority=authorities
)
contents = st.tuples(events, provenances)
EVENT = Event("a", "", "t", "", "", 1, AT, "", b"", None)
NOBODY = Authority("a", None, None, ())


@given(contents, contents)
@example(
    (EVENT, Provenance(AT, "", (), NOBODY)),
    (EVENT, Provenance(AT, "", (), replace(NOBODY, client=""))),
)
@example((EVENT, Provenance(AT, "", ())), (replace(EVENT, trace=""), Provenance(AT, "", ())))
@example((EVENT, Provenance(AT, "", ())), (replace(EVENT, id="", type="a"), Provenance(AT, "", ())))
def test_two_contents_have_two_hashes(
    one: tuple[Event, Provenance], other: tuple[Event, Provenance]
) -> None:
    assert (link(BEGINNING, *one) == link(BEGINNING, *other)) is (one == other)


def test_the_offset_of_an_instant_does_not_matter() -> None:
    tehran = timezone(timedelta(hours=3, minutes=30))
    elsewhere = replace(EVENT, time=AT.astimezone(tehran))
    who = Provenance(AT, "", ())
    assert link(BEGINNING, elsewhere, who) == link(BEGINNING, EVENT, who)


@given(st.lists(events, max_size=6), provenances)
def test_a_batch_is_hashed_as_its_events_are_one_by_one(
    batch: list[Event], who: Provenance
) -> None:
    heads: dict[str, tuple[int, bytes]] = {}
    hashes = []
    for event in batch:
        version, previous = heads.get(event.aggregate_id, (0, BEGINNING))
        hashed = link(previous if version == event.version - 1 else BEGINNING, event, who)
        heads[event.aggregate_id] = (event.version, hashed)
        hashes.append(hashed)
    found: dict[str, tuple[int, bytes]] = {}
    assert chained(batch, who, found) == hashes
    assert found == heads
