"""A flood pauses its topic at the record that passes the limit, and no other topic."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from aiokafka import TopicPartition
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from shared.contracts.topics import Topics
from shared.messaging.core.model import Outcome
from shared.messaging.inbound.batches import BatchItem
from shared.messaging.inbound.flood import FloodLimit
from shared.messaging.inbound.pausing import TopicPausing
from tests.unit.messaging.fakes import GROUP, Bench
from tests.unit.messaging.fakes_kafka import BEGUN, PLACE, TOPIC, Record, record

OTHER = "peygir.circulars.v1"
SMALL = FloodLimit(window=10, share=0.2, least=4)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def poison(offset: int, topic: str = TOPIC) -> Record:
    return replace(record(offset, b"{"), topic=topic)


def good(offset: int, topic: str = TOPIC) -> Record:
    return replace(record(offset), topic=topic)


async def resume(bench: Bench, topic: str | None = None) -> None:
    """What an operator does; every process sees it at its next refresh."""
    held = bench.collections["subscriptions"].held
    for id_ in [id_ for id_, pause in held.items() if topic in {None, pause["topic"]}]:
        del held[id_]
    await bench.consumer.check(bench.kafka)


async def test_two_thousand_in_one_batch_make_no_more_letters_than_the_limit() -> None:
    bench = Bench([poison(n) for n in range(2_000)] + [good(2_000)])
    await bench.turn()
    assert len(bench.letters) == len(bench.rejections) == 200
    assert bench.stored == 200
    assert bench.pauses == {TOPIC}
    assert bench.kafka.paused == {PLACE}
    assert bench.kafka.at == 200, "what follows is read again"


async def test_metrics_show_the_pause_before_anything_is_dead_lettered() -> None:
    bench = Bench([poison(n) for n in range(9)], limit=SMALL)
    await bench.consumer.check(bench.kafka)
    assert bench.shown("peygir_subscription_paused", group=GROUP) == 0
    seen: list[object] = []

    def refused(_: object) -> None:
        seen.append(
            (
                bench.shown("peygir_subscription_paused", group=GROUP),
                bench.shown("peygir_topic_paused", group=GROUP, topic=TOPIC),
                bench.pauses,
            )
        )

    bench.sends.refuses = refused
    await bench.turn()
    assert seen
    assert all(shown == (1, 1, {TOPIC}) for shown in seen)


async def test_good_records_after_a_flood_are_applied_once_the_topic_is_resumed() -> None:
    bench = Bench([poison(n) for n in range(6)] + [good(n) for n in range(6, 20)], limit=SMALL)
    await bench.turn()
    await bench.turn()
    assert (bench.applied, list(bench.letters), bench.stored) == ([], [0, 1, 2, 3], 4)
    await resume(bench)
    assert bench.shown("peygir_subscription_paused", group=GROUP) == 0
    assert bench.shown("peygir_topic_paused", group=GROUP, topic=TOPIC) == 0
    await bench.turn()
    assert (list(bench.letters), bench.applied) == ([0, 1, 2, 3, 4, 5], list(range(6, 20)))
    assert (bench.pauses, bench.stored) == (set(), 20)


async def test_a_flood_that_goes_on_pauses_its_topic_again() -> None:
    bench = Bench([poison(n) for n in range(10)], limit=SMALL)
    for letters in (4, 8, 10):
        await bench.turn()
        assert len(bench.letters) == letters
        await resume(bench)
    assert bench.stored == 10


async def test_other_topics_of_the_batch_and_of_later_ones_go_on_at_once() -> None:
    flood = [poison(n) for n in range(400)]
    calm = [good(n, OTHER) for n in range(400)]
    mixed = [r for pair in zip(flood, calm, strict=True) for r in pair]
    bench = Bench(mixed, reads=(TOPIC, OTHER))
    await bench.turn()
    assert bench.applied == list(range(400))
    assert len(bench.letters) == 200
    assert bench.clock.slept == []
    bench.kafka.log += [good(400), good(400, OTHER)]
    await bench.turn()
    assert bench.applied[400:] == [400]
    assert bench.position(TopicPartition(OTHER, 0)) == 401
    assert bench.pauses == {TOPIC}
    assert bench.shown("peygir_topic_paused", group=GROUP, topic=OTHER) in {0, None}


async def test_other_partitions_of_a_flooded_topic_wait_too() -> None:
    second = [replace(r, partition=1) for r in (good(0), good(1))]
    bench = Bench([*[poison(n) for n in range(6)], *second], limit=SMALL)
    await bench.turn()
    assert bench.applied == []
    assert bench.kafka.paused == {PLACE, TopicPartition(TOPIC, 1)}
    await resume(bench)
    await bench.turn()
    assert bench.applied == [0, 1]
    assert bench.position((TOPIC, 1)) == 2


async def test_failures_of_the_handler_count_as_a_flood_too() -> None:
    bench = Bench([good(n) for n in range(64)], range(40), limit=SMALL)
    await bench.turn()
    assert bench.letters == dict.fromkeys(range(4), "failed")
    assert bench.applied == []
    assert bench.stored == 4


async def test_a_restart_does_not_end_a_pause() -> None:
    bench = Bench([poison(n) for n in range(6)] + [good(6)], limit=SMALL)
    await bench.turn()
    bench.consumer = bench.another()
    bench.kafka.paused.clear()
    bench.kafka.at = 4
    await bench.turn()
    assert (bench.applied, len(bench.letters)) == ([], 4)
    assert bench.kafka.paused == {PLACE}
    await resume(bench)
    await bench.turn()
    assert bench.applied == [6]


async def test_another_process_of_the_group_pauses_too() -> None:
    bench = Bench([poison(n) for n in range(6)], limit=SMALL)
    await bench.turn()
    other = bench.another()
    bench.kafka.paused.clear()
    await other.check(bench.kafka)
    assert bench.kafka.paused == {PLACE}
    await resume(bench)
    await other.check(bench.kafka)
    assert bench.kafka.paused == set()


async def test_partitions_are_paused_again_after_a_rebalance() -> None:
    bench = Bench([poison(n) for n in range(6)], limit=SMALL)
    await bench.turn()
    bench.kafka.paused.clear()  # Kafka's consumer forgets
    bench.kafka.at = 4
    await bench.consumer.check(bench.kafka)
    assert bench.kafka.paused == {PLACE}
    assert bench.kafka.poll() == []


async def test_a_pause_of_a_former_version_is_of_the_whole_group() -> None:
    bench = Bench([good(0), good(0, OTHER)], reads=(TOPIC, OTHER))
    bench.collections["subscriptions"].held[GROUP] = {
        "_id": GROUP,
        "paused": BEGUN,
        "reason": "over a fifth of the last events were refused",
    }
    await bench.turn()
    assert bench.applied == []
    assert bench.shown("peygir_subscription_paused", group=GROUP) == 1
    bench.collections["subscriptions"].held.clear()
    await bench.consumer.check(bench.kafka)
    await bench.turn()
    assert bench.applied == [0, 0]


async def test_repaired_letters_come_back_to_a_paused_topic() -> None:
    """And a flood of them pauses only the replay topic."""
    bench = Bench([poison(n) for n in range(6)], limit=SMALL)
    await bench.turn()
    replay = Topics(["civil"]).replay("notify")
    origin = [
        ("x-origin-topic", TOPIC.encode()),
        ("x-origin-partition", b"0"),
        ("x-origin-offset", b"1"),
    ]
    mended = replace(good(0), topic=replay, headers=[*good(0).headers, *origin])
    bench.kafka.log.append(mended)
    await bench.turn()
    assert bench.applied == [0]
    assert bench.pauses == {TOPIC}
    bench.kafka.log += [replace(poison(n, replay), headers=origin) for n in range(1, 9)]
    await bench.turn()
    assert bench.pauses == {TOPIC, replay}


async def test_a_refresh_that_began_before_a_flood_does_not_resume_its_topic() -> None:
    bench = Bench([poison(n) for n in range(6)], limit=SMALL)
    await bench.consumer.check(bench.kafka)
    bench.save_failures = [AutoReconnect("away")] * 3

    async def look_on() -> None:
        for _ in range(60):
            await bench.consumer._gate.refresh()
            await asyncio.sleep(0)

    await asyncio.gather(bench.turn(), look_on())
    assert bench.pauses == {TOPIC}
    assert bench.consumer._gate.is_paused(TOPIC)


async def test_a_pause_that_the_database_does_not_accept_yet_is_retried() -> None:
    bench = Bench([poison(n) for n in range(6)], limit=SMALL)
    await bench.consumer.check(bench.kafka)
    bench.client.away = 12
    await bench.turn()
    assert bench.pauses == {TOPIC}
    assert len(bench.letters) == 4


async def test_a_consumer_that_lost_its_partition_during_a_flood_holds_nothing_back() -> None:
    bench = Bench([poison(n) for n in range(6)] + [good(6)], limit=SMALL)
    await bench.consumer.check(bench.kafka)
    bench.store(5)  # another process was there
    await bench.turn()
    assert bench.letters == {}
    await resume(bench)
    await bench.turn()
    assert (bench.letters, bench.applied) == ({5: "broken-json"}, [6])


async def test_what_was_held_back_is_not_overtaken_even_if_its_topic_is_resumed() -> None:
    bench = Bench([poison(n) for n in range(6)], limit=SMALL, reads=(TOPIC, OTHER))
    gate = bench.consumer._gate
    pausing = TopicPausing(gate)
    held: dict[TopicPartition, int] = {}
    items = [
        BatchItem(good(n, topic), Outcome.APPLIED) for n in range(4) for topic in (TOPIC, OTHER)
    ]
    await gate.pause(TOPIC)
    assert [i.record.topic for i in pausing.filter(items[:4], held)] == [OTHER, OTHER]
    bench.collections["subscriptions"].held.clear()
    await gate.refresh()
    assert [i.record.topic for i in pausing.filter(items[4:], held)] == [OTHER, OTHER]
    assert held == {PLACE: 0}
    pausing.rewind(held, bench.kafka)
    await pausing.apply(bench.kafka)
    assert (bench.kafka.paused, bench.kafka.at) == (set(), 0)


async def test_a_load_waits_for_a_refresh_in_progress() -> None:
    bench = Bench([poison(n) for n in range(6)], limit=SMALL)
    await bench.turn()
    gate = bench.another()._gate
    refresh = asyncio.ensure_future(gate.refresh())
    await asyncio.sleep(0)
    await gate.load()
    assert gate.is_paused(TOPIC)
    await refresh
