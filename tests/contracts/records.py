"""Records that anybody may send: valid ones, foreign ones and garbage."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from shared.contracts.envelope import CloudEvent, rfc3339
from shared.contracts.events import EVENTS
from tests.contracts import samples

_CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), *range(0xFDD0, 0xFDF0)]))
_NONCHARACTERS = "".join(chr(p << 16 | end) for p in range(17) for end in (0xFFFE, 0xFFFF))
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_OURS = frozenset(
    {
        "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time",
        "ce_dataschema", "ce_sequence", "ce_traceparent", "content-type",
    }
)  # fmt: skip


def _is_foreign(name: str) -> bool:
    return name.lower() not in _OURS


types = st.sampled_from(sorted(EVENTS))
texts = st.text(
    st.characters(codec="utf-8", exclude_characters=_CONTROLS + _NONCHARACTERS),
    min_size=1,
    max_size=40,
)
instants = st.integers(0, int(timedelta(days=3_650_000).total_seconds()) * 1_000).map(
    lambda milliseconds: _FIRST + timedelta(milliseconds=milliseconds)
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
documents = st.one_of(
    st.dictionaries(st.text(max_size=8), json_values, max_size=5),
    st.sampled_from([sample.data for sample in samples.every()]),
)


traces = st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255)).map(
    lambda ids: f"00-{ids[0]:032x}-{ids[1]:016x}-{ids[2]:02x}"
)


@st.composite
def events(draw: st.DrawFn) -> CloudEvent:
    """An event with any attributes that CloudEvents allows."""
    return CloudEvent(
        id=draw(texts),
        source=draw(texts),
        type=draw(types | texts),
        data=json.dumps(draw(documents), ensure_ascii=draw(st.booleans())).encode(),
        subject=draw(st.none() | texts),
        time=draw(st.none() | instants),
        dataschema=draw(st.none() | texts),
        sequence=draw(st.none() | st.integers(0, 10**18 - 1)),
        traceparent=draw(st.none() | traces),
    )


_foreign_names: st.SearchStrategy[str] = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["x-error", "traceparent", "ce_partitionkey", "ce_", "ce", "contenttype"]),
).filter(_is_foreign)
foreign_headers = st.lists(st.tuples(_foreign_names, st.binary(max_size=30)), max_size=6)

_our_headers = st.sampled_from(sorted(_OURS))
_header_values = st.one_of(
    st.binary(max_size=30),
    st.text(max_size=30).map(str.encode),
    st.sampled_from(
        [
            b"1.0", b"application/cloudevents+json", b"application/json", b"0000000001",
            b"2024-03-11T05:30:00Z", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00",
        ]
    ),
    types.map(str.encode),
)  # fmt: skip
garbage_headers = st.lists(
    st.tuples(_our_headers | st.text(max_size=20), _header_values | st.none()), max_size=14
)
_required = st.fixed_dictionaries(
    {
        "ce_specversion": st.just(b"1.0"),
        "ce_id": st.just(b"1"),
        "ce_source": st.just(b"/letters"),
        "ce_type": types.map(str.encode),
    }
).map(lambda headers: list(headers.items()))
nearly_proper_headers = st.tuples(_required, garbage_headers).map(lambda two: two[0] + two[1])
NEAR_VALUES: tuple[Any, ...] = (
    None, "", " ", "\u200c", "0", "1", 0, 1, -1, 1.0, 0.5, 1.5, 2**53 - 1, 2**53, True, [], {},
    "a", "a" * 50, "a" * 51, "م" * 200, "م" * 201, "م" * 500, "م" * 501, "م" * 20_001, "IR-00",
    "IR-31", "2024-03-11", "1402-12-21", "2024-02-30", "2199-12-31", "2200-01-01", 1710135000,
    "1710135000", "2024-03-11T05:30:00Z", "2024-03-11T05:30:00", "2024-03-11T05:30:00.5+0330",
    "2024-03-11T25:30:00Z", "1899-12-31T23:00:00-03:30", "normal", "urgent", "visit", "a|b",
    "a b", ["متن"], [""], [1], [None], "0" * 64,
)  # fmt: skip
"""Values near the limits of fields."""


@st.composite
def mutated_data(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A type and its recorded data with one field, at any depth, replaced."""
    sample = draw(st.sampled_from(samples.every()))
    document = json.loads(sample.event.data)
    part = document
    while True:
        name = draw(st.sampled_from(sorted(part)))
        inner = part[name][0] if isinstance(part[name], list) and part[name] else part[name]
        if not isinstance(inner, dict) or draw(st.booleans()):
            break
        part = inner
    if draw(st.booleans()):
        part[name] = draw(json_values | st.sampled_from(NEAR_VALUES))
    else:
        del part[name]
    return sample.event.type, document


def structured(event: CloudEvent) -> bytes:
    """The same event as the value of structured mode (JSON event format 1.0)."""
    members: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "datacontenttype": "application/json",
        "subject": event.subject,
        "time": None if event.time is None else rfc3339(event.time),
        "dataschema": event.dataschema,
        "sequence": None if event.sequence is None else f"{event.sequence:010}",
        "traceparent": event.traceparent,
        "data": json.loads(event.data),
    }
    return json.dumps({n: v for n, v in members.items() if v is not None or n == "data"}).encode()
