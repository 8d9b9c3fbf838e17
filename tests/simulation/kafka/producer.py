"""The producer, as aiokafka shows it: idempotent, and retrying for ever what may still go."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, Final, Literal

from aiokafka.errors import (
    DuplicateSequenceNumber,
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    ProducerClosed,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import RecordMetadata, TopicPartition

from tests.simulation.kafka.cluster import Brokers
from tests.simulation.kafka.log import Raw

_BACKOFF: Final = 0.1


class Builder:
    """A batch while it is being filled."""

    def __init__(self, largest: int) -> None:
        self.records: list[Raw] = []
        self._largest = largest
        self._size = 61
        self._closed = False

    def append(
        self,
        *,
        timestamp: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int | None:
        """Take a record; None where it is full. The first is taken whatever its size."""
        if self._closed:
            return None
        raw = Raw(key, value, tuple(headers))
        size = raw.size
        if self.records and self._size + size > self._largest:
            self._closed = True
            return None
        self.records.append(raw)
        self._size += size
        return size

    def close(self) -> None:
        """Take no more."""
        self._closed = True

    def record_count(self) -> int:
        """How many it holds."""
        return len(self.records)

    def size(self) -> int:
        """Bytes."""
        return self._size


class _Batch:
    __slots__ = ("created", "future", "records", "sequence")

    def __init__(self, records: Sequence[Raw], future: asyncio.Future[Any], now: float) -> None:
        self.records = records
        self.future = future
        self.created = now
        self.sequence: int | None = None  # given when it first sets out


class _Metadata:
    def __init__(self, names: set[str]) -> None:
        self._names = names

    def topics(self) -> set[str]:
        """The names of all topics."""
        return self._names


class _Client:
    def __init__(self, brokers: Brokers, timeout: float) -> None:
        self._brokers = brokers
        self._timeout = timeout

    async def fetch_all_metadata(self) -> _Metadata:
        """What the brokers know of all topics."""
        names = await self._brokers.ask(lambda: set(self._brokers.topics), self._timeout)
        return _Metadata(names)


class SimulatedProducer:
    """One producer; it has an id of its own, and numbers what it sends to each partition."""

    def __init__(self, brokers: Brokers, **options: Any) -> None:
        self._brokers = brokers
        self._timeout = options.get("request_timeout_ms", 40_000) / 1000
        self._largest = options.get("max_batch_size", 16_384)
        self._largest_request = options.get("max_request_size", 1_048_576)
        self._transactional = options.get("transactional_id") is not None
        self._id = -1
        self._sequences: defaultdict[TopicPartition, int] = defaultdict(int)
        self._queues: defaultdict[TopicPartition, deque[_Batch]] = defaultdict(deque)
        self._senders: dict[TopicPartition, asyncio.Task[None]] = {}
        self._waiting: set[asyncio.Future[Any]] = set()
        self._known: dict[str, set[int]] = {}
        self._closed = False
        self.client = _Client(brokers, self._timeout)

    async def start(self) -> None:
        """Connect and get an id. Raises KafkaConnectionError where no broker is there."""
        brokers = self._brokers
        try:
            await brokers.ask(lambda: None, self._timeout)
        except KafkaError as error:
            raise KafkaConnectionError("Unable to bootstrap") from error
        while self._id < 0:
            try:
                self._id = await brokers.ask(brokers.next_producer, self._timeout)
            except KafkaError:
                await asyncio.sleep(_BACKOFF)

    async def stop(self) -> None:
        """Wait for what is under way, and end. Where it is cancelled, the rest still goes."""
        if self._closed:
            return
        self._closed = True
        if self._waiting:
            await asyncio.wait(list(self._waiting))
        for sender in self._senders.values():
            sender.cancel()

    def create_batch(self) -> Builder:
        """An empty batch."""
        return Builder(self._largest)

    async def partitions_for(self, topic: str) -> set[int]:
        """The partitions of a topic. Raises UnknownTopicOrPartitionError, and KafkaError."""
        known = self._known.get(topic)
        if known is not None:
            return known
        brokers = self._brokers
        until = brokers.loop.time() + self._timeout
        while True:
            try:
                count = await brokers.ask(lambda: len(brokers.topics.get(topic, ())), self._timeout)
            except KafkaError:
                count = 0
            if count:
                self._known[topic] = known = set(range(count))
                return known
            if brokers.loop.time() > until:
                raise UnknownTopicOrPartitionError
            await asyncio.sleep(_BACKOFF)

    async def send_batch(
        self, batch: Builder, topic: str, *, partition: int
    ) -> asyncio.Future[RecordMetadata]:
        """Queue a batch; the future is of its first record."""
        if self._closed:
            raise ProducerClosed
        await self.partitions_for(topic)
        return self._queue(TopicPartition(topic, partition), batch.records)

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> asyncio.Future[RecordMetadata]:
        """Queue one record. Raises MessageSizeTooLargeError before it sets out."""
        if self._closed:
            raise ProducerClosed
        partitions = sorted(await self.partitions_for(topic))
        raw = Raw(key, value, tuple(headers or ()))
        if raw.size > self._largest_request:
            raise MessageSizeTooLargeError(f"The message is {raw.size} bytes")
        if partition is None:
            partition = DefaultPartitioner()(key, partitions, partitions)
        return self._queue(TopicPartition(topic, partition), [raw])

    async def send_and_wait(self, *args: Any, **options: Any) -> RecordMetadata:
        """Send one record and wait for its place."""
        return await (await self.send(*args, **options))

    def _queue(
        self, place: TopicPartition, records: Sequence[Raw]
    ) -> asyncio.Future[RecordMetadata]:
        loop = self._brokers.loop
        future: asyncio.Future[RecordMetadata] = loop.create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        self._queues[place].append(_Batch(records, future, loop.time()))
        if place not in self._senders or self._senders[place].done():
            self._senders[place] = loop.create_task(self._send(place))
        return future

    async def _send(self, place: TopicPartition) -> None:
        """Send what is queued for a partition, one batch at a time."""
        queue = self._queues[place]
        while queue:
            batch = queue[0]
            if not self._has_leader(place):
                if self._brokers.loop.time() - batch.created > self._timeout:
                    queue.popleft()
                    self._number(place, batch)  # though it never set out
                    self._fail(batch, LeaderNotAvailableError())
                else:
                    await asyncio.sleep(_BACKOFF)
                continue
            self._number(place, batch)
            assert batch.sequence is not None
            try:
                offset = await self._brokers.produce(
                    place,
                    batch.records,
                    self._id,
                    batch.sequence,
                    self._timeout,
                    transactional=self._transactional,
                )
            except DuplicateSequenceNumber:
                queue.popleft()
                self._succeed(place, batch, -1)
            except KafkaError as error:
                if error.retriable:
                    await asyncio.sleep(_BACKOFF)
                else:
                    queue.popleft()
                    self._fail(batch, error)
            else:
                queue.popleft()
                self._succeed(place, batch, offset)

    def _has_leader(self, place: TopicPartition) -> bool:
        try:
            return self._brokers.partition(place).leader
        except UnknownTopicOrPartitionError:
            return False

    def _number(self, place: TopicPartition, batch: _Batch) -> None:
        if batch.sequence is None:
            batch.sequence = self._sequences[place]
            self._sequences[place] += len(batch.records)

    @staticmethod
    def _fail(batch: _Batch, error: Exception) -> None:
        if not batch.future.done():
            batch.future.set_exception(error)
            batch.future.exception()  # whoever asks for it hears of it

    def _succeed(self, place: TopicPartition, batch: _Batch, offset: int) -> None:
        if not batch.future.done():
            now = self._brokers.now()
            batch.future.set_result(
                RecordMetadata(place.topic, place.partition, place, offset, now, 1, 0)
            )

    # -- transactions, for the foreign clients of a schedule -----------------------------------

    async def begin_transaction(self) -> None:
        """Begin one; the brokers hear of it with its first record."""

    async def commit_transaction(self) -> None:
        """Let what was sent since count."""
        await self.end_transaction("commit")

    async def abort_transaction(self) -> None:
        """Let what was sent since not count."""
        await self.end_transaction("abort")

    async def end_transaction(self, kind: Literal["commit", "abort"]) -> None:
        """Commit or abort what was sent since the last."""
        if self._waiting:
            await asyncio.wait(list(self._waiting))
        brokers = self._brokers
        while True:
            try:
                await brokers.ask(lambda: brokers.end_transaction(self._id, kind), self._timeout)
            except KafkaError:
                await asyncio.sleep(_BACKOFF)
            else:
                return
