"""What services write to Kafka: the notes of dead letters, rejections, and headers of events."""

from __future__ import annotations

import json
from typing import cast
from unicodedata import category

from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent as PeersEvent
from hypothesis import example, given

from shared.contracts.envelope import CloudEvent, read, write
from shared.contracts.topics import Topics
from shared.messaging.core.model import Refusal
from shared.messaging.inbound.deadletters import ERROR, NOTES, DeadLetter, DeadLetters
from shared.messaging.kafka.publisher import Publisher
from shared.runtime.safe_text import one_line
from tests.unit.messaging.fakes import Clock
from tests.unit.messaging.fakes_kafka import BEGUN, Record, Sends, record
from tests.unit.written.any_text import ANY_TEXT

NOT_IN_STRINGS = ("Cc", "Cs")  # nor a noncharacter (CloudEvents 1.0, type system)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def is_nonchar(character: str) -> bool:
    return "\ufdd0" <= character <= "\ufdef" or ord(character) & 0xFFFE == 0xFFFE


def peers(headers: list[tuple[str, bytes]], value: bytes) -> PeersEvent:
    """The event as the CloudEvents SDK reads it."""
    message = kafka.KafkaMessage(headers=dict(headers), key=None, value=value)
    return cast(PeersEvent, kafka.from_binary_event(message))


@given(ANY_TEXT)
@example("two\nlines\x1b[2J\ud800")
async def test_a_reason_is_one_line_of_text_in_a_dead_letter_and_a_rejection(detail: str) -> None:
    sends = Sends()
    letters = DeadLetters(
        service="notify",
        source="urn:peygir:notify",
        topics=Topics(["civil"]),
        publisher=cast(Publisher, sends),
        clock=Clock(),
    )
    original = record(7)
    odd = Record(
        7, original.value, [*original.headers, ("x\u202e", b"\xff\x00"), (ERROR, b"theirs")]
    )
    letter = DeadLetter(odd, Refusal("invalid", detail), 1)
    assert await letters.send([letter]) == [None]
    assert await letters.reject([letter]) == [None]
    dead, rejection = sends.sent
    assert (dead.key, dead.value) == (odd.key, odd.value)
    assert list(dead.headers[: len(odd.headers)]) == odd.headers
    notes = dict(dead.headers[len(odd.headers) :])
    assert notes.keys() == NOTES
    reason = one_line(detail[:2_000])
    assert notes[ERROR].decode() == reason
    assert all(len(raw.decode().splitlines()) <= 1 for raw in notes.values())
    assert rejection.value is not None
    assert json.loads(rejection.value).get("detail", "") == reason
    peer = peers(list(rejection.headers), rejection.value)
    assert (peer.get_subject(), peer.get_source()) == ("7", "urn:peygir:notify")


@given(ANY_TEXT.filter(bool))
@example("نامه\x7f")
@example("\ufdd0")
def test_a_subject_that_is_no_string_of_cloudevents_is_left_out(subject: str) -> None:
    event = CloudEvent("i", "/s", "t", b"{}", subject[:1_000], BEGUN, sequence=1, traceparent=TRACE)
    headers, value = write(event)
    is_string = not set(NOT_IN_STRINGS).intersection(map(category, event.subject or ""))
    kept = event.subject if is_string and not any(map(is_nonchar, subject[:1_000])) else None
    assert peers(headers, value).get_subject() == kept
    assert read(headers, value).subject == peers(headers, value).get_subject()
