"""What the tests of the envelope share: headers, members of a structured event, helpers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from shared.contracts.envelope import CloudEvent, Headers, Unreadable, read

VALUE = '{"title": "تکمیل کمربندی شمالی کرمان"}'.encode()
REQUIRED = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/letters"),
    ("ce_type", b"peygir.ResolutionWithdrawn.v1"),
]
STRUCTURED = [("content-type", b"application/cloudevents+json")]
ENVELOPE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/letters",
    "type": "peygir.ResolutionWithdrawn.v1",
}
OPTIONAL = ("subject", "time", "dataschema", "sequence", "traceparent")
WHEN = datetime(2024, 3, 11, 5, 30, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NULL = cast(bytes, None)  # Kafka's headers may be null, although its client's type excludes it


def structured(**members: Any) -> CloudEvent:
    return read(STRUCTURED, json.dumps({**ENVELOPE, "data": {}, **members}).encode())


def refusal(headers: Headers, value: bytes | None) -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        read(headers, value)
    return refused.value


def without(name: str) -> Headers:
    return [(header, text) for header, text in REQUIRED if header != name]
