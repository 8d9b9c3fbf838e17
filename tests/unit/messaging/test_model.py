"""Ids of events: recorded here, because a published event keeps its id for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.contracts.envelope import CloudEvent
from shared.contracts.events import SessionOpened
from shared.messaging.core.model import Message, Origin, event_id, requested
from shared.runtime.principals import Authority, Principal

FOLLOWUP = "dbc94aab-88c3-5bac-8e9a-ae8ebd289b05"


@pytest.mark.parametrize(
    ("type_", "dedup_key", "recorded"),
    [
        ("peygir.FollowupOpened.v1", 1, "ab07eaf1-52c0-541a-8943-7afef759ee39"),
        ("peygir.FollowupOpened.v1", "1", "ab07eaf1-52c0-541a-8943-7afef759ee39"),
        ("peygir.FollowupOverdue.v1", "2024-01-01|2", "57af3e5b-3c2d-5098-94c3-4c6cee91f617"),
    ],
)
def test_the_same_fact_always_gets_the_same_id(
    type_: str, dedup_key: str | int, recorded: str
) -> None:
    assert event_id(type_, FOLLOWUP, dedup_key) == recorded


def test_different_facts_get_different_ids() -> None:
    facts = [("a", "b", 1), ("a", "b", 2), ("a", "c", 1), ("b", "b", 1)]
    assert len({event_id(*fact) for fact in facts}) == len(facts)


def test_the_inbox_knows_an_event_by_its_source_and_its_id() -> None:
    event = CloudEvent("1", "/x", "peygir.SessionOpened.v1", b"{}")
    data = SessionOpened(session_id="s", opened_at=datetime(2024, 3, 11, tzinfo=UTC))
    assert Message(Origin("t", 0, 0), event, data, "t").inbox_id == "/x\n1"


@pytest.mark.parametrize(
    ("timestamp", "sent_at"),
    [
        (None, None),
        (-1, None),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_710_135_000_500, datetime(2024, 3, 11, 5, 30, 0, 500_000, tzinfo=UTC)),
        (2**62, None),
    ],
)
def test_the_time_at_which_kafka_took_a_record(
    timestamp: int | None, sent_at: datetime | None
) -> None:
    event = CloudEvent("1", "/x", "peygir.SessionOpened.v1", b"{}")
    data = SessionOpened(session_id="s", opened_at=datetime(2024, 3, 11, tzinfo=UTC))
    message = Message(Origin("t", 0, 0), event, data, "t", timestamp=timestamp)
    assert message.sent_at == sent_at


def test_a_request_is_committed_by_whom_and_by_what_it_was_made() -> None:
    authority = Authority("t-1", "board", "10.0.0.7", ("coordination",))
    by = Principal("c.ahmadi", frozenset({"coordination"}), authority=authority)
    context = requested(by)
    assert (context.kind, context.by, context.roles) == ("request", "c.ahmadi", ("coordination",))
    assert context.authority is authority
    assert requested(replace(by, authority=None)).authority is None
    assert replace(by, authority=None) == by, "it is the same person"
