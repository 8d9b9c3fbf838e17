"""From records to an effect that happens once: offsets, dead letters and retries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from aiokafka.errors import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from shared.messaging.core.errors import HistoryChanged, Stale, Unsendable
from tests.unit.messaging.fakes import Bench
from tests.unit.messaging.fakes_kafka import PLACE, record

unhurried = settings(deadline=None)  # a shared machine may be slow


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    """Hundreds of failures are provoked here; writing each with its trace takes long."""
    with capture_logs():
        yield


# -- offsets ------------------------------------------------------------------------------------


async def test_a_first_start_begins_at_the_beginning_and_kafkas_offset_follows() -> None:
    bench = Bench([record(n) for n in range(3, 6)])
    bench.kafka.at = 3
    await bench.turn()
    assert bench.applied == [3, 4, 5]
    assert bench.stored == 6
    assert bench.kafka.committed == {PLACE: 6}
    await bench.turn()
    assert bench.applied == [3, 4, 5], "what Kafka gives again is skipped"


async def test_records_before_the_stored_position_are_skipped() -> None:
    bench = Bench([record(n) for n in range(8)])
    bench.store(5)
    await bench.turn()
    assert bench.applied == [5, 6, 7]


async def test_a_consumer_seeks_to_the_stored_position_without_waiting_for_a_record() -> None:
    bench = Bench([record(n) for n in range(8)])
    bench.store(5)
    bench.kafka.at = 8  # Kafka's own offset is ahead: the database was restored
    await bench.consumer.check(bench.kafka)
    assert bench.kafka.seeks == [5]
    await bench.turn()
    assert bench.applied == [5, 6, 7]


async def test_what_a_read_skips_is_no_gap() -> None:
    """Aborted records and the markers of transactions take offsets that no record has."""
    bench = Bench([record(0), record(3), record(4)])
    await bench.consumer.check(bench.kafka)
    await bench.turn()
    assert (bench.applied, bench.kafka.seeks) == ([0, 3, 4], [0])


async def test_after_a_gap_the_partition_is_read_again() -> None:
    bench = Bench([record(n) for n in range(6)])
    bench.store(1)
    await bench.consumer.check(bench.kafka)
    bench.kafka.at = 3
    await bench.turn()
    assert bench.applied == []
    assert bench.kafka.seeks[-1] == 1
    await bench.turn()
    assert bench.applied == [1, 2, 3, 4, 5]


async def test_a_consumer_that_lost_its_partition_changes_nothing_and_seeks_again() -> None:
    bench = Bench([record(n) for n in range(6)])
    await bench.consumer.check(bench.kafka)
    bench.store(4)  # another process was there
    await bench.turn()
    assert bench.applied == []
    assert bench.kafka.at == 4
    await bench.turn()
    assert bench.applied == [4, 5]


async def test_a_position_that_goes_back_is_another_history() -> None:
    bench = Bench([record(n) for n in range(6)])
    await bench.turn()
    bench.store(2)
    with pytest.raises(HistoryChanged):
        await bench.consumer.check(bench.kafka)
    assert bench.applied == [0, 1, 2, 3, 4, 5]


async def test_another_history_is_reported_to_the_one_who_ends_the_process() -> None:
    """A batch in hand may be the first to find it."""
    bench = Bench([record(n) for n in range(6)])
    await bench.turn()
    bench.store(2)
    bench.save_failures.append(HistoryChanged("restored"))
    bench.kafka.log.append(record(6))
    waiting = asyncio.ensure_future(bench.turn())
    while not bench.history_changes:
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_the_lag_is_shown_while_a_batch_waits() -> None:
    bench = Bench([record(n) for n in range(3)])
    await bench.consumer.check(bench.kafka)
    bench.save_failures = [AutoReconnect("away")] * 20
    lags: list[float | None] = []
    looks: list[asyncio.Task[None]] = []

    def look() -> None:
        if not looks:
            bench.kafka.log += [record(n) for n in range(3, 9)]
            looks.append(asyncio.ensure_future(bench.consumer.check(bench.kafka)))
        place = {"topic": PLACE.topic, "partition": str(PLACE.partition)}
        lags.append(bench.shown("peygir_consumer_lag", **place))

    bench.clock.during = look
    await bench.turn()
    await asyncio.gather(*looks)
    assert lags[-1] == 9


async def test_the_lag_is_shown_in_seconds_too() -> None:
    """By the last record that was processed; after an idle time, since something is unread."""
    bench = Bench([])
    place = {"topic": PLACE.topic, "partition": str(PLACE.partition)}

    async def seconds() -> float | None:
        await bench.consumer.check(bench.kafka)
        return bench.shown("peygir_consumer_lag_seconds", **place)

    assert await seconds() == 0
    await bench.clock.sleep(3_600)  # nothing is published for an hour
    sent = bench.clock.now().timestamp() * 1_000
    bench.kafka.log += [replace(record(n), timestamp=int(sent)) for n in range(3)]
    assert await seconds() == 0
    await bench.clock.sleep(10)
    assert await seconds() == 10
    await bench.clock.sleep(50)
    await bench.consumer.consume(bench.kafka.poll(1), bench.kafka)
    assert await seconds() == 60
    await bench.turn()
    assert await seconds() == 0


async def test_nothing_depends_on_kafkas_own_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench([record(0)])

    async def refused(_: object) -> None:
        raise CommitFailedError

    monkeypatch.setattr(bench.kafka, "commit", refused)
    await bench.turn()
    assert (bench.applied, bench.stored) == ([0], 1)


async def test_kafkas_offset_follows_twice_per_second_and_to_the_end() -> None:
    """Nothing depends on it, and asking Kafka costs as much as a small batch."""
    bench = Bench([record(n) for n in range(6)])
    for _ in range(4):
        await bench.consumer.consume(bench.kafka.poll(1), bench.kafka)
    assert (bench.applied, bench.kafka.committed) == ([0, 1, 2, 3], {PLACE: 1})
    await bench.clock.sleep(0.5)
    await bench.consumer.consume(bench.kafka.poll(1), bench.kafka)
    await bench.consumer.consume(bench.kafka.poll(1), bench.kafka)
    assert bench.kafka.committed == {PLACE: 5}
    await bench.consumer.check(bench.kafka)
    assert bench.kafka.committed == {PLACE: 6}


async def test_kafkas_offset_follows_after_a_crash_without_a_new_record() -> None:
    """A process died between its transaction and Kafka's offset."""
    bench = Bench([record(n) for n in range(6)])
    bench.store(6)
    await bench.consumer.check(bench.kafka)
    assert (bench.applied, bench.kafka.committed) == ([], {PLACE: 6})


