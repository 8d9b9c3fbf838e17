"""Kafka, MongoDB and time as the consumer sees them, in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pymongo.errors import AutoReconnect, ExecutionTimeout

from shared.contracts.topics import Topics
from shared.messaging.core.errors import AlreadyExists, HistoryChanged, PositionMoved, Unsendable
from shared.messaging.core.model import (
    CommitContext,
    Decision,
    Defer,
    Message,
    Origin,
    Outcome,
    Refusal,
    Verdict,
)
from shared.messaging.inbound.consumer import Consumer
from shared.messaging.inbound.deadletters import DeadLetters, first_origin
from shared.messaging.inbound.flood import FloodLimit
from shared.messaging.kafka.consumers import OffsetSpan
from shared.messaging.kafka.publisher import OutgoingRecord, Publisher
from shared.messaging.ledger.deferral import DeferralLimit, stored
from shared.messaging.ledger.positions import position_id
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database

TOPIC = "peygir.sessions.v1"
GROUP = "readers"
PLACE = TopicPartition(TOPIC, 0)
BEGUN = datetime(2024, 3, 11, 6, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it comes from Kafka."""

    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    topic: str = TOPIC
    partition: int = 0
    timestamp: int = int(BEGUN.timestamp() * 1000)
    key: bytes | None = b"s"


def record(offset: int, value: bytes | None = None) -> Record:
    """An event that can be read, or this value under its headers."""
    data = {"session_id": f"s-{offset}", "opened_at": "2024-03-11T06:00:00Z"}
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(offset).encode()),
        ("ce_source", b"/x"),
        ("ce_type", b"peygir.SessionOpened.v1"),
    ]
    return Record(offset, value or json.dumps(data).encode(), headers)


class Clock:
    """A machine clock whose sleeps take no time and are recorded."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.during: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return BEGUN + timedelta(seconds=sum(self.slept))

    def monotonic(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.during()
        await asyncio.sleep(0)


class Kafka:
    """Kafka's consumer of a log whose partitions are all assigned; implements `KafkaConsumer`."""

    def __init__(self, log: Sequence[Record]) -> None:
        self.log = list(log)
        self.seeks: list[int] = []
        self.committed: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self._aside: dict[TopicPartition, KafkaError | None] = {}
        self._at: dict[TopicPartition, int] = {}
        self._spans: dict[TopicPartition, OffsetSpan] = {}
        self.ends: dict[TopicPartition, int] = {}  # if not just after the last record

    @property
    def at(self) -> int:
        """The next offset in the first partition."""
        return self._at.get(PLACE, 0)

    @at.setter
    def at(self, offset: int) -> None:
        self._at[PLACE] = offset

    def poll(self, most: int | None = None) -> list[Record]:
        """Return the next records, at most `most`, and advance behind them."""
        begun = {partition: self._at.get(partition, 0) for partition in self.assignment()}
        read = begun.keys() - self.paused - self._aside.keys()
        found = [r for r in self.log if _partition(r) in read and r.offset >= begun[_partition(r)]][
            :most
        ]
        last = {_partition(r): r.offset for r in found}
        self._at |= {partition: offset + 1 for partition, offset in last.items()}
        self._spans = {
            partition: OffsetSpan(begin, self._at.get(partition, begin), last.get(partition))
            for partition, begin in begun.items()
        }
        return found

    def assignment(self) -> Collection[TopicPartition]:
        return {PLACE, *map(_partition, self.log)}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.seeks.append(offset)
        self._at[partition] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused.difference_update(partitions)

    def aside(self) -> Mapping[TopicPartition, KafkaError | None]:
        return dict(self._aside)

    def set_aside(self, partition: TopicPartition, error: KafkaError | None = None) -> None:
        self._aside[partition] = error

    def take_back(self, partition: TopicPartition) -> None:
        self._aside.pop(partition, None)

    def span(self, partition: TopicPartition) -> OffsetSpan | None:
        return self._spans.get(partition)

    def end(self, partition: TopicPartition) -> int | None:
        return self._end(partition)

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed.update(offsets)

    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        return {
            p: min((r.offset for r in self.log if _partition(r) == p), default=0)
            for p in partitions
        }

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self._end(partition) for partition in partitions}

    def _end(self, partition: TopicPartition) -> int:
        if partition in self.ends:
            return self.ends[partition]
        return max((r.offset + 1 for r in self.log if _partition(r) == partition), default=0)


