"""What a consumer knows of its partitions, in the shape in which aiokafka's has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import ConsumerRecord
from aiokafka.structs import TopicPartition

from tests.simulation.kafka.log import Entry

if TYPE_CHECKING:
    from tests.simulation.kafka.consumer import SimulatedConsumer

Read = list[tuple[int, Entry]]


class State:
    """What a consumer knows of a partition of its."""

    __slots__ = ("high", "paused", "position", "stable")

    def __init__(self) -> None:
        self.position: int | None = None
        self.paused = False
        self.high: int | None = None
        self.stable: int | None = None

    @property
    def has_valid_position(self) -> bool:
        """Whether it stands anywhere."""
        return self.position is not None


class Fetched:
    """What was fetched of a partition and not handed out yet."""

    __slots__ = ("at", "behind", "broken", "records")

    def __init__(self, at: int, records: Read, behind: int, broken: bool) -> None:
        self.at = at  # the position that it was fetched from
        self.records = records
        self.behind = behind  # where the reader stands behind all of it
        self.broken = broken  # a record of it can't be read


class Assignment:
    """As `AIOKafkaConsumer._subscription.subscription.assignment` is."""

    def __init__(self, states: dict[TopicPartition, State]) -> None:
        self.tps = frozenset(states)
        self._states = states

    def state_value(self, partition: TopicPartition) -> State:
        """What is known of one."""
        return self._states[partition]


class Subscribed:
    def __init__(self, consumer: SimulatedConsumer) -> None:
        self._consumer = consumer

    @property
    def assignment(self) -> Assignment:
        """What it has now."""
        return Assignment(self._consumer._states)


class Subscription:
    def __init__(self, consumer: SimulatedConsumer) -> None:
        self.subscription = Subscribed(consumer)


class Fetcher:
    _prefetch_backoff = 0.1


def handed_out(
    partition: TopicPartition, offset: int, entry: Entry
) -> ConsumerRecord[bytes, bytes]:
    raw = entry.raw
    assert raw is not None
    return ConsumerRecord(
        partition.topic,
        partition.partition,
        offset,
        entry.timestamp,
        1,
        raw.key,
        raw.value,
        None,
        len(raw.key or b""),
        len(raw.value or b""),
        raw.headers,
    )
