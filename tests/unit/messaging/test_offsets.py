"""Offsets of a consumer: what Kafka no longer holds is shown, and delays nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    IllegalStateError,
    KafkaError,
    LeaderNotAvailableError,
    TopicAuthorizationFailedError,
)
from structlog.testing import capture_logs

from shared.messaging.kafka.consumers import OffsetSpan
from tests.unit.messaging.fakes import GROUP, Bench
from tests.unit.messaging.fakes_kafka import PLACE, TOPIC, Kafka, Record, record

OTHER = "peygir.reports.v1"
ELSEWHERE = TopicPartition(OTHER, 0)


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def beside(offset: int) -> Record:
    """A record of another topic of the same group."""
    return replace(record(offset), topic=OTHER)


def bench_of_two(count: int) -> Bench:
    log = [made(n) for n in range(count) for made in (record, beside)]
    return Bench(log, reads=(TOPIC, OTHER))


def waits(bench: Bench, topic: str = TOPIC) -> str | None:
    """Why a topic waits."""
    causes = [
        sample.labels["cause"]
        for metric in bench.metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "peygir_stalled" and sample.labels["topic"] == topic
    ]
    return causes[0] if causes else None


def applied_of(bench: Bench, topic: str) -> list[int]:
    return [origin.offset for origin in bench.done if origin.topic == topic]


async def test_a_topic_that_was_cut_below_the_position_of_a_running_consumer_is_shown() -> None:
    """Kafka was restored, or its leader lacked records: nothing may be skipped."""
    bench = bench_of_two(5)
    await bench.consumer.check(bench.kafka)
    await bench.turn()
    bench.kafka.log = [*(record(n) for n in range(2)), *(beside(n) for n in range(7))]
    bench.kafka.set_aside(
        PLACE
    )  # as the consumer does if the broker answers that it is out of range
    for _ in range(3):
        await bench.consumer.check(bench.kafka)
        assert waits(bench) == "topic-went-back"
        await bench.turn()
    assert applied_of(bench, OTHER) == list(range(7)), "others go on"
    bench.kafka.log += [record(n) for n in range(2, 9)]
    await bench.consumer.check(bench.kafka)
    await bench.turn()
    assert applied_of(bench, TOPIC) == list(range(5)), "also not when it has grown again"
    assert waits(bench) == "topic-went-back"


async def test_an_end_that_a_new_leader_gives_too_low_is_a_passing_state() -> None:
    bench = Bench([record(n) for n in range(5)])
    await bench.consumer.check(bench.kafka)
    await bench.turn()
    whole, bench.kafka.log = bench.kafka.log, [record(0)]
    bench.kafka.set_aside(PLACE)
    await bench.consumer.check(bench.kafka)
    assert waits(bench) == "topic-went-back"
    bench.kafka.log = [*whole, record(5)]
    await bench.consumer.check(bench.kafka)
    await bench.turn()
    assert (bench.applied, waits(bench)) == (list(range(6)), None)


async def test_a_topic_that_begins_after_the_stored_position_is_shown() -> None:
    bench = bench_of_two(3)
    bench.store(1)
    bench.kafka.log = [record(5), record(6), *(beside(n) for n in range(3))]
    await bench.consumer.check(bench.kafka)
    assert waits(bench) == "records-gone"
    await bench.turn()
    assert (applied_of(bench, TOPIC), applied_of(bench, OTHER)) == ([], [0, 1, 2])


async def test_a_group_without_a_position_begins_at_the_first_offset() -> None:
    bench = Bench([record(5), record(6)])
    await bench.consumer.check(bench.kafka)
    await bench.turn()
    assert (bench.applied, waits(bench)) == ([5, 6], None)


class Leaderless(Kafka):
    """One partition has no leader to ask."""

    sick: TopicPartition | None = PLACE

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        if self.sick in partitions:
            raise LeaderNotAvailableError
        return await super().end_offsets(partitions)


async def test_a_partition_without_a_leader_delays_no_other() -> None:
    bench = bench_of_two(3)
    kafka = bench.kafka = Leaderless(bench.log)
    await bench.turn()
    assert (applied_of(bench, OTHER), applied_of(bench, TOPIC)) == ([0, 1, 2], [])
    await bench.consumer.check(kafka)
    assert waits(bench) == "no-leader"
    kafka.sick = None
    await bench.consumer.check(kafka)
    await bench.turn()
    assert applied_of(bench, TOPIC) == [0, 1, 2]
    await bench.consumer.check(kafka)
    assert waits(bench) is None


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (CorruptRecordException("Invalid CRC"), "unreadable"),
        (TopicAuthorizationFailedError(TOPIC), "no-right"),
    ],
)
async def test_a_partition_that_cannot_be_read_is_tried_again_and_shown(
    error: KafkaError, cause: str
) -> None:
    bench = bench_of_two(3)
    await bench.consumer.check(bench.kafka)
    for _ in range(3):
        bench.kafka.set_aside(PLACE, error)
        await bench.consumer.check(bench.kafka)
        assert waits(bench) == cause
        assert PLACE not in bench.kafka.aside(), "it is tried again"
    await bench.turn()
    await bench.consumer.check(bench.kafka)
    assert (applied_of(bench, TOPIC), waits(bench)) == ([0, 1, 2], None)


async def test_markers_at_the_end_are_skipped_and_are_no_lag() -> None:
    bench = Bench([record(0), record(1)])
    await bench.consumer.check(bench.kafka)
    await bench.turn()
    kafka = bench.kafka
    kafka._spans = {PLACE: OffsetSpan(2, 5, None)}  # two aborted records and a marker
    kafka.ends = {PLACE: 5}
    await bench.consumer.check(kafka)
    assert kafka.committed == {PLACE: 5}
    assert bench.shown("peygir_consumer_lag", topic=TOPIC, partition="0") == 0
    assert bench.stored == 2, "no transaction is spent on it"
    kafka.at = 5
    kafka.log.append(record(5))
    kafka.ends = {PLACE: 6}
    await bench.turn()
    assert (bench.applied, bench.stored) == ([0, 1, 5], 6)


async def test_records_in_hand_are_not_skipped() -> None:
    """A check of the positions may come between a read and its batch."""
    bench = Bench([record(0), record(1)])
    await bench.consumer.check(bench.kafka)
    read = bench.kafka.poll()
    await bench.consumer.check(bench.kafka)
    assert bench.kafka.committed.get(PLACE, 0) == 0
    await bench.consumer.consume(read, bench.kafka)
    assert bench.applied == [0, 1]


class Restless(Kafka):
    """A rebalance takes a partition away while Kafka is asked where that ends."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.log)
        self.listener = bench.consumer.listener
        self.taken = False

    def assignment(self) -> Collection[TopicPartition]:
        return set(super().assignment()) - ({PLACE} if self.taken else set())

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        ends = await super().end_offsets(partitions)
        if PLACE in partitions and not self.taken:
            self.taken = True
            self.listener.on_partitions_revoked([PLACE])
        return ends

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if not offsets.keys() <= set(self.assignment()):
            raise IllegalStateError("not assigned")
        await super().commit(offsets)


async def test_a_partition_that_is_taken_away_during_a_check_is_forgotten() -> None:
    """Else no offset of the group would be committed any more, and its lag would be shown twice."""
    bench = bench_of_two(5)
    bench.kafka = Restless(bench)
    await bench.turn()
    for _ in range(3):
        await bench.clock.sleep(10)
        await bench.consumer.check(bench.kafka)
    assert bench.kafka.committed == {ELSEWHERE: 5}
    assert bench.shown("peygir_consumer_lag", topic=TOPIC, partition="0") is None


async def test_a_stall_names_the_group() -> None:
    bench = bench_of_two(2)
    bench.store(9)
    await bench.consumer.check(bench.kafka)
    labels = {"part": "consumer", "name": GROUP, "topic": TOPIC, "cause": "topic-went-back"}
    assert bench.metrics.registry.get_sample_value("peygir_stalled", labels) == 1
