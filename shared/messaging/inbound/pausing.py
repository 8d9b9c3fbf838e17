"""What a batch has to do with paused topics: it closes them, and holds their records back."""

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
    """A part of a batch floods a topic: the first of it goes on without the rest."""

    def __init__(self, first: Iterable[BatchItem], rest: Iterable[BatchItem]) -> None:
        super().__init__()
        self.first = list(first)
        self.rest = list(rest)


class TopicPausing:
    """Stands between one group's batches and its gate."""

    def __init__(self, gate: FloodGate) -> None:
        self._gate = gate
        self._paused: set[TopicPartition] = set()  # in Kafka's consumer, by this one

    async def heed(self, kafka: KafkaConsumer) -> bool:
        """Let Kafka's consumer pause what is paused, and read on what no longer is.

        It forgets what it paused whenever partitions are shared out anew. Says whether any is
        paused. Raises the driver's errors.
        """
        await self._gate.look()
        for partition in [p for p in self._paused if not self._gate.is_shut(p.topic)]:
            self._paused.discard(partition)
            with suppress(IllegalStateError):  # taken away meanwhile
                kafka.resume(partition)
        shut = [p for p in kafka.assignment() if self._gate.is_shut(p.topic)]
        for partition in shut:
            self._paused.add(partition)
            with suppress(IllegalStateError):
                kafka.pause(partition)
        return bool(shut)

    def let_through(
        self, items: Sequence[BatchItem], held: dict[TopicPartition, int]
    ) -> Sequence[BatchItem]:
        """Those that may go on. Of each partition that may not, `held` gets the first offset.

        What was held back once in a batch stays so until its end, although somebody lets its topic
        go on meanwhile: what stands behind it must not overtake it.
        """
        if not held and not any(self._gate.is_shut(item.record.topic) for item in items):
            return items
        going_on = []
        for item in items:
            partition = partition_of(item.record)
            if not self._gate.is_shut(partition.topic) and (item.waited or partition not in held):
                going_on.append(item)
            elif not item.waited:  # what waits in the database is offered again
                held.setdefault(partition, item.record.offset)
        return going_on

    async def admit(self, judged: Sequence[Judged]) -> None:
        """Close the topics that these flood, before more than a flood's worth is given up.

        Raises Flooded where something of such a topic stands behind the flood.
        """
        if not any(isinstance(verdict, Refusal) for _, verdict in judged):
            return
        new = [(item, verdict) for item, verdict in judged if not item.waited]
        flooded = self._gate.foresee(
            [(item.record.topic, isinstance(verdict, Refusal)) for item, verdict in new]
        )
        if not flooded:
            return
        behind = {
            id(item)
            for number, (item, _) in enumerate(new)
            if number > flooded.get(item.record.topic, number)
        }
        if behind:
            raise Flooded(
                (item for item, _ in judged if id(item) not in behind),
                (item for item, _ in judged if id(item) in behind),
            )
        for topic in flooded:
            await self._gate.shut(topic)

    def note(self, judged: Sequence[Judged]) -> None:
        """Let what became of these count."""
        for item, verdict in judged:
            if not item.waited:
                self._gate.note(item.record.topic, refused=isinstance(verdict, Refusal))

    def read_again(self, held: Mapping[TopicPartition, int], kafka: KafkaConsumer) -> None:
        """Let what was held back come again, once its partitions are read on."""
        for partition, offset in held.items():
            self._paused.add(partition)
            with suppress(IllegalStateError):  # taken away meanwhile
                kafka.pause(partition)
                kafka.seek(partition, offset)
