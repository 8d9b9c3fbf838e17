"""Rejections: keyed by the source of the sender, with whatever could be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.contracts.envelope import CloudEvent, Headers, read
from tests.unit.messaging.fakes import Bench
from tests.unit.messaging.fakes_kafka import TOPIC, Record

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ATTRIBUTES = {
    "specversion": "1.0",
    "id": "n-119",
    "source": "/letters",
    "type": "peygir.ResolutionWithdrawn.v1",
    "subject": "مصوبهٔ ۱۲",
    "traceparent": TRACE,
}
STRUCTURED = ("content-type", b"application/cloudevents+json; charset=UTF-8")
DATA = {"resolution_id": "R-1", "deputy": "civil", "withdrawn_at": "2024-03-11T05:30:00Z"}


def binary(**changes: bytes | None) -> list[tuple[str, bytes]]:
    """The headers of binary mode, with changed attributes; None: without it."""
    texts: dict[str, Any] = {name: text.encode() for name, text in ATTRIBUTES.items()}
    return [(f"ce_{n}", raw) for n, raw in {**texts, **changes}.items() if raw is not None]


def body(**changes: Any) -> bytes:
    return json.dumps({**ATTRIBUTES, "data": DATA, **changes}).encode()


async def rejection(
    headers: Headers, value: bytes | None
) -> tuple[str, dict[str, Any], CloudEvent]:
    """The key of a record's rejection, its data and its event."""
    bench = Bench([Record(0, value, headers)])
    await bench.turn()
    (sent,) = [r for r in bench.sends.sent if r.topic == bench.topics.rejections]
    (letter,) = [r for r in bench.sends.sent if r.topic == bench.topics.deadletter("notify")]
    assert (letter.value, letter.headers[: len(headers)]) == (value, list(headers))
    event = read(sent.headers, sent.value)
    return (sent.key or b"").decode(), json.loads(sent.value or b""), event


BROKEN: dict[str, tuple[list[tuple[str, bytes]], bytes | None, str]] = {
    "no id": (binary(id=None), b"{}", "missing-attribute"),
    "an empty id": (binary(id=b""), b"{}", "missing-attribute"),
    "an id of two values": ([*binary(), ("CE_ID", b"2")], b"{}", "invalid-attribute"),
    "an id that is no UTF-8": (binary(id=b"\xff"), b"{}", "invalid-attribute"),
    "an endless id": (binary(id=b"1" * 1_025), b"{}", "invalid-attribute"),
    "no version": (binary(specversion=None), b"{}", "missing-attribute"),
    "another version": (binary(specversion=b"0.3"), b"{}", "unsupported-version"),
    "no type": (binary(type=None), b"{}", "missing-attribute"),
    "a type of nobody": (binary(type=b"peygir.Other.v1"), b"{}", "unknown-type"),
    "no value": (binary(), None, "null-value"),
    "no value in structured mode": ([STRUCTURED, *binary()], None, "null-value"),
    "a value that is no JSON": (binary(), b"{", "broken-json"),
    "a value of UTF-16": (binary(), "{}".encode("utf-16"), "broken-json"),
    "data that is not so": (binary(), b"{}", "invalid"),
    "a batch": (
        [("content-type", b"application/cloudevents-batch+json")],
        b"[" + body() + b"]",
        "unsupported-content-type",
    ),
    "a document that breaks off": ([STRUCTURED], body()[:-9], "broken-json"),
    "a broken document beside headers": ([STRUCTURED, *binary()], b"{", "broken-json"),
    "a number for an id": ([STRUCTURED], body(id=119), "invalid-attribute"),
    "null for an id": ([STRUCTURED], body(id=None), "missing-attribute"),
    "another version in a document": ([STRUCTURED], body(specversion="0.3"), "unsupported-version"),
    "a document of another content type": (
        [("content-type", b"application/json")],
        body(),
        "missing-attribute",
    ),
    "data that is text": ([STRUCTURED], body(data=json.dumps(DATA)), "invalid"),
    "data that is not so in structured mode": ([STRUCTURED], body(data={}), "invalid"),
}


@pytest.mark.parametrize(("headers", "value", "reason"), BROKEN.values(), ids=BROKEN)
async def test_a_sender_finds_its_mistake_under_its_source(
    headers: list[tuple[str, bytes]], value: bytes | None, reason: str
) -> None:
    key, data, event = await rejection(headers, value)

    assert key == data["source"] == ATTRIBUTES["source"]
    assert (data["topic"], data["partition"], data["offset"]) == (TOPIC, 0, 0)
    assert (data["reason"], data["service"]) == (reason, "notify")
    assert data.get("subject") == ATTRIBUTES["subject"]
    assert data.get("id") in {ATTRIBUTES["id"], None}
    assert data.get("type") in {ATTRIBUTES["type"], "peygir.Other.v1", None}
    assert (event.source, event.subject, event.traceparent) == (
        "urn:peygir:notify",
        data.get("id"),
        TRACE,
    )


@pytest.mark.parametrize("source", [None, b"", b"\xff", b"a\nb", b"x" * 1_025])
async def test_a_record_without_a_valid_source_is_keyed_unknown(source: bytes | None) -> None:
    key, data, _ = await rejection(binary(source=source), b"{}")

    assert key == "unknown"
    assert "source" not in data
    assert (data["id"], data["type"]) == (ATTRIBUTES["id"], ATTRIBUTES["type"])


async def test_an_invalid_trace_is_left_out() -> None:
    _, _, event = await rejection(binary(traceparent=b"00-1-2-01"), b"{}")

    assert event.traceparent is None
