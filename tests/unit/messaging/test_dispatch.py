"""Whatever fails meanwhile: each refused record has one dead letter and one rejection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from aiokafka.errors import NotEnoughReplicasError
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from shared.messaging.core.model import (
    Decision,
    Forward,
    Message,
    Origin,
    Outcome,
    Refusal,
    Verdict,
)
from shared.messaging.kafka.batches import OutgoingRecord
from tests.unit.messaging.fakes import GROUP, Bench
from tests.unit.messaging.fakes_kafka import record

AWAY: Exception = NotEnoughReplicasError()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def decides(bench: Bench, *verdicts: Sequence[Verdict]) -> None:
    """Let the handler return these verdicts one after the other, and the last ones repeatedly."""
    left = list(verdicts)

    async def handle(messages: Sequence[Message]) -> Decision[Origin]:
        decided = left.pop(0) if len(left) > 1 else left[0]
        applied = [
            message.origin
            for message, verdict in zip(messages, decided, strict=True)
            if verdict is Outcome.APPLIED
        ]
        return Decision(decided, applied)

    bench.consumer._handle = handle


async def test_a_save_that_fails_a_hundred_times_costs_one_letter_and_one_rejection_each() -> None:
    bench = Bench([record(n, b"{") for n in range(3)])
    bench.save_failures = [AutoReconnect("mongod is away")] * 100
    await bench.turn()
    assert sum(bench.clock.slept) > 180
    assert bench.letters == dict.fromkeys(range(3), "broken-json")
    assert bench.rejections == [0, 1, 2]
    assert bench.stored == 3


async def test_nothing_is_sent_before_the_database_is_known_to_accept_the_position() -> None:
    bench = Bench([record(0, b"{")])
    await bench.consumer.check(bench.kafka)
    bench.client.away = 20
    sent: list[int] = []
    bench.clock.during = lambda: sent.append(len(bench.sends.sent))
    await bench.turn()
    assert set(sent[:-1]) == {0}
    assert (bench.letters, bench.rejections) == ({0: "broken-json"}, [0])


async def test_a_consumer_that_lost_its_partition_sends_no_letter() -> None:
    bench = Bench([record(0, b"{"), record(1)])
    await bench.consumer.check(bench.kafka)
    bench.store(1)  # another process was there
    await bench.turn()
    assert bench.sends.sent == []
    await bench.turn()
    assert bench.applied == [1]


async def test_halving_sends_no_letter_again() -> None:
    bench = Bench([record(n, b"{" if n % 2 else None) for n in range(8)])
    bench.save_failures = [ValueError("nobody foresaw it")] * 3
    await bench.turn()
    assert bench.letters == dict.fromkeys((1, 3, 5, 7), "broken-json")
    assert bench.rejections == [1, 3, 5, 7]
    assert bench.applied == [0, 2, 4, 6]
    assert bench.handled[:4] == [[0, 2, 4, 6], [0, 2], [0], [0]]


async def test_what_kafka_acknowledged_of_some_is_not_sent_again_for_the_others() -> None:
    bench = Bench([record(n, b"{") for n in range(4)])
    tries = 0

    def refused(sent: OutgoingRecord) -> Exception | None:
        nonlocal tries
        if sent.topic == bench.topics.rejections:
            return None
        tries += 1
        offset = dict(sent.headers)["x-origin-offset"]
        return AWAY if offset == b"2" and tries < 10 else None

    bench.sends.refuses = refused
    await bench.turn()
    assert bench.letters == dict.fromkeys((0, 1, 3, 2), "broken-json")
    assert list(bench.letters) == [0, 1, 3, 2]
    assert sorted(bench.rejections) == [0, 1, 2, 3]


async def test_a_failing_topic_of_rejections_does_not_multiply_letters() -> None:
    bench = Bench([record(0, b"{")])
    away = 12

    def refused(sent: OutgoingRecord) -> Exception | None:
        nonlocal away
        if sent.topic != bench.topics.rejections or away == 0:
            return None
        away -= 1
        return AWAY

    bench.sends.refuses = refused
    await bench.turn()
    assert (bench.letters, bench.rejections) == ({0: "broken-json"}, [0])
    assert len(bench.clock.slept) == 12


async def test_a_forwarded_record_is_sent_once() -> None:
    bench = Bench([record(0)])
    decides(bench, [Forward("peygir.resolutions.v1.civil")])
    bench.save_failures = [AutoReconnect("mongod is away")] * 10
    await bench.turn()
    assert [sent.topic for sent in bench.sends.sent] == ["peygir.resolutions.v1.civil"]


@pytest.mark.parametrize("stays", [Refusal("closed", "by itself"), Forward("peygir.x.v1")])
async def test_verdicts_that_send_something_are_decided_again_on_the_newest_data(
    stays: Verdict,
) -> None:
    """A new primary may show the effect of an event, and not yet that the event was applied."""
    bench = Bench([record(0)])
    decides(bench, [stays], [Outcome.DUPLICATE])
    await bench.turn()
    assert (bench.sends.sent, bench.stored) == ([], 1)


async def test_a_record_with_a_letter_is_not_applied_after_all() -> None:
    """If the decision changed meanwhile, there would be a letter of an applied record."""
    bench = Bench([record(0), record(1)])
    first: list[Verdict] = [Refusal("missing", "it is not there"), Outcome.APPLIED]
    decides(
        bench,
        first,
        first,  # on the newest data, since a letter is for good
        [Outcome.APPLIED],  # only about the second message
    )
    bench.save_failures = [AutoReconnect("mongod is away")]
    await bench.turn()
    assert (bench.letters, bench.applied) == ({0: "missing"}, [1])


async def test_a_record_that_is_read_again_has_its_letter_already() -> None:
    """A rebalance takes a partition away and gives it back, to the same process."""
    bench = Bench([record(n, b"{") for n in range(2)])
    saved: list[int] = []

    def taken() -> None:
        if not saved:
            saved.append(1)
            bench.consumer.listener.on_partitions_revoked(bench.kafka.assignment())

    bench.clock.during = taken
    bench.save_failures = [AutoReconnect("mongod is away")]
    await bench.turn()
    assert bench.stored is None
    bench.kafka.at = 0
    await bench.turn()
    assert (bench.letters, bench.rejections) == (dict.fromkeys((0, 1), "broken-json"), [0, 1])
    assert bench.stored == 2


async def test_a_topic_that_was_created_again_has_other_records_at_the_same_offsets() -> None:
    bench = Bench([record(0, b"{")])
    bench.save_failures = [AutoReconnect("mongod is away")]
    bench.clock.during = lambda: bench.consumer.listener.on_partitions_revoked(
        bench.kafka.assignment()
    )
    await bench.turn()
    bench.kafka.log = [replace(record(0), timestamp=bench.log[0].timestamp + 1)]
    bench.kafka.at = 0
    await bench.turn()
    assert bench.applied == [0]


async def test_a_batch_that_waits_shows_why_until_it_goes_on() -> None:
    bench = Bench([record(0)])
    bench.save_failures = [AutoReconnect("mongod is away")] * 10
    shown: list[float | None] = []
    waits = {"part": "consumer", "name": GROUP, "topic": "", "cause": "mongodb"}
    bench.clock.during = lambda: shown.append(bench.shown("peygir_stalled", **waits))
    await bench.turn()
    assert (shown[0], shown[-1]) == (None, 1), "from the second second on"
    assert bench.shown("peygir_stalled", **waits) is None
    assert bench.applied == [0]
