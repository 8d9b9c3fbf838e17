"""Reads what topics, databases and the API hold into a history, without any service's code."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as Partition
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from pymongo import MongoClient

from tests.promise.history import (
    Arrived,
    Committed,
    Effect,
    Lag,
    Letter,
    Level,
    Place,
    State,
    Told,
)

PATIENCE_SECONDS: Final = 60.0

_MARKS: Final[Mapping[str, str]] = {
    "FollowupAmended": "amendment",
    "FollowupClosed": "outcome",
    "FollowupAcknowledged": "note",
    "FollowupProgressed": "note",
    "FollowupCompleted": "note",
    "FollowupVerified": "note",
}
"""What tells an event from others of its type about the same resolution."""


def everything(bootstrap: str, topics: Sequence[str]) -> list[Message]:
    """All committed records of topics up to their last stable offsets, in order. Blocks."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        known = consumer.list_topics(timeout=30).topics
        left = {(name, p) for name in topics for p in known[name].partitions}
        consumer.assign([TopicPartition(name, p, 0) for name, p in sorted(left)])
        found: list[Message] = []
        until = time.monotonic() + PATIENCE_SECONDS
        while left:
            assert time.monotonic() < until, f"not read to their ends: {sorted(left)}"
            for message in consumer.consume(1_000, timeout=1.0):
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard((text(message.topic()), message.partition() or 0))
                elif error.fatal():
                    raise KafkaException(error)
    finally:
        consumer.close()
    return sorted(found, key=place_of)


def place_of(message: Message) -> Place:
    """Where a record stands."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return Place(text(message.topic()), partition, offset)


def arrived(messages: Iterable[Message]) -> Iterator[Arrived]:
    """Records of the input topics."""
    for message in messages:
        id_ = text(_headers(message).get("ce_id"))
        yield Arrived(place_of(message), id_, text(message.key()))


def told(messages: Iterable[Message]) -> Iterator[Told]:
    """Events of follow-ups."""
    for message in messages:
        headers = {name: text(raw) for name, raw in _headers(message).items()}
        value = message.value()
        assert isinstance(value, bytes)
        type_ = headers["ce_type"].split(".")[1]
        data = json.loads(value)
        about, effect, level = data["resolution_id"], None, None
        if type_ == "FollowupOverdue":
            level = Level(about, data["due_on"], data["level"])
        else:
            mark = data.get(_MARKS[type_]) if type_ in _MARKS else None
            effect = Effect(type_, about, mark or "")
        yield Told(
            place=place_of(message),
            id=headers["ce_id"],
            type=type_,
            key=text(message.key()),
            aggregate=data["followup_id"],
            version=int(headers["ce_sequence"]),
            effect=effect,
            level=level,
            content=hashlib.sha256(value).hexdigest()[:16],
        )


def letters(messages: Iterable[Message], topics: Iterable[str]) -> Iterator[Letter]:
    """Dead letters of what came from these topics."""
    wanted = set(topics)
    for message in messages:
        headers = {name: text(raw) for name, raw in _headers(message).items()}
        origin = Place(
            headers["x-origin-topic"],
            int(headers["x-origin-partition"]),
            int(headers["x-origin-offset"]),
        )
        if origin.topic in wanted:
            yield Letter(origin, headers["x-error-type"])


class Databases:
    """What the databases of some deputies hold; a context manager. Its calls block."""

    def __init__(self, uri: str, names: Mapping[str, str]) -> None:
        """`names` holds each deputy's database, and the topic that tells its follow-ups."""
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri, tz_aware=True)
        self._names = names

    def close(self) -> None:
        self._client.close()

    def committed(self) -> Iterator[Committed]:
        """Every event of every commit record."""
        wanted = {f"events.{name}": 1 for name in ("id", "topic", "aggregate_id", "version")}
        for name in self._names:
            for record in self._client[name]["commits"].find({}, wanted):
                for event in record["events"]:
                    yield Committed(
                        name, event["topic"], event["id"], event["aggregate_id"], event["version"]
                    )

    def states(self) -> Iterator[State]:
        """Every follow-up."""
        for name, topic in self._names.items():
            wanted = {"resolution_id": 1, "version": 1}
            for item in self._client[name]["followups"].find({}, wanted):
                yield State(name, item["_id"], item["resolution_id"], item["version"], topic)

    def pending(self) -> Iterator[str]:
        """Every commit record whose events were not published."""
        for name in self._names:
            for record in self._client[name]["commits"].find({"pending": True}, {"_id": 1}):
                yield f"{name} {record['_id']}"

    def by_clock(self) -> int:
        """How many events time has brought about."""
        wanted = {"kind": "clock"}, {"events.id": 1}
        return sum(
            len(record["events"])
            for name in self._names
            for record in self._client[name]["commits"].find(*wanted)
        )

    def waiting(self) -> int:
        """How many messages wait for what they are about."""
        return sum(self._client[name]["deferred"].count_documents({}) for name in self._names)


