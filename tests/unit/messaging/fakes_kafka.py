"""Kafka as the consumer sees it, in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.messaging.core.errors import Unsendable
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.consumers import OffsetSpan

TOPIC = "peygir.sessions.v1"
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
