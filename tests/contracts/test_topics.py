"""The topics: the names that other systems know, their settings, their owners."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError

from shared.contracts.events import (
    EVENTS,
    EventData,
    EventRejected,
    FollowupAmended,
    FollowupOpened,
    ResolutionAmended,
    ResolutionApproved,
)
from shared.contracts.reference import DEPUTIES
from shared.contracts.services import SERVICES
from shared.contracts.topics import (
    LARGEST_DEAD_LETTER,
    LARGEST_RECORD,
    Topics,
    TopicSpec,
)
from tests.contracts import samples

EVERYBODY = [deputy.id for deputy in DEPUTIES]
TWO = Topics(["civil", "crisis"])


def spec_of(name: str) -> TopicSpec:
    return {spec.name: spec for spec in TWO.all()}[name]


def test_the_names_are_exactly_these() -> None:
    assert [spec.name for spec in TWO.all()] == [
        "peygir.sessions.v1",
        "peygir.circulars.v1",
        "peygir.reports.v1",
        "peygir.reports.v1.restricted",
        "peygir.resolutions.v1.civil",
        "peygir.resolutions.v1.crisis",
        "peygir.followups.v1.civil",
        "peygir.followups.v1.crisis",
        "peygir.notices.v1",
        "peygir.rejections.v1",
        "peygir.scheduler.deadletter.v1",
        "peygir.reports.deadletter.v1",
        "peygir.followups.deadletter.v1",
        "peygir.notify.deadletter.v1",
        "peygir.scheduler.replay.v1",
        "peygir.reports.replay.v1",
        "peygir.followups.replay.v1",
        "peygir.notify.replay.v1",
    ]


def test_named_and_declared_topics_are_the_same() -> None:
    named = {
        *(TWO.sessions, TWO.circulars, TWO.reports, TWO.reports_restricted),
        *(TWO.notices, TWO.rejections),
        *(TWO.resolutions(deputy) for deputy in TWO.deputies),
        *(TWO.followups(deputy) for deputy in TWO.deputies),
        *(TWO.deadletter(service) for service in SERVICES),
        *(TWO.replay(service) for service in SERVICES),
    }

    assert {spec.name for spec in TWO.all()} == named


@pytest.mark.parametrize("namespace", ["", "test-", "t0123456789"])
def test_a_namespace_precedes_every_name(namespace: str) -> None:
    plain = [spec.name for spec in Topics(EVERYBODY).all()]

    assert [spec.name for spec in Topics(EVERYBODY, namespace).all()] == [
        f"{namespace}{name}" for name in plain
    ]


def test_kafka_accepts_every_name() -> None:
    names = [spec.name for spec in Topics(EVERYBODY, "a" * 20).all()]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-zA-Z0-9.-]{1,249}", name) for name in names)


def test_nothing_is_ever_deleted_by_kafka() -> None:
    for spec in TWO.all():
        assert (spec.config["cleanup.policy"], spec.config["retention.ms"]) == ("delete", "-1")


def test_a_dead_letter_has_room_for_its_notes() -> None:
    assert LARGEST_DEAD_LETTER == LARGEST_RECORD + 64 * 1024
    for spec in TWO.all():
        takes_whole_records = ".deadletter." in spec.name or ".replay." in spec.name
        size = LARGEST_DEAD_LETTER if takes_whole_records else LARGEST_RECORD
        assert spec.config["max.message.bytes"] == str(size)


def test_a_records_size_is_measured_uncompressed() -> None:
    for spec in TWO.all():
        assert spec.config["compression.type"] == "uncompressed"


def test_a_lagging_replica_never_truncates_acknowledged_records() -> None:
    for spec in TWO.all():
        assert spec.config["unclean.leader.election.enable"] == "false"


def test_records_have_the_brokers_time() -> None:
    for spec in TWO.all():
        assert spec.config["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize(("copies", "holding"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_a_record_is_acknowledged_when_most_copies_have_it(copies: int, holding: int) -> None:
    for spec in TWO.all():
        config = spec.config_with(copies)
        assert config == {**spec.config, "min.insync.replicas": str(holding)}


@pytest.mark.parametrize(
    "event", [ResolutionApproved, ResolutionAmended, FollowupOpened, FollowupAmended]
)
def test_the_longest_resolution_fits_its_topic(event: type[EventData]) -> None:
    """A character that JSON escapes has six bytes; headers and key have less than 64 KiB."""
    lengths = {"title": 500, "text": 20_000, "reason": 20_000, "executing_body": 200, "number": 200}
    texts = {name: "\x01" * n for name, n in lengths.items() if name in event.model_fields}
    bodies = ["\x01" * 200] * 100
    known = {**samples.of(event).data, **texts}

    longest = event.from_json(json.dumps({**known, "supporting": bodies}).encode())

    assert len(longest.to_json()) + 64 * 1024 < LARGEST_RECORD
    with pytest.raises(ValidationError, match="supporting"):
        event.from_json(json.dumps({**known, "supporting": [*bodies, "x"]}).encode())


def test_every_event_has_its_topic() -> None:
    assert {event for spec in TWO.all() for event in spec.events} == set(EVENTS.values())


def test_the_owners() -> None:
    assert spec_of("peygir.sessions.v1").owner == "scheduler"
    assert spec_of("peygir.circulars.v1").owner == "reports"
    assert spec_of("peygir.reports.v1").owner == "reports"
    assert spec_of("peygir.followups.v1.civil").owner == "followups"
    assert spec_of("peygir.notices.v1").owner == "notify"
    assert spec_of("peygir.notify.deadletter.v1").owner == "notify"
    assert spec_of("peygir.rejections.v1").events == (EventRejected,)


def test_the_key_of_an_event_is_among_its_fields() -> None:
    for spec in TWO.all():
        for event in spec.events:
            key = spec.key_of(event)
            field = "source" if key == "ce_source" else key
            assert field in event.model_fields