class Offsets:
    """How far Kafka's committed offsets are behind the last stable ones; a context manager.

    aiokafka answers this: librdkafka's admin client was seen to crash while a broker went away.
    """

    def __init__(self, bootstrap: str) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=None, isolation_level="read_committed"
        )

    async def __aenter__(self) -> Self:
        await self._admin.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def lags(self, groups: Mapping[str, Sequence[str]]) -> list[Lag]:
        """Each group in each partition of its topics; what was never committed is 0.

        Raises aiokafka's KafkaError.
        """
        found: list[Lag] = []
        for group, topics in groups.items():
            described = await self._admin.describe_topics(list(topics))
            places = [
                Partition(topic["topic"], partition["partition"])
                for topic in described
                for partition in topic["partitions"]
            ]
            ends = await self._consumer.end_offsets(places)
            committed = await self._admin.list_consumer_group_offsets(group)
            for place in places:
                at = committed[place].offset if place in committed else 0
                behind = ends[place] - max(0, at)
                found.append(Lag(group, place.topic, place.partition, behind, "committed offset"))
        return found


def shown_lags(metrics: str, topics: Sequence[str], group: str, by: str) -> Iterator[Lag]:
    """What `peygir_consumer_lag` of one process says of these topics, from its `/metrics`."""
    for line in metrics.splitlines():
        if not line.startswith("peygir_consumer_lag{"):
            continue
        labels, _, value = line.partition("{")[2].rpartition("} ")
        named = dict(label.split("=", 1) for label in labels.split(","))
        topic = named["topic"].strip('"')
        if topic in topics:
            partition = int(named["partition"].strip('"'))
            yield Lag(group, topic, partition, int(float(value)), by)


def cards(
    events: Iterable[Told], deputy_of: Mapping[str, str], taker: str
) -> Mapping[str, Mapping[str, int]]:
    """The scorecards of deputies, counted over their topics.

    `deputy_of` says whose a topic is; what was moved is the `taker`'s.
    """
    lives: defaultdict[str, dict[int, Told]] = defaultdict(dict)
    for event in events:
        lives[event.aggregate].setdefault(event.version, event)
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for life in lives.values():
        types = {event.type for event in life.values()}
        last = life[max(life)]
        card = found[taker if "FollowupMoved" in types else deputy_of[last.place.topic]]
        ended = not types.isdisjoint({"FollowupVerified", "FollowupClosed"})
        levels = [event.level.level for _, event in sorted(life.items()) if event.level is not None]
        card["total"] += 1
        card["open"] += not ended
        card["verified"] += "FollowupVerified" in types
        card["overdue"] += bool(levels) and not ended
        card[f"level_{levels[-1]}" if levels and not ended else "in_time"] += not ended
    return found


def shown(items: Iterable[Mapping[str, Any]], topic_of: Callable[[str], str]) -> Iterator[State]:
    """Follow-ups as the API shows them; `topic_of` a deputy, where their lives are told."""
    for item in items:
        topic = topic_of(item["deputy"])
        yield State("api", item["followup_id"], item["resolution_id"], item["version"], topic)


def text(raw: str | bytes | None) -> str:
    """What stands in a record, as the library gives it."""
    return raw.decode() if isinstance(raw, bytes) else raw or ""


def _headers(message: Message) -> Mapping[str, str | bytes | None]:
    return dict(message.headers() or ())
