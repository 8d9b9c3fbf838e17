"""The Kafka in memory and the real one, held against each other."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local.cluster import Cluster
from shared.messaging.kafka import consumers
from tests.simulation.kafka.cluster import Brokers
from tests.simulation.kafka.consumer import SimulatedConsumer
from tests.simulation.kafka.producer import SimulatedProducer
from tests.simulation.kafka.readers import readers
from tests.simulation.loop import SimulatedLoop

SMALL_BATCH: Final = 2_000  # max.message.bytes of the small topic


@dataclass
class Kafka:
    """A Kafka with two topics of one partition, and clients of it."""

    plain: str
    small: str
    produce: Callable[..., Any]
    consume: Callable[..., Any]
    steady: Callable[..., Any]
    open: list[Any] = field(default_factory=list)

    async def producer(self, **options: Any) -> Any:
        producer = self.produce(
            **{"enable_idempotence": True, "acks": "all", "request_timeout_ms": 5_000, **options}
        )
        await producer.start()
        self.open.append(producer)
        return producer

    async def reader(self, topic: str, **options: Any) -> Any:
        """A reader of one partition without a group."""
        defaults = {"auto_offset_reset": "earliest", "isolation_level": "read_committed"}
        reader = self.consume(topic, **{**defaults, **options})
        await reader.start()
        self.open.append(reader)
        return reader

    async def close(self) -> None:
        for client in self.open:
            with suppress(KafkaError):
                await client.stop()


Scenario = Callable[[Kafka], Awaitable[Any]]
SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(ask: Scenario) -> Scenario:
    """Note a scenario; what it returns has to be the same on both."""
    SCENARIOS[ask.__name__] = ask
    return ask


async def told(work: Awaitable[Any]) -> Any:
    """What an operation answers: its result, or the name of its error."""
    try:
        return await work
    except (KafkaError, TypeError, ValueError, AssertionError) as error:
        return type(error).__name__


async def batch(producer: Any, topic: str, *values: bytes) -> Any:
    """Hand over a batch; return the future of its first record."""
    builder = producer.create_batch()
    for value in values:
        builder.append(timestamp=None, key=b"k", value=value, headers=[])
    builder.close()
    return await producer.send_batch(builder, topic, partition=0)


async def place(future: Any) -> Any:
    return (await future).offset


async def read_until(reader: Any, position: int, partition: TopicPartition) -> list[Any]:
    """Read until it stands there; return the offsets of what came."""
    offsets: list[int] = []
    for _ in range(200):
        found = await reader.getmany(timeout_ms=100)
        offsets += [record.offset for records in found.values() for record in records]
        if await reader.position(partition) >= position:
            break
    return offsets


# -- writing --


@scenario
async def a_batch_that_is_refused_is_overtaken_where_the_producer_is_new(kafka: Kafka) -> Any:
    producer = await kafka.producer(max_batch_size=100_000)
    large = b"x" * (SMALL_BATCH * 2)
    futures = [await batch(producer, kafka.small, value) for value in (large, b"1", b"2")]
    return [await told(place(future)) for future in futures]


@scenario
async def a_batch_that_is_refused_stops_what_follows_where_the_producer_is_known(
    kafka: Kafka,
) -> Any:
    producer = await kafka.producer(max_batch_size=100_000)
    first = await told(place(await batch(producer, kafka.small, b"0", b"1")))
    large = b"x" * (SMALL_BATCH * 2)
    futures = [await batch(producer, kafka.small, value) for value in (large, b"1", b"2")]
    return first, [await told(place(future)) for future in futures]


@scenario
async def a_batch_takes_its_first_record_whatever_its_size(kafka: Kafka) -> Any:
    producer = await kafka.producer(max_batch_size=1_000)
    builder = producer.create_batch()
    taken = [
        builder.append(timestamp=None, key=b"k", value=value, headers=[]) is not None
        for value in (b"x" * 5_000, b"y", b"z")
    ]
    return taken, builder.record_count()


@scenario
async def a_topic_that_is_not_there(kafka: Kafka) -> Any:
    producer = await kafka.producer(request_timeout_ms=1_000)
    missing = f"missing-{uuid.uuid4().hex}"
    known = await told(producer.partitions_for(kafka.plain))
    return known, await told(producer.partitions_for(missing))


@scenario
async def what_is_sent_after_the_end_is_refused(kafka: Kafka) -> Any:
    producer = await kafka.producer()
    offset = (await producer.send_and_wait(kafka.plain, b"v", key=b"k", partition=0)).offset
    await producer.stop()
    return offset, await told(producer.send(kafka.plain, b"v", key=b"k", partition=0))


# -- reading --


async def _transactions(kafka: Kafka) -> None:
    """Two committed records, one plain one, two aborted ones; then a record of one that is open."""
    partition = TopicPartition(kafka.plain, 0)
    looker = await kafka.reader(kafka.plain)
    for kind, values, end in (("commit", 2, 3), ("plain", 1, 4), ("abort", 2, 7), ("open", 1, 7)):
        options = {} if kind == "plain" else {"transactional_id": uuid.uuid4().hex}
        producer = await kafka.producer(**options)
        if kind != "plain":
            await producer.begin_transaction()
        for number in range(values):
            await producer.send_and_wait(kafka.plain, b"%d" % number, key=b"k", partition=0)
        if kind == "commit":
            await producer.commit_transaction()
        elif kind == "abort":
            await producer.abort_transaction()
        async with asyncio.timeout(30):  # a marker is written a little after the answer
            while (await looker.end_offsets([partition]))[partition] != end:
                await asyncio.sleep(0.02)


@scenario
async def what_was_committed_alone_is_read(kafka: Kafka) -> Any:
    await _transactions(kafka)
    partition = TopicPartition(kafka.plain, 0)
    committed = await kafka.reader(kafka.plain)
    ends = await committed.end_offsets([partition])
    begins = await committed.beginning_offsets([partition])
    offsets = await read_until(committed, 7, partition)
    position = await committed.position(partition)
    bounds = committed.highwater(partition), committed.last_stable_offset(partition)
    return offsets, position, ends[partition], begins[partition], bounds


@scenario
async def what_was_not_committed_is_read_too_where_that_is_asked_for(kafka: Kafka) -> Any:
    await _transactions(kafka)
    partition = TopicPartition(kafka.plain, 0)
    reader = await kafka.reader(kafka.plain, isolation_level="read_uncommitted")
    ends = await reader.end_offsets([partition])
    offsets = await read_until(reader, 8, partition)
    return offsets, await reader.position(partition), ends[partition]


@scenario
async def a_reader_goes_where_it_is_sent(kafka: Kafka) -> Any:
    producer = await kafka.producer()
    for number in range(6):
        await producer.send_and_wait(kafka.plain, b"%d" % number, key=b"k", partition=0)
    partition = TopicPartition(kafka.plain, 0)
    reader = await kafka.reader(kafka.plain)
    first: list[int] = []
    while not first:
        found = await reader.getmany(timeout_ms=500, max_records=2)
        first = [record.offset for records in found.values() for record in records]
    stands = await reader.position(partition)
    reader.seek(partition, 4)
    after = await reader.position(partition)
    rest = await read_until(reader, 6, partition)
    reader.pause(partition)
    reader.seek(partition, 0)
    nothing = await reader.getmany(timeout_ms=300)
    reader.resume(partition)
    again = await read_until(reader, 6, partition)
    return first, stands, after, rest, nothing, again, await reader.position(partition)


@scenario
async def a_reader_stands_where_nothing_is(kafka: Kafka) -> Any:
    producer = await kafka.producer()
    await producer.send_and_wait(kafka.plain, b"0", key=b"k", partition=0)
    partition = TopicPartition(kafka.plain, 0)
    strict = await kafka.reader(kafka.plain, auto_offset_reset="none")
    lenient = await kafka.reader(kafka.plain)
    answers: list[Any] = []
    for reader in (strict, lenient):
        await told(reader.getmany(timeout_ms=200))
        reader.seek(partition, 50)
        answer: Any = {}
        for _ in range(50):
            answer = await told(reader.getmany(timeout_ms=200))
            if answer:
                break
        if isinstance(answer, dict):
            answer = [record.offset for records in answer.values() for record in records]
        answers.append(answer)
    return answers


@scenario
async def what_is_not_assigned_cannot_be_read(kafka: Kafka) -> Any:
    reader = await kafka.reader(kafka.plain)
    other = TopicPartition(kafka.small, 0)

    async def seek() -> None:
        reader.seek(other, 0)

    async def pause() -> None:
        reader.pause(other)

    return [await told(work) for work in (seek(), pause(), reader.position(other))]


@scenario
async def a_steady_reader_tells_what_it_has_covered(kafka: Kafka) -> Any:
    await _transactions(kafka)
    partition = TopicPartition(kafka.plain, 0)
    reader = kafka.steady(kafka.plain, auto_offset_reset="earliest")
    await reader.start()
    kafka.open.append(reader)
    found: list[int] = []
    begin: int | None = None
    for _ in range(50):
        records = await reader.getmany(timeout_ms=200)
        found += [record.offset for of in records.values() for record in of]
        span = reader.span(partition)
        begin = span.begin if begin is None and span is not None and found else begin
        if await reader.position(partition) >= 7:
            break
    return found, begin, await reader.position(partition), reader.end(partition)


# -- both --


def simulated(ask: Scenario) -> Any:
    """What the one in memory answers."""
    rng = random.Random(1)
    loop = SimulatedLoop(rng)  # type: ignore[abstract]  # it has what asyncio asks for
    brokers = Brokers(loop, rng)
    brokers.create("plain", 1)
    brokers.create("small", 1, SMALL_BATCH)

    def produce(**options: Any) -> SimulatedProducer:
        return SimulatedProducer(brokers, **options)

    async def run() -> Any:
        SimulatedConsumer.brokers = brokers
        kafka = Kafka("plain", "small", produce, SimulatedConsumer, readers().SteadyConsumer)
        return await ask(kafka)

    try:
        return loop.run(run(), 600.0, 100_000)
    finally:
        loop.close()


@pytest.fixture
async def real(cluster: Cluster, namespace: str) -> AsyncIterator[Kafka]:
    plain, small = (f"{namespace}.{kind}.{uuid.uuid4().hex[:8]}" for kind in ("plain", "small"))
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    topics: Sequence[NewTopic] = [
        NewTopic(plain, 1, 1),
        NewTopic(small, 1, 1, config={"max.message.bytes": str(SMALL_BATCH)}),
    ]
    for made in admin.create_topics(list(topics)).values():
        made.result(30)

    def produce(**options: Any) -> AIOKafkaProducer:
        return AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, **options)

    def consume(*names: str, **options: Any) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(*names, bootstrap_servers=cluster.bootstrap, **options)

    def steady(*names: str, **options: Any) -> consumers.SteadyConsumer:
        return consumers.SteadyConsumer(*names, bootstrap_servers=cluster.bootstrap, **options)

    kafka = Kafka(plain, small, produce, consume, steady)
    yield kafka
    await kafka.close()


@pytest.mark.parametrize("name", SCENARIOS)
async def test_both_answer_the_same(name: str, real: Kafka) -> None:
    ask = SCENARIOS[name]
    in_memory = await asyncio.get_running_loop().run_in_executor(None, simulated, ask)
    assert in_memory == await ask(real)
