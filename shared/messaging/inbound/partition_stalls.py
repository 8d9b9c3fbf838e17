"""The partitions of a group that are set aside, and why."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import structlog
from aiokafka import TopicPartition

from shared.messaging.core.stalls import StallCause, StalledPart, Stalls
from shared.messaging.inbound.kafka_consumer import KafkaConsumer

_log = structlog.get_logger(__name__)


class PartitionStalls:
    """Shows per topic why a group does not read: the cause of any of its partitions."""

    def __init__(self, group: str, stalls: Stalls) -> None:
        self._group = group
        self._stalls = stalls
        self._causes: dict[TopicPartition, StallCause] = {}

    @property
    def partitions(self) -> AbstractSet[TopicPartition]:
        """Those that have a cause now."""
        return self._causes.keys()

    def set_aside(
        self, partition: TopicPartition, cause: StallCause, kafka: KafkaConsumer, detail: str
    ) -> None:
        """Stop reading a partition, and show why; a new cause is logged."""
        if self._causes.get(partition) is not cause:
            _log.error(
                "partition waits",
                group=self._group,
                topic=partition.topic,
                partition=partition.partition,
                cause=cause.value,
                detail=detail,
            )
        kafka.set_aside(partition)
        self.note(partition, cause)

    def note(self, partition: TopicPartition, cause: StallCause | None) -> None:
        """Note why a partition is not read; None if it is read again."""
        if self._causes.pop(partition, None) is None and cause is None:
            return
        if cause is not None:
            self._causes[partition] = cause
        of_topic = [c for p, c in self._causes.items() if p.topic == partition.topic]
        part = StalledPart("consumer", self._group, partition.topic)
        self._stalls.note(part, of_topic[-1] if of_topic else None)
