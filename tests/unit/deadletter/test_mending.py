"""Mending a message, and what is kept of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.contracts.envelope import read
from shared.contracts.events import ResolutionApproved, parse
from shared.contracts.topics import LARGEST_RECORD
from shared.messaging.core.model import Origin
from tests.unit.deadletter.builders import BINARY, STRUCTURED, TOPIC
from tests.unit.deadletter.test_rendering import APPROVED
from tools.deadletter.mending import (
    NotMendable,
    message_diff,
    set_body,
    set_fields,
    with_provenance,
)
from tools.deadletter.triage import MessageContent

ORIGIN = Origin(TOPIC, 0, 7)


def message(**changes: Any) -> MessageContent:
    data = {name: value for name, value in {**APPROVED, **changes}.items() if value is not None}
    return MessageContent(json.dumps(data, ensure_ascii=False).encode(), BINARY)


def fields(mended: MessageContent) -> dict[str, Any]:
    assert mended.value is not None
    found: dict[str, Any] = json.loads(mended.value)
    return found


def sign(mended: MessageContent) -> MessageContent:
    return with_provenance(mended, ORIGIN, "new", "س. کریمی", "جا افتاده بود")


def test_a_mended_message_has_no_signature_any_more() -> None:
    """Its source signed something else."""
    signed = MessageContent(message().value, (*BINARY, ("X-Signature", b"ed25519=AAAA")))
    mended = sign(set_fields(signed, ["title=پل"]))
    assert "x-signature" not in [name.lower() for name, _ in mended.headers]


def test_a_mended_message_has_a_new_id_and_says_where_it_comes_from() -> None:
    mended = sign(set_fields(message(title=None), ["title=پل کهنوج"]))
    headers = [(name, raw) for name, raw in mended.headers if raw is not None]
    event = read(headers, mended.value)
    data = parse(event)
    assert isinstance(data, ResolutionApproved)
    assert (event.id, event.source, data.title) == ("new", "/letters", "پل کهنوج")
    assert {name: raw.decode() for name, raw in headers if name.startswith("mended_")} == {
        "mended_from": f"{TOPIC}/0/7",
        "mended_by": "س. کریمی",
        "mended_because": "جا افتاده بود",
    }


def test_mending_again_replaces_the_names_of_the_one_before() -> None:
    twice = with_provenance(sign(message()), ORIGIN, "newer", "دیگری", "باز هم")
    assert [raw for name, raw in twice.headers if name == "ce_id"] == [b"newer"]
    assert [name for name, _ in twice.headers].count("mended_by") == 1


def test_a_value_is_json_unless_the_field_holds_text() -> None:
    before = message(number="12", supporting=["راه"], priority=None)
    after = set_fields(
        before,
        ["number=1403", 'title="۱"', "supporting.0=بهداشت", 'supporting=["نیرو", "راه"]', "axis=x"],
    )
    assert fields(after)["number"] == "1403"
    assert fields(after)["title"] == "۱"
    assert fields(after)["supporting"] == ["نیرو", "راه"]
    assert fields(after)["axis"] == "x"
    assert fields(set_fields(before, ["number=null"]))["number"] is None


def test_attributes_are_mended_where_the_mode_has_them() -> None:
    binary = set_fields(MessageContent(b"{}", (*BINARY, ("CE_TYPE", b"x"))), ["ce_type=y"])
    assert [h for h in binary.headers if h[0].lower() == "ce_type"] == [("ce_type", b"y")]
    event = {"specversion": "1.0", "id": "1", "source": "/s", "data": {"title": "a"}}
    structured = set_fields(
        MessageContent(json.dumps(event).encode(), STRUCTURED), ["ce_type=y", "title=b"]
    )
    assert fields(structured) == {**event, "type": "y", "data": {"title": "b"}}
    assert structured.headers == STRUCTURED


@pytest.mark.parametrize(
    "wrong", ["title", "=x", "supporting.3=x", "supporting.x=1", "title.a=1", "a.b=1"]
)
def test_a_change_that_goes_nowhere_is_refused(wrong: str) -> None:
    with pytest.raises(NotMendable):
        set_fields(message(supporting=["راه"]), [wrong])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"resolution_id": ', "no JSON"),
        (b"{}", "still invalid: resolution_id: Field required"),
        (b"x" * (LARGEST_RECORD + 1), "at most 1048576"),
    ],
)
def test_what_a_service_could_not_read_is_not_kept(body: bytes, told: str) -> None:
    with pytest.raises(NotMendable, match=told):
        sign(set_body(message(), body))


def test_fields_of_a_body_that_is_no_json_cannot_be_set() -> None:
    for value in (b"{", b"[]", None):
        with pytest.raises(NotMendable, match="give it whole"):
            set_fields(MessageContent(value, BINARY), ["title=x"])


def test_the_difference_is_unified_and_readable() -> None:
    before = message()
    told = message_diff(before, sign(set_fields(before, ["due_on=2024-07-01"]))).splitlines()
    assert told[:2] == ["--- before", "+++ mended"]
    changed = [line for line in told[2:] if line[0] in "+-"]
    assert changed == [
        "-ce_id: 1",
        "+ce_id: new",
        "+mended_because: جا افتاده بود",
        "+mended_by: س. کریمی",
        f"+mended_from: {TOPIC}/0/7",
        '-  "due_on": "2024-06-01"',
        '+  "due_on": "2024-07-01"',
    ]
    assert message_diff(before, before) == ""


def test_what_a_service_reads_as_structured_is_mended_so_whatever_its_headers() -> None:
    """A record without any header, and one that begins with a byte order mark."""
    envelope = {"specversion": "1.0", "id": "1", "source": "/letters"}
    document = {
        **envelope,
        "type": "peygir.ResolutionApproved.v1",
        "data": {**APPROVED, "title": 5},
    }
    for mark in (b"", b"\xef\xbb\xbf"):
        sent = MessageContent(mark + json.dumps(document).encode(), ())
        mended = sign(set_fields(sent, ["title=پل کهنوج", "ce_subject=r-1"]))
        event = read([(n, raw) for n, raw in mended.headers if raw is not None], mended.value)
        data = parse(event)
        assert isinstance(data, ResolutionApproved)
        assert (event.subject, data.title) == ("r-1", "پل کهنوج")
