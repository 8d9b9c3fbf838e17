"""How facts change a follow-up, and that its events contain its whole state."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import given

from services.followups import events
from services.followups.domain.evolution import evolve
from services.followups.domain.facts import (
    Acknowledged,
    Amended,
    Blocked,
    CameDueSoon,
    Closed,
    Completed,
    Extended,
    ExtensionRefused,
    Fact,
    FellOverdue,
    Moved,
    Progressed,
    Reopened,
    Settled,
    Unblocked,
    Verified,
)
from services.followups.domain.records import Followup, State
from shared.contracts.envelope import CloudEvent, read, write
from shared.contracts.events import FollowupEvent, FollowupOverdue, parse
from shared.messaging.core.model import Message, Origin, published
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    APPROVER,
    COMPLETED,
    LATER,
    NOW,
    PROGRESSED,
    REOPENED,
    REQUESTED,
    TOPIC,
    after,
    amended,
    fact_of_opening,
    followup,
    lives,
    resolution,
    steps,
    unhurried,
)

STATES = {
    Settled: State.ACKNOWLEDGED,
    Blocked: State.BLOCKED,
    Unblocked: State.IN_PROGRESS,
    Progressed: State.IN_PROGRESS,
    Completed: State.DONE,
    Verified: State.VERIFIED,
    Reopened: State.REOPENED,
    Closed: State.CLOSED,
}


@unhurried
@given(lives())
def test_every_fact_is_a_version_and_keeps_the_data_of_the_approval(life: list[Fact]) -> None:
    first: Followup | None = None
    for number, (before, fact, now) in enumerate(steps(life), 1):
        first = first or now
        assert (now.version, now.changed_at) == (number, fact.at)
        for name in ("followup_id", "original_due_on", "approved_source", "opened_at"):
            assert getattr(now, name) == getattr(first, name)
        if before is not None:
            if isinstance(fact, Acknowledged):
                agreed = fact.stance == "agreed"
                assert now.state is (State.ACKNOWLEDGED if agreed else State.DISPUTED)
            else:
                assert now.state is STATES.get(type(fact), before.state)
            if isinstance(fact, Extended):
                changed = replace(before.resolution, due_on=fact.due_on)
                assert now.resolution == changed
            elif isinstance(fact, Moved):
                assert now.resolution == replace(before.resolution, deputy=fact.to)
                assert now.former_deputies == (*before.former_deputies, fact.previous_deputy)
            elif not isinstance(fact, Amended):
                assert now.resolution == before.resolution


def test_a_claim_means_100_percent_and_its_claimant_is_kept_until_a_refusal() -> None:
    claimed = after(ACKNOWLEDGED, PROGRESSED, COMPLETED)
    assert (claimed.progress, claimed.claimed_by, claimed.verified_by) == (100, "d.karimi", None)
    verified = evolve(claimed, Verified(LATER, "c.ahmadi", "done", None))
    assert (verified.claimed_by, verified.verified_by) == ("d.karimi", "c.ahmadi")
    refused = evolve(verified, REOPENED)
    assert (refused.claimed_by, refused.verified_by) == (None, None)
    assert refused.progress == PROGRESSED.progress, "as far as the deputy had said before"


def test_an_extended_due_date_has_its_own_levels_and_the_original_date_stays() -> None:
    late = after(ACKNOWLEDGED, FellOverdue(LATER, 1, date(2024, 1, 1), 1), REQUESTED)
    assert late.request is not None
    more = Extended(LATER, "c.ahmadi", date(2024, 2, 1), date(2024, 1, 1), None)
    extended = evolve(late, more)
    assert (extended.resolution.due_on, extended.level) == (date(2024, 2, 1), 0)
    assert (extended.original_due_on, extended.request) == (date(2024, 1, 1), None)
    (kept,) = extended.extensions
    assert (kept.from_, kept.to, kept.by) == (date(2024, 1, 1), date(2024, 2, 1), "c.ahmadi")
    refused = evolve(late, ExtensionRefused(LATER, None, date(2024, 2, 1), None))
    assert (refused.resolution.due_on, refused.level, refused.request) == (
        date(2024, 1, 1),
        1,
        None,
    )
    assert evolve(late, amended(resolution(due_on=date(2024, 6, 1)))).request is None
    assert evolve(late, COMPLETED).request is None


def test_the_event_that_it_is_near_has_one_id_per_due_date() -> None:
    one = CameDueSoon(LATER, date(2024, 1, 1))
    other = CameDueSoon(LATER, date(2024, 2, 1))
    ids = [events.to_event(after(*facts, one), one, TOPIC, None).id for facts in ((), (one,))]
    assert len(set(ids)) == 1
    assert events.to_event(after(one, other), other, TOPIC, None).id not in ids


def test_only_an_amended_due_date_restarts_the_levels() -> None:
    overdue = after(FellOverdue(LATER, 2, date(2024, 1, 1), 9))
    assert evolve(overdue, amended(resolution(title="عنوان دیگر"))).level == 2
    moved = evolve(overdue, amended(resolution(due_on=date(2024, 6, 1))))
    assert (moved.level, moved.original_due_on) == (0, date(2024, 1, 1))


# -- events -------------------------------------------------------------------------------------


@unhurried
@given(lives())
def test_published_events_lead_to_the_same_state(life: list[Fact]) -> None:
    """Recovery from a restored copy depends on this."""
    recovered: Followup | None = None
    ids: set[str] = set()
    for _before, fact, now in steps(life):
        event = events.to_event(
            now, fact, TOPIC, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
        )
        ids.add(event.id)
        sent = CloudEvent(
            id=event.id,
            source="urn:peygir:followups",
            type=event.type,
            data=event.data,
            time=event.time,
            dataschema=event.dataschema,
            sequence=event.version,
            traceparent=event.trace,
        )
        received = read(*write(sent))
        data = parse(received, recorded=True)
        assert isinstance(data, FollowupEvent)
        assert (data.followup_id, data.resolution_id) == (now.followup_id, now.resolution_id)
        message = Message(Origin(TOPIC, 0, 0), received, data, TOPIC)
        again = published(message, data.resolution_id, data.followup_id)
        assert again == replace(event, time=received.time or event.time)
        read_fact = events.from_event(data, recovered)
        assert read_fact == fact
        recovered = now if recovered is None else evolve(recovered, read_fact)
        assert recovered == now


def test_the_event_of_the_opening_has_all_fields() -> None:
    least = fact_of_opening(province=None)
    event = events.to_event(after(province=None), least, TOPIC, None)
    assert json.loads(event.data) == {
        "followup_id": followup().followup_id,
        "resolution_id": "1402-IR-09-R001",
        "deputy": "civil",
        "title": "تکمیل پل روستای سرآسیاب",
        "approved_at": "2023-10-16T09:00:00.000Z",
        "due_on": "2024-01-01",
        "original_due_on": "2024-01-01",
        "at": "2023-10-16T09:00:00.000Z",
        "approved_source": APPROVER,
        "fingerprint": "a" * 64,
        "supporting": [],
        "priority": "normal",
    }
    assert (event.type, event.key, event.topic) == (
        *("peygir.FollowupOpened.v1", "1402-IR-09-R001", TOPIC),
    )
    assert (event.aggregate_id, event.version, event.time) == (followup().followup_id, 1, NOW)


def test_a_level_has_the_same_id_whenever_it_is_announced() -> None:
    due_on = date(2024, 1, 1)
    early, late = (FellOverdue(LATER + timedelta(days=n), 1, due_on, n) for n in (1, 2))
    one = events.to_event(after(early), early, TOPIC, None)
    other = events.to_event(after(ACKNOWLEDGED, late), late, TOPIC, None)
    second = FellOverdue(LATER, 2, due_on, 9)
    assert one.id == other.id
    assert events.to_event(after(early, second), second, TOPIC, None).id != one.id
    moved = FellOverdue(LATER, 1, date(2024, 2, 1), 1)
    assert events.to_event(after(moved), moved, TOPIC, None).id != one.id


def test_events_that_change_no_state_have_no_fact() -> None:
    ids: dict[str, Any] = {
        "followup_id": "f",
        "resolution_id": "r",
        "deputy": "civil",
        "title": "پل",
    }
    old = FollowupOverdue(
        **ids,
        due_on=date(2024, 1, 1),
        original_due_on=date(2024, 1, 1),
        days_overdue=1,
        level=1,
        progress=0,
    )
    assert events.from_event(old, followup()) is None, "without its instant there is no fact"