def _partition(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


class Client:
    """As much of MongoDB's client as sessions need; `away` requests fail."""

    def __init__(self) -> None:
        self.away = 0
        self.lag = 0  # how many requests to a majority time out

    @property
    def admin(self) -> Client:
        return self

    async def start_session(self, **_: object) -> Client:
        return self

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def command(self, _: str, *, session: object) -> None:
        await self.answer()

    async def answer(self) -> None:
        """Take a moment, and fail while the server is away."""
        await asyncio.sleep(0)
        if self.away > 0:
            self.away -= 1
            raise AutoReconnect("mongod is away")


class Documents:
    """As much of a collection as positions and pauses need."""

    def __init__(self, client: Client) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.client = client
        self.meanwhile: Callable[[], None] = lambda: None

    def find(self, query: Mapping[str, Any], _: object = None, *, session: object = None) -> Found:
        found = Found([d for d in self.held.values() if _matches(d, query)], self.client)
        self.meanwhile()
        return found

    async def find_one(
        self, query: Mapping[str, Any], _: object = None, *, session: object, max_time_ms: int
    ) -> dict[str, Any] | None:
        """Find a document, once the majority has caught up."""
        await self.client.answer()
        if self.client.lag > 0:
            self.client.lag -= 1
            raise ExecutionTimeout(f"no majority within {max_time_ms} ms", 50)
        return self.held.get(query["_id"])

    async def update_one(
        self, query: Mapping[str, Any], change: Mapping[str, Any], *, upsert: bool
    ) -> None:
        assert upsert
        await self.client.answer()
        self.held.setdefault(query["_id"], {"_id": query["_id"], **change["$setOnInsert"]})


def _matches(document: Mapping[str, Any], query: Mapping[str, Any]) -> bool:
    for name, value in query.items():
        if name == "$or":
            if not any(_matches(document, either) for either in value):
                return False
        elif isinstance(value, Mapping):
            if document.get(name) not in value["$in"]:
                return False
        elif document.get(name) != value:
            return False
    return True


class Waiting(Documents):
    """As much of a collection as deferred messages need; `meanwhile` runs after each read."""

    async def estimated_document_count(self) -> int:
        await self.client.answer()
        return len(self.held)

    def save(self, context: CommitContext) -> None:
        """What the ledger does with a context."""
        if not self.held.keys() >= set(context.ends):
            raise PositionMoved("taken by another")
        for message in context.defers:
            assert message.id not in self.held
            self.held[message.id] = stored(message)
        for id_ in context.ends:
            del self.held[id_]


class Found:
    """A cursor over documents."""

    def __init__(self, documents: Sequence[dict[str, Any]], client: Client) -> None:
        self._documents = documents
        self._client = client

    def sort(self, keys: Sequence[tuple[str, int]]) -> Found:
        ordered = sorted(self._documents, key=lambda d: [d[name] for name, _ in keys])
        return Found(ordered, self._client)

    def limit(self, most: int) -> Found:
        return Found(self._documents[:most], self._client)

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        await self._client.answer()
        for document in self._documents:
            yield document


class Collections(dict[str, Documents]):
    """Collections by their names."""

    def __init__(self, client: Client, **collections: Documents) -> None:
        super().__init__(collections)
        self.client = client


class Sends:
    """A publisher that keeps what it is given; `failures` come first."""

    def __init__(self) -> None:
        self.sent: list[OutgoingRecord] = []
        self.failures: list[Exception] = []
        self.refuses: Callable[[OutgoingRecord], Exception | None] = lambda _: None

    async def send(self, records: Sequence[OutgoingRecord]) -> list[Exception | None]:
        """Return of each why it was not accepted; None stands for its place."""
        await asyncio.sleep(0)
        if self.failures:
            failure = self.failures.pop(0)
            if not isinstance(failure, OSError | KafkaError | Unsendable):
                raise failure
            return [failure] * len(records)
        answers = [self.refuses(record) for record in records]
        self.sent += [r for r, answer in zip(records, answers, strict=True) if answer is None]
        return answers


@dataclass
class Bench:
    """A consumer among fakes: what it was given, decided, saved and sent."""

    log: Sequence[Record]
    guilty: Collection[int | Origin] = ()  # offsets or origins on which the handler fails
    limit: FloodLimit = field(default_factory=FloodLimit)
    deferral: DeferralLimit = field(default_factory=DeferralLimit)
    reads: Collection[str] = (TOPIC,)

    def __post_init__(self) -> None:
        self.kafka = Kafka(self.log)
        self.clock = Clock()
        self.sends = Sends()
        self.metrics = Metrics()
        self.handled: list[list[int]] = []
        self.done: list[Origin] = []
        self.history_changes: list[HistoryChanged] = []
        self.save_failures: list[Exception] = []
        self.hidden: Collection[int] = ()  # offsets whose effect collides with what is stored
        self.missing: set[int | Origin] = set()  # of messages that come before their aggregate
        self.client = Client()
        self.waiting = Waiting(self.client)
        self.collections = Collections(
            self.client,
            positions=Documents(self.client),
            subscriptions=Documents(self.client),
            deferred=self.waiting,
        )
        publisher = cast(Publisher, self.sends)
        self.topics = Topics(["civil"])
        self.dead_letters = DeadLetters(
            service="notify",
            source="urn:peygir:notify",
            topics=self.topics,
            publisher=publisher,
            clock=self.clock,
        )
        self.consumer = self.another()

    def another(self) -> Consumer[Origin]:
        """A consumer of a process that was just started."""
        return Consumer(
            group=GROUP,
            topics=self.reads,
            handle=self._handle,
            save=self._save,
            database=cast(Database, self.collections),
            dead_letters=self.dead_letters,
            metrics=self.metrics,
            clock=self.clock,
            limit=self.limit,
            deferral=self.deferral,
            on_history_change=self.history_changes.append,
        )

    @property
    def applied(self) -> list[int]:
        """The offsets of the applied messages, in order."""
        return [origin.offset for origin in self.done]

    @property
    def stored(self) -> int | None:
        """The position in the first partition that the database holds."""
        return self.position(PLACE)

    def position(self, place: tuple[str, int]) -> int | None:
        """The position in a partition that the database holds."""
        entry = self.collections["positions"].held.get(position_id(GROUP, *place))
        return None if entry is None else int(entry["next"])

    def store(self, position: int, place: tuple[str, int] = PLACE) -> None:
        id_ = position_id(GROUP, *place)
        self.collections["positions"].held[id_] = {"_id": id_, "next": position}

    @property
    def buried(self) -> dict[Origin, str]:
        """The reason of each dead letter by the origin of its record; each is written once."""
        found = [r for r in self.sends.sent if r.topic == self.topics.deadletter("notify")]
        reasons = {first_origin(r): dict(r.headers)["x-error-type"].decode() for r in found}  # type: ignore[arg-type]  # its headers are asked for alone
        assert len(reasons) == len(found), "one each"
        return reasons

    @property
    def letters(self) -> dict[int, str]:
        """The reason of each dead letter, by its offset."""
        return {origin.offset: reason for origin, reason in self.buried.items()}

    @property
    def rejections(self) -> list[int]:
        """The offsets in the rejections, in order."""
        found = [r for r in self.sends.sent if r.topic == self.topics.rejections]
        return [json.loads(r.value or b"")["offset"] for r in found]

    @property
    def pauses(self) -> set[str]:
        """The topics that are paused in the database."""
        return {pause["topic"] for pause in self.collections["subscriptions"].held.values()}

    def shown(self, metric: str, **labels: str) -> float | None:
        """The value of a metric; None if it is not shown."""
        return self.metrics.registry.get_sample_value(metric, labels)

    async def turn(self) -> None:
        """Give the consumer all that Kafka has now."""
        await self.consumer.consume(self.kafka.poll(), self.kafka)

    async def _handle(self, messages: Sequence[Message]) -> Decision[Origin]:
        origins = [message.origin for message in messages]
        self.handled.append([origin.offset for origin in origins])
        await self.client.answer()
        if any(_among(origin, self.guilty) for origin in origins):
            raise ValueError("nobody foresaw it")
        verdicts: list[Verdict] = [
            Defer(str(origin.offset), Refusal("missing", "it never came"))
            if _among(origin, self.missing)
            else Outcome.APPLIED
            for origin in origins
        ]
        return Decision(verdicts, [o for o in origins if not _among(o, self.missing)])

    async def _save(self, changes: Sequence[Origin], context: CommitContext) -> None:
        await self.client.answer()
        if self.save_failures:
            raise self.save_failures.pop(0)
        if any(change.offset in self.hidden for change in changes):
            raise AlreadyExists("what decisions do not see")
        for move in context.advances:
            position = self.position((move.topic, move.partition))
            if move.expected != position:
                raise PositionMoved(f"at {position}, not at {move.expected}")
        self.waiting.save(context)
        for move in context.advances:
            self.store(move.next, (move.topic, move.partition))
        self.done += changes


def _among(origin: Origin, places: Collection[int | Origin]) -> bool:
    return origin in places or origin.offset in places
