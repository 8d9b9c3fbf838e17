"""Pausing of topics: a batch that floods one pauses it and holds its records back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from shared.messaging.core.model import Refusal
from shared.messaging.inbound.batches import BatchItem, Judged
from shared.messaging.inbound.flood import FloodGate
from shared.messaging.inbound.kafka_consumer import KafkaConsumer, partition_of


class Flooded(Exception):
    """A part of a batch floods a topic: `first` goes on, `rest` comes after the pause."""

    def __init__(self, first: Iterable[BatchItem], rest: Iterable[BatchItem]) -> None:
        super().__init__()
        self.first = list(first)
        self.rest = list(rest)


class TopicPausing:
    """Applies the pauses of one group's gate to its batches and to Kafka's consumer."""

    def __init__(self, gate: FloodGate) -> None:
        self._gate = gate
        self._paused: set[TopicPartition] = set()  # in Kafka's consumer, by this class

    async def apply(self, kafka: KafkaConsumer) -> bool:
        """Pause and resume partitions of Kafka's consumer; return whether any is paused.

        Kafka's consumer forgets its pauses at each rebalance. Raises the driver's errors.
        """
        await self._gate.refresh()
        for partition in [p for p in self._paused if not self._gate.is_paused(p.topic)]:
            self._paused.discard(partition)
            with suppress(IllegalStateError):  # taken away meanwhile
                kafka.resume(partition)
        paused = [p for p in kafka.assignment() if self._gate.is_paused(p.topic)]
        for partition in paused:
            self._paused.add(partition)
            with suppress(IllegalStateError):
                kafka.pause(partition)
        return bool(paused)

    def filter(
        self, items: Sequence[BatchItem], held: dict[TopicPartition, int]
    ) -> Sequence[BatchItem]:
        """Return the items that are not held back; add the first offset held back to `held`.

        A partition that was held back stays so until the end of the batch, even if somebody
        resumes its topic meanwhile: later records must not overtake earlier ones.
        """
        if not held and not any(self._gate.is_paused(item.record.topic) for item in items):
            return items
        passed = []
        for item in items:
            partition = partition_of(item.record)
            if not self._gate.is_paused(partition.topic) and (
                item.deferred or partition not in held
            ):
                passed.append(item)
            elif not item.deferred:  # a deferred message is offered again anyway
                held.setdefault(partition, item.record.offset)
        return passed

    async def check_flood(self, judged: Sequence[Judged]) -> None:
        """Pause the topics that these verdicts flood, before more is dead-lettered.

        Raises Flooded if the part has more of such a topic than what floods it.
        """
        if not any(isinstance(verdict, Refusal) for _, verdict in judged):
            return
        new = [(item, verdict) for item, verdict in judged if not item.deferred]
        flooded = self._gate.predict(
            [(item.record.topic, isinstance(verdict, Refusal)) for item, verdict in new]
        )
        if not flooded:
            return
        later = {
            id(item)
            for number, (item, _) in enumerate(new)
            if number > flooded.get(item.record.topic, number)
        }
        if later:
            raise Flooded(
                (item for item, _ in judged if id(item) not in later),
                (item for item, _ in judged if id(item) in later),
            )
        for topic in flooded:
            await self._gate.pause(topic)

    def count(self, judged: Sequence[Judged]) -> None:
        """Count these verdicts."""
        for item, verdict in judged:
            if not item.deferred:
                self._gate.count(item.record.topic, refused=isinstance(verdict, Refusal))

    def rewind(self, held: Mapping[TopicPartition, int], kafka: KafkaConsumer) -> None:
        """Pause what was held back, and read it again once its topic is resumed."""
        for partition, offset in held.items():
            self._paused.add(partition)
            with suppress(IllegalStateError):  # taken away meanwhile
                kafka.pause(partition)
                kafka.seek(partition, offset)
