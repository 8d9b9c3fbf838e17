"""Kafka, MongoDB and time as the consumer sees them, in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from aiokafka import TopicPartition

from shared.contracts.topics import Topics
from shared.messaging.consumer import Consumer
from shared.messaging.deadletters import DeadLetters
from shared.messaging.deferral import DeferralLimit, stored
from shared.messaging.failures import PositionMoved
from shared.messaging.flood import FloodLimit
from shared.messaging.publisher import Outgoing, Publisher
from shared.messaging.records import (
    Cause,
    Decision,
    Defer,
    Message,
    Outcome,
    Refusal,
    Verdict,
)
from shared.messaging.watch import HistoryChanged
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
    """A machine clock that waits in no time, and remembers how long."""

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
    """One assigned partition; implements `consumer.KafkaConsumer`."""

    def __init__(self, log: Sequence[Record]) -> None:
        self.log = list(log)
        self.at = 0
        self.failed_reads = 0
        self.seeks: list[int] = []
        self.committed: dict[TopicPartition, int] = {}

    def poll(self) -> list[Record]:
        """All that stands from here on; stands behind it afterwards."""
        found = [r for r in self.log if r.offset >= self.at]
        if found:
            self.at = found[-1].offset + 1
        return found

    def assignment(self) -> Collection[TopicPartition]:
        return {PLACE}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.seeks.append(offset)
        self.at = offset

    async def position(self, partition: TopicPartition) -> int:
        return self.at

    def highwater(self, partition: TopicPartition) -> int | None:
        return self.log[-1].offset + 1

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed.update(offsets)

    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.log[0].offset)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.log[-1].offset + 1)


class Documents:
    """As much of a collection as positions and pauses ask for."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}

    async def find(self, wanted: Mapping[str, Any]) -> Any:
        for id_ in wanted["_id"]["$in"]:
            if id_ in self.held:
                yield self.held[id_]

    async def find_one(self, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        return self.held.get(wanted["_id"])

    async def update_one(
        self, wanted: Mapping[str, Any], change: Mapping[str, Any], *, upsert: bool
    ) -> None:
        assert upsert
        self.held.setdefault(wanted["_id"], {"_id": wanted["_id"], **change["$setOnInsert"]})


class Waiting:
    """As much of a collection as what waits asks for; `meanwhile` happens once it was read."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def find(self, wanted: Mapping[str, Any], _: object = None) -> Found:
        ids = wanted.get("_id", {}).get("$in", self.held)
        found = Found([self.held[id_] for id_ in ids if id_ in self.held])
        self.meanwhile()
        return found

    async def estimated_document_count(self) -> int:
        return len(self.held)

    def save(self, cause: Cause) -> None:
        """What the ledger does with a cause."""
        if not self.held.keys() >= set(cause.ends):
            raise PositionMoved("taken by another")
        for message in cause.defers:
            assert message.id not in self.held
            self.held[message.id] = stored(message)
        for id_ in cause.ends:
            del self.held[id_]


class Found:
    """A cursor over documents that stand in the order in which they were put there."""

    def __init__(self, documents: Sequence[dict[str, Any]]) -> None:
        self._documents = documents

    def sort(self, _: object) -> Found:
        return self

    def limit(self, most: int) -> Found:
        return Found(self._documents[:most])

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        for document in self._documents:
            yield document


class Sends:
    """A publisher that keeps what it is given, or fails so many times before."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.failures: list[Exception] = []

    async def send_all(self, records: Sequence[Outgoing]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent += records


@dataclass
class Bench:
    """A consumer between fakes: what it was given, decided, saved and sent."""

    log: Sequence[Record]
    guilty: Collection[int] = ()  # offsets that no handler can handle
    limit: FloodLimit = field(default_factory=FloodLimit)
    deferral: DeferralLimit = field(default_factory=DeferralLimit)

    def __post_init__(self) -> None:
        self.kafka = Kafka(self.log)
        self.clock = Clock()
        self.sends = Sends()
        self.metrics = Metrics()
        self.handled: list[list[int]] = []
        self.applied: list[int] = []
        self.told: list[HistoryChanged] = []
        self.save_failures: list[Exception] = []
        self.missing: set[int] = set()  # offsets whose messages come before what they are about
        self.waiting = Waiting()
        self.collections = {"positions": Documents(), "subscriptions": Documents()}
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

    def another(self) -> Consumer[int]:
        """A consumer as a process that was just started has it."""
        return Consumer(
            group=GROUP,
            topics=[TOPIC],
            handle=self._handle,
            save=self._save,
            database=cast(Database, {**self.collections, "deferred": self.waiting}),
            dead_letters=self.dead_letters,
            metrics=self.metrics,
            clock=self.clock,
            limit=self.limit,
            deferral=self.deferral,
            tell=self.told.append,
        )

    @property
    def stored(self) -> int | None:
        """The position that the database holds."""
        entry = self.collections["positions"].held.get(_POSITION)
        return None if entry is None else int(entry["next"])

    def store(self, position: int) -> None:
        self.collections["positions"].held[_POSITION] = {"_id": _POSITION, "next": position}

    @property
    def letters(self) -> dict[int, str]:
        """The reason of each dead letter, by its offset."""
        found = [r for r in self.sends.sent if r.topic == self.topics.deadletter("notify")]
        heads = [dict(letter.headers) for letter in found]
        assert len({head["x-origin-offset"] for head in heads}) == len(heads), "one each"
        return {int(h["x-origin-offset"]): h["x-error-type"].decode() for h in heads}

    async def turn(self) -> None:
        """Let the consumer have all that Kafka gives now."""
        await self.consumer.consume(self.kafka.poll(), self.kafka)

    async def _handle(self, messages: Sequence[Message]) -> Decision[int]:
        offsets = [message.origin.offset for message in messages]
        self.handled.append(offsets)
        if any(offset in self.guilty for offset in offsets):
            raise ValueError("nobody foresaw it")
        verdicts: list[Verdict] = [
            Defer(str(offset), Refusal("missing", "it never came"))
            if offset in self.missing
            else Outcome.APPLIED
            for offset in offsets
        ]
        return Decision(verdicts, [offset for offset in offsets if offset not in self.missing])

    async def _save(self, changes: Sequence[int], cause: Cause) -> None:
        if self.save_failures:
            raise self.save_failures.pop(0)
        for move in cause.moves:
            if move.expected != self.stored:
                raise PositionMoved(f"at {self.stored}, not at {move.expected}")
            self.store(move.next)
        self.waiting.save(cause)
        self.applied += changes


_POSITION = f"{GROUP}|{TOPIC}|0"
