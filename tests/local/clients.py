"""What outside clients do with a Kafka and a MongoDB, given their addresses."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pymongo import MongoClient

_SECONDS = 20


def create_topic(bootstrap: str, name: str, copies: int = 1) -> None:
    """One partition of so many copies."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1, copies)])[name].result(timeout=_SECONDS)


def topics(bootstrap: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=_SECONDS).topics)


def send(bootstrap: str, topic: str, value: str, *, seconds: float = _SECONDS) -> bool:
    """Whether Kafka acknowledged it within so many seconds."""
    refusals: list[KafkaError] = []

    def heard(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refusals.append(error)

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,  # and so acks=all
            "message.timeout.ms": int(seconds * 1000),
            # A leader that is cut off from its peers would be waited for half a minute, and no
            # other looked for in five.
            "request.timeout.ms": 3_000,
            "topic.metadata.refresh.interval.ms": 1_000,
        }
    )
    producer.produce(topic, value, on_delivery=heard)
    return producer.flush(2 * seconds) == 0 and not refusals


def read_all(bootstrap: str, topic: str, seconds: float = _SECONDS) -> list[str]:
    """Every value of a topic of one partition, oldest first; each may take so many seconds."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=_SECONDS)
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[str] = []
    while len(values) < end:
        message = consumer.poll(seconds)
        assert message is not None, f"{len(values)} of {end} records came"
        values.append((message.value() or b"").decode("utf-8"))
    consumer.close()
    return values


def mongo(uri: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, serverSelectionTimeoutMS=_SECONDS * 1000)
