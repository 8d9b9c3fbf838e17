"""Today's code reads every recorded message."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from shared.contracts.envelope import CloudEvent, write
from shared.contracts.events import EVENTS, EventData, ResolutionApproved, parse
from shared.contracts.topics import Topics
from tests.contracts import samples
from tests.contracts.samples import Sample
from tools.schemas import SAMPLES

events = pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.__name__)


@pytest.mark.parametrize("sample", samples.every(), ids=lambda sample: sample.name)
def test_a_recorded_message_is_read(sample: Sample) -> None:
    data = parse(sample.event)

    assert sample.event.type == data.TYPE
    assert sample.name.startswith(type(data).__name__)


@events
def test_no_field_of_the_first_sample_is_lost(event: type[EventData]) -> None:
    sample = samples.of(event)

    assert json.loads(parse(sample.event).to_json()) == sample.data


@events
def test_the_samples_together_have_every_field(event: type[EventData]) -> None:
    """A field that was added later has its own sample."""
    fields = {
        field
        for sample in samples.every()
        if sample.event.type == event.TYPE
        for field, value in sample.data.items()
        if value is not None
    }

    assert fields >= set(event.model_fields)


@events
def test_the_first_sample_is_written_unchanged(event: type[EventData]) -> None:
    sample = samples.of(event)
    read = sample.event
    data = parse(read).to_json()

    headers, value = write(
        CloudEvent(
            id=read.id,
            source=read.source,
            type=event.TYPE,
            data=data,
            subject=read.subject,
            time=read.time,
            dataschema=event.DATASCHEMA,
            sequence=read.sequence,
            traceparent=read.traceparent,
        )
    )

    assert sorted(headers) == sorted(sample.headers)
    assert json.loads(value) == sample.data


@events
def test_the_key_is_the_field_that_the_topic_names(event: type[EventData]) -> None:
    sample = samples.of(event)
    keys = {spec.key_of(event) for spec in Topics(["civil"]).all() if event in spec.events}

    assert len(keys) == 1
    field = keys.pop()
    assert sample.key == sample.data["source" if field == "ce_source" else field]


def test_every_sample_belongs_to_an_event() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {
        f"{event.__name__}.v1" for event in EVENTS.values()
    }


def test_a_structured_message_of_another_system() -> None:
    sample = samples.of(ResolutionApproved, 2)

    assert sample.event.id == "شورا-۱۴۰۲-۹"
    assert sample.event.source == "https://shora.example/dabirkhane"
    assert (sample.event.time, sample.event.sequence, sample.event.subject) == (None, None, None)
    assert parse(sample.event) == ResolutionApproved(
        resolution_id="ش-۱۴۰۲-۹",
        deputy="crisis",
        title="پایش گسل‌های تهران",
        approved_at=datetime(2024, 3, 11, 5, 30, tzinfo=UTC),
        due_on=date(2024, 9, 21),
    )


def test_a_binary_message_of_another_system_with_nulls_and_unknown_fields() -> None:
    approved = parse(samples.of(ResolutionApproved, 3).event)

    assert isinstance(approved, ResolutionApproved)
    assert (approved.supporting, approved.priority) == ((), "normal")
    assert approved.title == "توسعهٔ مراکز مشاوره"
    assert approved.approved_at == datetime(2024, 3, 11, 5, 30, tzinfo=UTC)
