"""The CloudEvents SDK and this code read what the other writes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent as PeersEvent
from hypothesis import given

from shared.contracts.envelope import CloudEvent, read, rfc3339, write
from shared.contracts.events import EVENTS, EventData, parse
from tests.contracts import records, samples

events = pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.__name__)
JSON = {"content-type": b"application/cloudevents+json"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOON = datetime(2024, 3, 11, 12, tzinfo=UTC)
timed = records.events().map(lambda event: replace(event, time=event.time or NOON))
"""The SDK sets the current time if there is none."""


def _of_the_peer(event: type[EventData]) -> PeersEvent:
    sample = samples.of(event)
    return PeersEvent(
        {
            "id": sample.event.id,
            "source": sample.event.source,
            "type": sample.event.type,
            "subject": sample.event.subject,
            "time": sample.event.time,
            "dataschema": sample.event.dataschema,
            "datacontenttype": "application/json",
            "sequence": "0000000007",
            "traceparent": sample.event.traceparent or TRACE,
            "comexampleother": "\u067e\u06cc\u06af\u06cc\u0631",
        },
        sample.data,
    )


def _is_the_sample(event: CloudEvent, of: type[EventData]) -> None:
    sample = samples.of(of)
    assert event.sequence == 7
    assert (event.id, event.source, event.type, event.subject, event.time, event.dataschema) == (
        sample.event.id,
        sample.event.source,
        sample.event.type,
        sample.event.subject,
        sample.event.time,
        sample.event.dataschema,
    )
    assert parse(event) == parse(sample.event)


@events
def test_we_read_its_binary_mode(event: type[EventData]) -> None:
    message = kafka.to_binary_event(_of_the_peer(event))

    _is_the_sample(read(list(message.headers.items()), message.value), event)


@events
def test_we_read_its_structured_mode(event: type[EventData]) -> None:
    message = kafka.to_structured_event(_of_the_peer(event))

    _is_the_sample(read(list(message.headers.items()), message.value), event)


@events
def test_it_reads_our_binary_mode(event: type[EventData]) -> None:
    sample = samples.of(event).event
    headers, value = write(sample)

    theirs = kafka.from_kafka_event(kafka.KafkaMessage(dict(headers), None, value))

    assert theirs.get_specversion() == "1.0"
    assert theirs.get_id() == sample.id
    assert theirs.get_source() == sample.source
    assert theirs.get_type() == sample.type
    assert theirs.get_subject() == sample.subject
    assert theirs.get_time() == sample.time
    assert theirs.get_dataschema() == sample.dataschema
    assert theirs.get_datacontenttype() == "application/json"
    if sample.sequence is not None:
        assert theirs.get_extension("sequence") == f"{sample.sequence:010}"
    assert theirs.get_extension("traceparent") == sample.traceparent
    assert theirs.get_data() == samples.of(event).data


@events
def test_it_and_we_read_the_same_structured_record(event: type[EventData]) -> None:
    ours = samples.of(event).event
    value = records.structured(ours)

    theirs = kafka.from_kafka_event(kafka.KafkaMessage(JSON, None, value))

    again = read(list(JSON.items()), value)
    assert (theirs.get_id(), theirs.get_source()) == (again.id, again.source)
    assert theirs.get_time() == again.time == ours.time
    assert theirs.get_data() == json.loads(again.data) == samples.of(event).data


@given(timed)
def test_we_read_the_same_of_whatever_it_writes(event: CloudEvent) -> None:
    optional: dict[str, Any] = {
        "subject": event.subject,
        "time": event.time,
        "dataschema": event.dataschema,
        "sequence": None if event.sequence is None else f"{event.sequence:010}",
        "traceparent": event.traceparent,
    }
    required = {"id": event.id, "source": event.source, "type": event.type}
    sent = {name: value for name, value in optional.items() if value is not None}
    peers = PeersEvent(
        {**required, **sent, "datacontenttype": "application/json"}, json.loads(event.data)
    )

    for message in (kafka.to_binary_event(peers), kafka.to_structured_event(peers)):
        again = read(list(message.headers.items()), message.value)

        assert json.loads(again.data) == json.loads(event.data)
        assert replace(again, data=event.data) == event


@given(timed)
def test_it_reads_the_same_of_whatever_we_write(event: CloudEvent) -> None:
    headers, value = write(event)

    theirs = kafka.from_kafka_event(kafka.KafkaMessage(dict(headers), None, value))

    sequence = theirs.get_extension("sequence")
    assert theirs.get_data() == json.loads(event.data)
    assert event == CloudEvent(
        id=theirs.get_id(),
        source=theirs.get_source(),
        type=theirs.get_type(),
        data=event.data,
        subject=theirs.get_subject(),
        time=theirs.get_time(),
        dataschema=theirs.get_dataschema(),
        sequence=None if sequence is None else int(sequence),
        traceparent=theirs.get_extension("traceparent"),
    )


def test_its_bytes_as_data_arrive_as_base64() -> None:
    value = '{"title": "نشست"}'.encode()
    event = PeersEvent({"id": "1", "source": "/letters", "type": "x"}, value)
    message = kafka.to_structured_event(event)

    assert read(list(message.headers.items()), message.value).data == value


def test_its_times_in_any_offset() -> None:
    instant = datetime.fromisoformat("2024-03-11T09:00:00.5+03:30")
    attributes = {"id": "1", "source": "/letters", "type": "x", "time": instant}

    for message in (
        kafka.to_binary_event(PeersEvent(dict(attributes), {})),
        kafka.to_structured_event(PeersEvent(dict(attributes), {})),
    ):
        time = read(list(message.headers.items()), message.value).time
        assert time == datetime(2024, 3, 11, 5, 30, 0, 500_000, tzinfo=UTC)
        assert rfc3339(instant) == "2024-03-11T05:30:00.500Z"
