"""What every side of a benchmark is given, and how it is counted."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from tests.component.harness import PARTITIONS

_HEADS: Final[list[tuple[str, str | bytes | None]]] = [
    ("ce_specversion", b"1.0"),
    ("ce_source", b"/bench"),
    ("ce_type", b"peygir.ResolutionApproved.v1"),
]


def approvals(count: int) -> list[tuple[bytes, bytes]]:
    """Keys and values of distinct approvals, some 450 bytes each."""
    text = "تکمیل و بهره‌برداری از طرح آبرسانی روستاهای بخش مرکزی تا پایان سال جاری. " * 2
    events = []
    for n in range(count):
        id_ = f"{uuid.uuid4()}"
        data = {
            "resolution_id": id_,
            "deputy": "civil",
            "title": f"طرح شماره {n}",
            "approved_at": "2026-11-01T06:30:00Z",
            "due_on": "2030-01-01",
            "session_id": "1402-IR-09",
            "province": "IR-09",
            "axis": "civil-infrastructure",
            "text": text,
        }
        events.append((id_.encode(), json.dumps(data, ensure_ascii=False).encode()))
    return events


def produce(producer: Producer, topic: str, key: bytes, value: bytes) -> None:
    """Hand an approval to a producer. Raises BufferError."""
    producer.produce(topic, value, key, headers=[*_HEADS, ("ce_id", key)])


def flood(bootstrap: str, topic: str, events: list[tuple[bytes, bytes]]) -> None:
    """Send all with a C client, so that sending is not what is measured."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "acks": "all"})
    for key, value in events:
        while True:
            try:
                produce(producer, topic, key, value)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()


async def until_out(bootstrap: str, topic: str, count: int) -> None:
    """Return when so many records stand in a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        while sum((await consumer.end_offsets(partitions)).values()) < count:
            await asyncio.sleep(0.02)
    finally:
        await consumer.stop()
