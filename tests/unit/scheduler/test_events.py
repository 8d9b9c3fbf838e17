"""The events of sessions and resolutions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from services.scheduler import events
from services.scheduler.domain.records import (
    Amended,
    Amendment,
    Approved,
    Attendee,
    Cancelled,
    Closed,
    Opened,
    Rescheduled,
    ResolutionFact,
    Scheduled,
    SessionFact,
    Withdrawn,
    approved,
    evolve,
    evolve_resolution,
    scheduled,
)
from shared.contracts.events import EVENTS
from shared.contracts.topics import Topics
from tests.unit.scheduler.examples import DEPUTY_IDS, NOW, gathering, opened, session, terms

TOPICS = Topics(DEPUTY_IDS, "t-")
APPROVED = Approved(NOW, "1402-IR-09-R001", "1402-IR-09", "provincial", terms(axis="crisis"))
MOVED = gathering().starts_at + timedelta(days=1)


def data_of(fact: SessionFact) -> dict[str, Any]:
    """The data of a fact that follows the beginning of a session with 36 resolutions."""
    before = replace(opened(), resolutions=36)
    event = events.to_event(evolve(before, fact), fact, TOPICS, None)
    EVENTS[event.type].from_json(event.data)
    data: dict[str, Any] = json.loads(event.data)
    return data


def test_the_event_of_a_scheduled_session_holds_all_of_it() -> None:
    planned = gathering(attendees=(Attendee("governor", "g.razavi", "استاندار"),))
    fact = Scheduled(NOW, planned)
    event = events.to_event(
        scheduled(fact), fact, TOPICS, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    )
    assert (event.topic, event.key, event.aggregate_id) == (
        *("t-peygir.sessions.v1", "1402-IR-09", "1402-IR-09"),
    )
    assert (event.version, event.time, event.trace) == (
        1,
        NOW,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    )
    assert json.loads(event.data) == {
        "session_id": "1402-IR-09",
        "kind": "provincial",
        "season": "1402",
        "provinces": ["IR-09"],
        "title": "نشست تخصصی استان خراسان رضوی",
        "starts_at": "2023-10-16T05:30:00.000Z",
        "ends_at": "2023-10-16T10:00:00.000Z",
        "mode": "in-person",
        "report_due_at": "2023-10-13T05:30:00.000Z",
        "attendees": [{"role": "governor", "id": "g.razavi", "name": "استاندار"}],
    }


def test_the_event_of_a_moved_session_holds_the_previous_start() -> None:
    fact = Rescheduled(NOW, MOVED, MOVED + timedelta(hours=4), gathering().starts_at, None, "برف")
    assert data_of(fact) == {
        "session_id": "1402-IR-09",
        "starts_at": "2023-10-17T05:30:00.000Z",
        "ends_at": "2023-10-17T09:30:00.000Z",
        "previous_starts_at": "2023-10-16T05:30:00.000Z",
        "reason": "برف",
    }


@pytest.mark.parametrize(
    ("fact", "data"),
    [
        (Cancelled(NOW, "برف"), {"cancelled_at": "2023-10-16T09:00:00.000Z", "reason": "برف"}),
        (Opened(NOW), {"opened_at": "2023-10-16T09:00:00.000Z"}),
        (
            Closed(NOW, "جمع‌بندی وزیر"),
            {
                "closed_at": "2023-10-16T09:00:00.000Z",
                "resolutions": 36,
                "summary": "جمع‌بندی وزیر",
            },
        ),
    ],
)
def test_each_fact_of_a_session_has_its_event(fact: SessionFact, data: dict[str, Any]) -> None:
    assert data_of(fact) == {"session_id": "1402-IR-09", **data}


def test_an_approval_is_published_on_the_topic_of_its_deputy_alone() -> None:
    event = events.resolution_to_event(approved(APPROVED), APPROVED, TOPICS, None)
    assert event.topic == "t-peygir.resolutions.v1.civil"
    assert event.key == event.aggregate_id == "1402-IR-09-R001"
    assert json.loads(event.data) == {
        "resolution_id": "1402-IR-09-R001",
        "deputy": "civil",
        "title": "تکمیل پل روستای سرآسیاب",
        "approved_at": "2023-10-16T09:00:00.000Z",
        "due_on": "2024-01-01",
        "session_id": "1402-IR-09",
        "session_kind": "provincial",
        "axis": "crisis",
        "supporting": [],
        "priority": "normal",
    }


@pytest.mark.parametrize(
    ("fact", "data"),
    [
        (
            Amended(NOW, Amendment(due_on=date(2024, 6, 1)), "برف"),
            {
                "amended_at": "2023-10-16T09:00:00.000Z",
                "due_on": "2024-06-01",
                "reason": "برف",
            },
        ),
        (Withdrawn(NOW, None), {"withdrawn_at": "2023-10-16T09:00:00.000Z"}),
    ],
)
def test_an_amendment_publishes_only_the_changed_fields(
    fact: ResolutionFact, data: dict[str, Any]
) -> None:
    after = evolve_resolution(approved(APPROVED), fact)
    event = events.resolution_to_event(after, fact, TOPICS, None)
    assert event.version == 2
    assert json.loads(event.data) == {
        "resolution_id": "1402-IR-09-R001",
        "deputy": "civil",
        **data,
    }


def test_the_same_fact_has_the_same_id_and_another_version_another() -> None:
    fact = Scheduled(NOW, gathering())
    first = events.to_event(session(), fact, TOPICS, None)
    again = events.to_event(session(), fact, TOPICS, "another trace")
    later = events.to_event(replace(session(), version=2), fact, TOPICS, None)
    assert first.id == again.id != later.id
