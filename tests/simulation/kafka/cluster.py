"""The brokers, seen from outside: topics, groups, and the network before them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NotLeaderForPartitionError,
    RequestTimedOutError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import TopicPartition

from tests.simulation.clocks import EPOCH
from tests.simulation.kafka.groups import Group
from tests.simulation.kafka.log import Partition, Raw
from tests.simulation.loop import SimulatedLoop

_FIRST_STEP: Final = 0.0002


@dataclass(slots=True)
class Weather:
    """How the network and the brokers are just now; the schedule changes it."""

    away: bool = False
    request_lost: float = 0.0
    answer_lost: float = 0.0
    slow: float = 0.0  # seconds more, at most, on each way
    answers_after: float = 0.0  # seconds until all replicas in sync have a batch
    reads_fail: float = 0.0


class Brokers:
    """A cluster, with every topic that there is."""

    def __init__(self, loop: SimulatedLoop, rng: random.Random) -> None:
        self.loop = loop
        self.rng = rng
        self.weather = Weather()
        self.topics: dict[str, list[Partition]] = {}
        self.groups: dict[str, Group] = {}
        self.producers = 1_000
        self._readers: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    def now(self) -> int:
        """Unix milliseconds."""
        return int((EPOCH.timestamp() + self.loop.time()) * 1000)

    def create(self, topic: str, partitions: int, largest_batch: int = 1_048_576) -> None:
        """Create a topic, empty."""
        self.topics[topic] = [Partition(topic, n, largest_batch) for n in range(partitions)]

    def partition(self, place: tuple[str, int]) -> Partition:
        """A partition. Raises UnknownTopicOrPartitionError."""
        topic, number = place
        partitions = self.topics.get(topic)
        if partitions is None or number >= len(partitions):
            raise UnknownTopicOrPartitionError
        return partitions[number]

    def group(self, name: str) -> Group:
        """A consumer group, as its coordinator knows it."""
        return self.groups.setdefault(name, Group(self, name))

    def next_producer(self) -> int:
        """The id of a new idempotent producer."""
        self.producers += 1
        return self.producers

    # -- one request and its answer -----------------------------------------------------------

    async def ask(self, serve: Callable[[], Any], timeout: float) -> Any:
        """Send something to a broker and wait for the answer. Raises KafkaError."""
        answer: asyncio.Future[Any] = self.loop.create_future()
        if self.weather.away:
            self.loop.at(self.rng.random() * 0.02, _fail, answer, KafkaConnectionError())
        else:
            self.loop.at(timeout, _fail, answer, RequestTimedOutError())
            if not (self.weather.request_lost and self.rng.random() < self.weather.request_lost):
                self.loop.at(self.delay(), self._serve, serve, answer)
        return await answer

    def _serve(self, serve: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        if self.weather.away:
            _fail(answer, KafkaConnectionError())
            return
        try:
            result = serve()
        except KafkaError as error:
            self.loop.at(self.delay(), _fail, answer, error)
        else:
            self.reply(answer, result)

    def reply(self, answer: asyncio.Future[Any], result: Any) -> None:
        """Let an answer set out."""
        if self.weather.answer_lost and self.rng.random() < self.weather.answer_lost:
            return  # the request times out
        self.loop.at(self.delay(), _succeed, answer, result)

    def delay(self) -> float:
        """Seconds that a message is under way."""
        return _FIRST_STEP + self.rng.random() * (0.002 + self.weather.slow)

    # -- writing ------------------------------------------------------------------------------

    async def produce(
        self,
        place: tuple[str, int],
        batch: Sequence[Raw],
        producer: int,
        sequence: int,
        timeout: float,
        *,
        transactional: bool = False,
    ) -> int:
        """Have a batch written; the answer comes once all replicas in sync have it."""
        answer: asyncio.Future[Any] = self.loop.create_future()
        if self.weather.away:
            self.loop.at(self.rng.random() * 0.02, _fail, answer, KafkaConnectionError())
        else:
            self.loop.at(timeout, _fail, answer, RequestTimedOutError())
            if not (self.weather.request_lost and self.rng.random() < self.weather.request_lost):
                write = (place, batch, producer, sequence, transactional, answer)
                self.loop.at(self.delay(), self._write, *write)
        offset: int = await answer
        return offset

    def _write(
        self,
        place: tuple[str, int],
        batch: Sequence[Raw],
        producer: int,
        sequence: int,
        transactional: bool,
        answer: asyncio.Future[Any],
    ) -> None:
        if self.weather.away:
            _fail(answer, KafkaConnectionError())
            return
        try:
            partition = self.partition(place)
            offset = partition.append(
                batch, producer, sequence, self.now(), transactional=transactional
            )
        except KafkaError as error:
            self.loop.at(self.delay(), _fail, answer, error)
            return
        end = offset + len(batch)
        after = partition.due.get(end, 0.0) - self.loop.time()
        if after <= 0.0:
            after = 0.0003 + self.rng.random() * 0.002
            if end > partition.high:  # it has not come before
                after += self.weather.answers_after
                partition.due[end] = self.loop.time() + after
        self.loop.at(after, self._replicated, partition, end, partition.term, offset, answer)

    def _replicated(
        self,
        partition: Partition,
        end: int,
        term: int,
        offset: int,
        answer: asyncio.Future[Any],
    ) -> None:
        if not partition.leader or not partition.replicated(end, term):
            _fail(answer, NotLeaderForPartitionError())
            return
        self.wake_readers()
        self.reply(answer, offset)

    def end_transaction(self, producer: int, kind: Literal["commit", "abort"]) -> None:
        """Write the markers of a transaction."""
        for partitions in self.topics.values():
            for partition in partitions:
                if producer in partition.open:
                    partition.mark(producer, kind, self.now())
                    partition.high = partition.end
        self.wake_readers()

    # -- reading ------------------------------------------------------------------------------

    def when_news(self, told: Callable[..., None], *args: Any) -> None:
        """Call somebody once, when somewhere there is more to read."""
        self._readers.append((told, args))

    def wake_readers(self) -> None:
        """Tell whoever waits that there is more to read."""
        readers, self._readers = self._readers, []
        for told, args in readers:
            self.loop.at(0.0, told, *args)

    # -- what befalls it ----------------------------------------------------------------------

    def away(self, seconds: float) -> None:
        """Let all brokers be away for a time."""
        self.weather.away = True

        def back() -> None:
            self.weather.away = False
            self.wake_readers()

        self.loop.at(seconds, back)

    def lead_anew(self, place: TopicPartition, seconds: float) -> None:
        """Let a partition have no leader for a time, and another then."""
        partition = self.partition(place)
        if not partition.leader:
            return
        partition.leader = False
        partition.term += 1

        def elected() -> None:
            unsure = partition.end - partition.high
            partition.lead_anew(partition.high + round(unsure * self.rng.random()))
            partition.leader = True
            self.wake_readers()

        self.loop.at(seconds, elected)

    def ends(self) -> Mapping[TopicPartition, int]:
        """Where the stable part of each partition ends."""
        return {
            TopicPartition(topic, partition.number): partition.stable
            for topic, partitions in self.topics.items()
            for partition in partitions
        }


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _succeed(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)