async def test_an_offset_that_kafka_did_not_accept_is_committed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench([record(n) for n in range(2)])

    async def refused(_: object) -> None:
        raise CommitFailedError

    with monkeypatch.context() as broken:
        broken.setattr(bench.kafka, "commit", refused)
        await bench.turn()
    assert bench.kafka.committed == {}
    await bench.consumer.check(bench.kafka)
    assert bench.kafka.committed == {PLACE: 2}


# -- dead letters -------------------------------------------------------------------------------


@unhurried
@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_halving_leaves_the_guilty_alone_and_applies_the_rest_in_order(
    case: tuple[int, set[int]],
) -> None:
    count, guilty = case
    bench = Bench([record(n) for n in range(count)], guilty)
    asyncio.run(bench.turn())
    assert bench.applied == [n for n in range(count) if n not in guilty]
    assert bench.letters == dict.fromkeys(sorted(guilty), "failed")
    assert list(bench.letters) == sorted(guilty), "dead-lettered in order"
    assert bench.stored == count
    assert bench.clock.slept == []


async def test_one_guilty_message_costs_few_attempts() -> None:
    bench = Bench([record(n) for n in range(1_024)], {700})
    await bench.turn()
    assert len(bench.handled) <= 2 * 11
    assert bench.letters == {700: "failed"}


async def test_unreadable_records_are_dead_lettered_and_the_others_applied() -> None:
    bench = Bench([record(0), record(1, b'{"session_id": '), record(2, b"{}"), record(3)])
    await bench.turn()
    assert bench.handled == [[0, 3]]
    assert bench.letters == {1: "broken-json", 2: "invalid"}
    assert bench.stored == 4


@pytest.mark.parametrize("poison", [record(1), record(1, b"{")], ids=["failed", "unreadable"])
async def test_a_record_whose_dead_letter_fails_waits_and_is_not_skipped(poison: object) -> None:
    bench = Bench([record(0), poison, record(2)], {1})  # type: ignore[list-item]  # a Record
    bench.sends.failures = [ValueError("ours to mend")] * 4
    passed: list[int | None] = []
    bench.clock.during = lambda: passed.append(bench.stored)
    await bench.turn()
    assert bench.clock.slept, "it does not spin"
    assert set(bench.clock.slept) == {5.0}
    assert all(position in {None, 1} for position in passed), "nothing overtakes it"
    assert (bench.applied, list(bench.letters), bench.stored) == ([0, 2], [1], 3)


async def test_a_dead_letter_that_kafka_does_not_accept_yet_is_retried() -> None:
    bench = Bench([record(0, b"{")])
    bench.sends.failures = [Unsendable("no such topic")] * 6  # letter and rejection, three times
    await bench.turn()
    assert len(bench.clock.slept) == 3
    assert (bench.letters, bench.rejections, bench.stored) == ({0: "broken-json"}, [0], 1)


# -- retries ------------------------------------------------------------------------------------


async def test_transient_failures_are_retried_with_growing_pauses_and_a_new_decision() -> None:
    bench = Bench([record(0), record(1)])
    bench.save_failures = [AutoReconnect("mongod is away")] * 9 + [Stale("moved on")]
    await bench.turn()
    assert bench.handled == [[0, 1]] * 11
    assert (bench.applied, bench.letters) == ([0, 1], {})
    assert bench.clock.slept[0] <= 0.1
    assert all(later > sooner for sooner, later in pairwise(bench.clock.slept[:6]))
    assert max(bench.clock.slept) <= 5.05


async def test_a_check_of_the_positions_takes_the_lock_before_it_asks_anybody() -> None:
    """Else a batch comes in between, and the check waits as long as the batch does."""
    bench = Bench([record(0)])
    bench.save_failures = [AutoReconnect("away")] * 30
    ended: list[str] = []

    async def check() -> None:
        await bench.consumer.check(bench.kafka)
        ended.append("look")

    async def turn() -> None:
        await bench.turn()
        ended.append("batch")

    await asyncio.gather(check(), turn())
    assert ended == ["look", "batch"]
    assert bench.applied == [0]
