"""What the inbound side needs of Kafka's consumer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.messaging.core.model import Record
from shared.messaging.kafka.consumers import OffsetSpan


class KafkaConsumer(Protocol):
    """The part of `kafka.consumers.SteadyConsumer` that is used here."""

    def assignment(self) -> Collection[TopicPartition]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    def aside(self) -> Mapping[TopicPartition, KafkaError | None]: ...
    def set_aside(self, partition: TopicPartition, error: KafkaError | None = None) -> None: ...
    def take_back(self, partition: TopicPartition) -> None: ...
    def span(self, partition: TopicPartition) -> OffsetSpan | None: ...
    def end(self, partition: TopicPartition) -> int | None: ...
    async def commit(self, offsets: dict[TopicPartition, int]) -> None: ...
    async def beginning_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]: ...
    async def end_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]: ...


def partition_of(record: Record) -> TopicPartition:
    """The partition that a record came from."""
    return TopicPartition(record.topic, record.partition)


def seek(kafka: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    """Read a partition from an offset on, if it is still assigned."""
    with suppress(IllegalStateError):  # taken away meanwhile
        kafka.seek(partition, offset)
