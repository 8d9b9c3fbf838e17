"""Forgiving decoding, compared with aiokafka's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.kafka import consumers
from shared.messaging.kafka.decoding import ForgivingRecords
from tests.odd_names import GZIP, NONE, Name, batch_builder

Header = tuple[bytes, bytes | None]


def fetched(records: Sequence[Sequence[Header]], compression: int = NONE) -> bytes:
    """What Kafka answers: one batch of records with such headers."""
    builder = batch_builder(compression)
    for offset, headers in enumerate(records):
        sent = [(Name(name), value) for name, value in headers]
        builder.append(offset, 0, b"key", b"%d" % offset, sent)
    return bytes(builder.build())


def read(records: Any) -> list[tuple[int, bytes, list[tuple[str, bytes | None]]]]:
    found = []
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        found += [(record.offset, record.value, list(record.headers)) for record in batch]
    return found


@pytest.mark.parametrize("compression", [NONE, GZIP])
def test_a_header_name_that_is_not_utf_8_shows_its_bytes_escaped(compression: int) -> None:
    data = fetched([[(b"a", b"1")], [(b"na\xffme", b"\xff")], [(b"b", None)]], compression)
    with pytest.raises(UnicodeDecodeError):
        read(MemoryRecords(data))
    assert read(ForgivingRecords(data)) == [
        (0, b"0", [("a", b"1")]),
        (1, b"1", [("na\\xffme", b"\xff")]),
        (2, b"2", [("b", None)]),
    ]


@given(
    st.lists(st.lists(st.tuples(st.binary(max_size=6), st.none() | st.binary(max_size=6)))),
    st.sampled_from((NONE, GZIP)),
)
def test_every_record_is_read_with_its_values_whatever_the_header_names(
    records: list[list[Header]], compression: int
) -> None:
    found = read(ForgivingRecords(fetched(records, compression)))
    assert [(offset, value) for offset, value, _ in found] == [
        (offset, b"%d" % offset) for offset in range(len(records))
    ]
    for (_, _, headers), sent in zip(found, records, strict=True):
        assert [value for _, value in headers] == [value for _, value in sent]
        for (name, _), (raw, _) in zip(headers, sent, strict=True):
            assert name == raw.decode(errors="backslashreplace")


async def test_a_partition_that_was_taken_away_has_no_known_end() -> None:
    kept, lost = TopicPartition("t", 0), TopicPartition("t", 1)
    consumer = consumers.ForgivingConsumer(bootstrap_servers="localhost:1")
    consumer.assign([kept])
    with pytest.raises(AssertionError):
        AIOKafkaConsumer.last_stable_offset(consumer, lost)
    assert [consumer.end(partition) for partition in (kept, lost)] == [None, None]
