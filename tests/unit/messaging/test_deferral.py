"""Early messages wait, and end once: applied or dead-lettered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from shared.contracts.topics import Topics
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import Decision, Message, Origin
from shared.messaging.inbound.flood import FloodLimit
from shared.messaging.ledger.deferral import DeferralLimit
from tests.unit.messaging.fakes import Bench
from tests.unit.messaging.fakes_kafka import TOPIC, Record, record

HOUR = DeferralLimit(timedelta(hours=1), most=3)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def bench_of(count: int, *missing: int) -> Bench:
    bench = Bench([record(n) for n in range(count)], deferral=HOUR)
    bench.missing.update(missing)
    return bench


def count(bench: Bench, outcome: str) -> float:
    labels = {"type": "peygir.SessionOpened.v1", "outcome": outcome}
    found = bench.metrics.registry.get_sample_value("peygir_events_consumed_total", labels)
    return found or 0.0


async def offer(bench: Bench) -> None:
    await bench.consumer.check(bench.kafka)


async def test_an_early_message_is_passed_and_applied_later() -> None:
    bench = bench_of(4, 1, 2)
    await bench.turn()
    assert (bench.applied, bench.stored, bench.letters) == ([0, 3], 4, {})
    await offer(bench)
    assert bench.applied == [0, 3]
    bench.missing.discard(2)
    await offer(bench)
    bench.missing.discard(1)
    await offer(bench)
    await offer(bench)
    assert bench.applied == [0, 3, 2, 1]
    assert bench.waiting.held == {}
    assert [count(bench, name) for name in ("deferred", "applied", "dead_lettered")] == [2, 4, 0]


async def test_a_message_that_waited_too_long_is_dead_lettered_once() -> None:
    bench = bench_of(2, 1)
    await bench.turn()
    bench.clock.slept.append(3_599)
    await offer(bench)
    assert bench.letters == {}
    bench.clock.slept.append(1)
    await offer(bench)
    await offer(bench)
    assert bench.letters == {1: "missing"}
    (letter,) = (r for r in bench.sends.sent if r.topic == bench.topics.deadletter("notify"))
    assert letter.value == bench.log[1].value
    assert list(letter.headers[:4]) == list(bench.log[1].headers)
    assert (bench.waiting.held, count(bench, "dead_lettered")) == ({}, 1)


async def test_the_same_again_is_a_duplicate_while_it_waits() -> None:
    bench = bench_of(1, 0, 1, 2)
    twin = replace(record(0), offset=1)
    bench.kafka.log += [twin, replace(twin, offset=2)]
    await bench.turn()
    assert len(bench.waiting.held) == 1
    assert [count(bench, name) for name in ("deferred", "duplicate")] == [1, 2]


async def test_if_too_many_wait_the_next_is_refused_at_once() -> None:
    bench = bench_of(6, *range(6))
    await bench.turn()
    assert len(bench.waiting.held) == HOUR.most
    assert bench.letters == dict.fromkeys(range(3, 6), "missing")


async def test_nothing_waits_if_the_limit_is_zero() -> None:
    bench = Bench([record(0)], deferral=DeferralLimit(timedelta(0)))
    bench.missing.add(0)
    await bench.turn()
    assert bench.letters == {0: "missing"}


async def test_a_replay_does_not_wait() -> None:
    origin = [
        ("x-origin-topic", TOPIC.encode()),
        ("x-origin-partition", b"0"),
        ("x-origin-offset", b"7"),
    ]
    first = record(0)
    replay = Topics(["civil"]).replay("notify")
    back = replace(first, topic=replay, headers=[*first.headers, *origin])
    bench = Bench([back], deferral=HOUR)
    bench.missing.add(0)
    await bench.turn()
    assert (bench.letters, bench.waiting.held) == ({7: "missing"}, {})


async def test_what_another_process_took_meanwhile_is_left_to_it() -> None:
    bench = bench_of(1, 0)
    await bench.turn()
    bench.missing.clear()
    bench.waiting.meanwhile = bench.waiting.held.clear
    await offer(bench)
    assert (bench.applied, bench.letters) == ([], {})


async def test_after_a_failed_save_it_is_decided_again_and_applied_once() -> None:
    bench = bench_of(1, 0)
    await bench.turn()
    bench.missing.clear()
    bench.save_failures += [Stale("another was faster"), Stale("again")]
    await offer(bench)
    assert bench.applied == [0]


async def test_a_guilty_message_is_dead_lettered_alone_and_the_others_apply() -> None:
    bench = bench_of(3, 0, 1, 2)
    await bench.turn()
    bench.missing.clear()
    bench.guilty = [1]
    await offer(bench)
    assert (bench.applied, bench.letters) == ([0, 2], {1: "failed"})
    assert bench.waiting.held == {}


async def test_nothing_is_offered_while_its_topic_is_paused() -> None:
    bench = Bench(
        [record(n, None if n in {0, 9} else b"{") for n in range(9)],
        limit=FloodLimit(4, 0.5, 2),
        deferral=HOUR,
    )
    bench.missing.add(0)
    await bench.turn()
    assert bench.pauses == {TOPIC}
    bench.missing.clear()
    await offer(bench)
    assert bench.applied == []
    bench.collections["subscriptions"].held.clear()
    await offer(bench)
    assert bench.applied == [0]


async def test_deferred_messages_are_offered_by_offset_whatever_the_clocks_say() -> None:
    """A process whose clock is behind may defer the next amendment."""
    bench = Bench([record(n) for n in range(2)], deferral=HOUR)
    bench.missing.update({0, 1})
    bench.clock.slept.append(3_000)
    await bench.consumer.consume(bench.kafka.poll(1), bench.kafka)
    bench.clock.slept.clear()
    await bench.turn()
    earlier, later = sorted(bench.waiting.held.values(), key=lambda document: document["offset"])
    assert earlier["at"] > later["at"]
    bench.missing.clear()
    await offer(bench)
    assert bench.applied == [0, 1]


async def test_topics_and_partitions_do_not_mix_in_the_order_of_deferred_messages() -> None:
    second = "peygir.circulars.v1"
    log = [
        replace(record(offset), topic=topic, partition=partition)
        for offset in range(3)
        for partition in (1, 0)
        for topic in (TOPIC, second)
    ]
    log = [replace(r, headers=named(r, str(number))) for number, r in enumerate(log)]
    bench = Bench(log, deferral=DeferralLimit(timedelta(hours=1), most=50), reads=(TOPIC, second))
    bench.missing.update({0, 1, 2})
    await bench.consumer.check(bench.kafka)
    await bench.turn()
    bench.missing.clear()
    await offer(bench)
    places = [(o.topic, o.partition, o.offset) for o in bench.done]
    assert places == sorted(places)
    assert len(places) == len(log)


async def test_deferred_messages_do_not_wait_for_another_topic_that_cannot_be_read() -> None:
    sick = TopicPartition("peygir.circulars.v1", 0)
    bench = Bench([record(0)], deferral=HOUR, reads=(TOPIC, sick.topic))
    bench.missing.add(0)
    await bench.turn()
    bench.missing.clear()
    bench.kafka.log.append(replace(record(0), topic=sick.topic))
    bench.store(100, sick)  # it ends before: it was created again
    await offer(bench)
    assert bench.kafka.aside().keys() == {sick}
    assert bench.applied == [0]


def named(record_: Record, id_: str) -> list[tuple[str, bytes]]:
    """Its headers with another id."""
    return [(name, id_.encode() if name == "ce_id" else raw) for name, raw in record_.headers]


async def test_a_deferred_message_keeps_the_time_at_which_kafka_took_it() -> None:
    bench = bench_of(1, 0)
    times: list[int | None] = []
    handle = bench.consumer._handle

    async def watched(messages: Sequence[Message]) -> Decision[Origin]:
        times.extend(message.timestamp for message in messages)
        return await handle(messages)

    bench.consumer._handle = watched
    await bench.turn()
    bench.clock.slept.append(3_600)
    await offer(bench)
    assert times == [bench.kafka.log[0].timestamp] * 3, "a dead letter is decided twice"
