"""What a batch has to do with paused topics: it closes them, and holds their records back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from shared.messaging.batches import Item, Judged
from shared.messaging.flood import FloodGate
from shared.messaging.records import Refusal
from shared.messaging.standing import KafkaConsumer, partition_of


class Flooded(Exception):
    """A part of a batch floods a topic: the first of it goes on without the rest."""

    def __init__(self, first: Iterable[Item], rest: Iterable[Item]) -> None:
        super().__init__()
        self.first = list(first)
        self.rest = list(rest)


class Pausing:
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

    def sorted(self, items: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
        """Those that may go on, and those to be read again; what waits in the database stays."""
        if not any(self._gate.is_shut(item.record.topic) for item in items):
            return items, ()
        going_on = [item for item in items if not self._gate.is_shut(item.record.topic)]
        shut = [i for i in items if not i.waited and self._gate.is_shut(i.record.topic)]
        return going_on, shut

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

    def hold_back(self, items: Iterable[Item], kafka: KafkaConsumer) -> None:
        """Let records of paused topics come again when their partitions are read on."""
        first: dict[TopicPartition, int] = {}
        for item in items:
            partition = partition_of(item.record)
            first[partition] = min(item.record.offset, first.get(partition, item.record.offset))
        for partition, offset in first.items():
            self._paused.add(partition)
            with suppress(IllegalStateError):  # taken away meanwhile
                kafka.pause(partition)
                kafka.seek(partition, offset)
