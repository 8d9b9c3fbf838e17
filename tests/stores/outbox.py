"""A database with an outbox, and a Kafka that accepts, refuses, waits or fails."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from aiokafka.errors import NotEnoughReplicasError
from aiokafka.structs import RecordMetadata, TopicPartition

from shared.messaging.core.errors import Unsendable
from shared.messaging.core.failpoints import Failpoint, FailpointHook, no_faults
from shared.messaging.core.model import CommitContext, Effects, Event
from shared.messaging.core.stalls import Stalls
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.publisher import Publisher, SendResult
from shared.messaging.ledger.leases import Lease
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.outbox.relay import Relay
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database

NOW = datetime(2024, 3, 11, tzinfo=UTC)
TOPIC = "peygir.followups.v1.civil"
CAUSE = CommitContext("request", "test")
HOUR = 3_600.0
REST = 5.0  # seconds: the longest that a partition rests
SPANS = {"all|all|", "all|month|2024-03|", "all|day|2024-03-11|"}


class Crash(Exception):
    """The process dies here."""


def dies_at(step: Failpoint) -> FailpointHook:
    def reach(at: Failpoint) -> None:
        if at is step:
            raise Crash(step)

    return reach


class Kafka:
    """One partition that takes records in order; implements what the relay needs of a publisher.

    It answers when the loop has gone round, or, where it is `slow`, once that is over.
    """

    def __init__(self) -> None:
        self.log: list[OutgoingRecord] = []
        self.refused: set[str] = set()  # keys that are never taken
        self.takes: int | None = None  # how many more records before it is away
        self.slow: dict[str, asyncio.Event] = {}  # topics whose answers wait for something
        self.asked: list[str] = []  # how often each topic was given records

    def place(self, topic: str, key: bytes | None) -> TopicPartition:
        return TopicPartition(topic, 0)

    async def deliver(
        self, place: TopicPartition, records: Sequence[OutgoingRecord]
    ) -> list[SendResult]:
        self.asked.append(place.topic)
        await asyncio.sleep(0)
        if place.topic in self.slow:
            await self.slow[place.topic].wait()
        return [self._take(record) for record in records]

    def _take(self, record: OutgoingRecord) -> SendResult:
        if self.takes == 0:
            return NotEnoughReplicasError()
        if (record.key or b"").decode() in self.refused:
            return Unsendable("too large")
        if self.takes is not None:
            self.takes -= 1
        self.log.append(record)
        place = TopicPartition(record.topic, 0)
        offset = sum(other.topic == record.topic for other in self.log) - 1
        return RecordMetadata(record.topic, 0, place, offset, 0, 0, 0)

    def published(self) -> list[str]:
        """Aggregate and version of all records that it took."""
        return [_event_name(record) for record in self.log]


def _event_name(record: OutgoingRecord) -> str:
    return f"{(record.key or b'').decode()}{int(dict(record.headers)['ce_sequence'])}"


class Clock(SystemMachineClock):
    """The machine's clock, which can be set ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@dataclass
class Outbox:
    """A database with a ledger, and relays that publish it."""

    database: Database
    kafka: Kafka = field(default_factory=Kafka)
    clock: Clock = field(default_factory=Clock)
    versions: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.database, clock=self.clock)

    async def commit(self, aggregates: Sequence[str], topic: str = TOPIC) -> None:
        """Commit the next version of each aggregate, and count as much for each."""
        tally = {("all", "2024-03-11", name): n for name, n in Counter(aggregates).items()}
        events = [self._next(aggregate, topic) for aggregate in aggregates]
        async with self.ledger.commit(CAUSE, Effects(events, tally)):
            pass

    def _next(self, aggregate: str, topic: str) -> Event:
        self.versions[aggregate] += 1
        version = self.versions[aggregate]
        return Event(
            id=f"{aggregate}{version}",
            type="peygir.FollowupProgressed.v1",
            topic=topic,
            key=aggregate,
            aggregate_id=aggregate,
            version=version,
            time=NOW,
            dataschema="x",
            data=b"{}",
        )

    async def relay(
        self,
        holder: str = "a",
        failpoint: FailpointHook = no_faults,
        seconds: float = HOUR,
        stalls: Stalls | None = None,
    ) -> Relay:
        """A relay of its own process, which holds the lease."""
        lease = Lease(self.database, "relay", holder, seconds)
        assert await lease.acquire()
        return self.build(lease, failpoint, stalls)

    def build(
        self, lease: Lease, failpoint: FailpointHook = no_faults, stalls: Stalls | None = None
    ) -> Relay:
        """A relay that works under a given lease."""
        return Relay(
            self.database,
            lease=lease,
            publisher=cast(Publisher, self.kafka),
            source="urn:peygir:test",
            metrics=Metrics(),
            clock=self.clock,
            failpoint=failpoint,
            stalls=stalls,
        )

    async def another(self, failpoint: FailpointHook = no_faults) -> Relay:
        """A relay that takes the lease over from a sleeping process."""
        await self.database["leases"].update_one({"_id": "relay"}, {"$set": {"until": NOW}})
        return await self.relay(uuid.uuid4().hex, failpoint)

    async def unsent(self) -> list[list[str]]:
        """The unsent events of each commit record, in their order."""
        found = self.database["commits"].find({"pending": True}).sort("_id", 1)
        return [r.get("unsent", [e["id"] for e in r["events"]]) async for r in found]

    async def settled(self) -> Mapping[str, int]:
        """The counts of the records that were published as a whole."""
        entries = [entry async for entry in self.database["counts"].find()]
        assert {e["_id"] for e in entries} in (set(), SPANS), "a day, its month, and all"
        assert all(entry["n"] == entries[0]["n"] for entry in entries)
        return dict(entries[0]["n"]) if entries else {}

    async def counts(self) -> Mapping[str, int]:
        """The counts, including what is not published yet."""
        return (await self.ledger.counts("all"))[""]

    async def reached(self) -> tuple[int, int]:
        """The stored era of the topic, and how far it holds what the database knows."""
        entry = await self.database["positions"].find_one({"_id": f"published|{TOPIC}|0"})
        return (0, 0) if entry is None else (entry.get("era", 0), entry["next"])
