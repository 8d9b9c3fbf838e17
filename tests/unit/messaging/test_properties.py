"""Properties of a group, for any records in any batches and any failures meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Literal

import pytest
from aiokafka.errors import NotEnoughReplicasError
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect, OperationFailure
from structlog.testing import capture_logs

from shared.messaging.core.errors import AlreadyExists, Stale
from shared.messaging.core.model import Origin, Refusal
from shared.messaging.inbound.batches import Judged
from shared.messaging.inbound.flood import FloodGauge, FloodLimit
from shared.messaging.ledger.deferral import DeferralLimit
from tests.unit.messaging.fakes import Bench
from tests.unit.messaging.fakes_kafka import Record, record

Kind = Literal["good", "unreadable", "guilty", "early"]

KINDS: tuple[Kind, ...] = ("good", "good", "unreadable", "guilty", "early")
TOPICS = ("peygir.sessions.v1", "peygir.circulars.v1", "peygir.notices.v1")
LIMIT = FloodLimit(window=12, share=0.3, least=3)
HOURS = DeferralLimit(timedelta(days=30), most=1_000)
PASSING: tuple[Exception, ...] = (
    AutoReconnect("away"),
    OperationFailure("exceeded its lifetime", 290),
    OperationFailure("no space left", 14031),
    Stale("moved on"),
    AlreadyExists("not seen yet"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A log, how much of it is read at a time, and what fails."""

    kinds: Mapping[Origin, Kind]  # in the order of the log
    reads: Sequence[int]
    saves: Sequence[Exception]
    sends: Sequence[bool]  # whether Kafka accepts what is sent, one after the other
    outages: Sequence[int]  # how many requests to the database fail during each batch


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kinds: dict[Origin, Kind] = {}
    ends: Counter[tuple[str, int]] = Counter()
    size = draw(st.integers(0, 60))
    kind_of: st.SearchStrategy[Kind] = st.sampled_from(KINDS)
    drawn: list[Kind] = draw(st.lists(kind_of, min_size=size, max_size=size))
    for kind in drawn:
        place = draw(st.tuples(st.sampled_from(TOPICS), st.integers(0, 1)))
        kinds[Origin(*place, ends[place])] = kind
        ends[place] += 1
    return Case(
        kinds,
        draw(st.lists(st.integers(1, 30), min_size=1, max_size=5)),
        draw(st.lists(st.sampled_from(PASSING), max_size=8).filter(_is_no_proof)),
        draw(st.lists(st.booleans(), max_size=30)),
        draw(st.lists(st.integers(0, 6), max_size=6)),
    )


def _is_no_proof(saves: Sequence[Exception]) -> bool:
    """Five collisions on the newest data are a message's own fault."""
    return sum(isinstance(error, AlreadyExists) for error in saves) < 5


def record_of(origin: Origin, kind: Kind) -> Record:
    made = record(origin.offset, b"{" if kind == "unreadable" else None)
    id_ = f"{origin.topic}|{origin.partition}|{origin.offset}".encode()
    headers = [(name, id_ if name == "ce_id" else raw) for name, raw in made.headers]
    return replace(made, topic=origin.topic, partition=origin.partition, headers=headers)


def bench_of(case: Case) -> Bench:
    kinds = case.kinds
    bench = Bench(
        [record_of(origin, kind) for origin, kind in kinds.items()],
        {origin for origin, kind in kinds.items() if kind == "guilty"},
        limit=LIMIT,
        deferral=HOURS,
        reads=TOPICS,
    )
    bench.missing = {origin for origin, kind in kinds.items() if kind == "early"}
    bench.save_failures = list(case.saves)
    taken = list(case.sends)
    bench.sends.refuses = lambda _: None if not taken or taken.pop(0) else NotEnoughReplicasError()
    return bench


async def read_on(bench: Bench, reads: Sequence[int], outages: Sequence[int] = ()) -> None:
    """Let it read until there is nothing more."""
    for turn in count():
        await bench.consumer.check(bench.kafka)
        records = bench.kafka.poll(reads[turn % len(reads)])
        if not records:
            return
        bench.client.away = outages[turn] if turn < len(outages) else 0
        await bench.consumer.consume(records, bench.kafka)
        bench.client.away = 0


async def resume_until_all_is_read(bench: Bench, reads: Sequence[int]) -> None:
    """Read all; an operator resumes each topic that is paused."""
    await read_on(bench, reads)
    while bench.pauses:
        bench.collections["subscriptions"].held.clear()
        await read_on(bench, reads)


def noted_by(bench: Bench) -> list[tuple[Origin, bool]]:
    """Each record in the order of saving, and whether it is refused."""
    noted: list[tuple[Origin, bool]] = []
    count = bench.consumer._pausing.count

    def counting(judged: Sequence[Judged]) -> None:
        noted.extend(
            (Origin(i.record.topic, i.record.partition, i.record.offset), isinstance(v, Refusal))
            for i, v in judged
            if not i.deferred
        )
        count(judged)

    bench.consumer._pausing.count = counting  # type: ignore[method-assign]
    return noted


@settings(max_examples=100, deadline=None)
@given(cases())
def test_each_poison_has_one_letter_and_each_good_one_effect_in_order(case: Case) -> None:
    bench = bench_of(case)
    noted = noted_by(bench)

    async def all_of_it() -> None:
        await read_on(bench, case.reads, case.outages)
        _only_floods_are_paused(bench, case.kinds, noted)
        await resume_until_all_is_read(bench, case.reads)
        bench.missing.clear()
        await bench.consumer.check(bench.kafka)

    asyncio.run(all_of_it())
    _each_once_and_in_order(bench, case.kinds)


@settings(max_examples=100, deadline=None)
@given(cases(), st.lists(st.sampled_from(("resume", "look", "rebalance", "")), max_size=20))
def test_that_holds_whatever_operators_and_kafka_do_while_a_batch_waits(
    case: Case, deeds: list[str]
) -> None:
    bench = bench_of(case)
    looks: set[asyncio.Task[None]] = set()

    def meanwhile() -> None:
        deed = deeds.pop(0) if deeds else ""
        if deed == "resume":
            bench.collections["subscriptions"].held.clear()
        if deed == "rebalance":
            bench.consumer.listener.on_partitions_revoked(bench.kafka.assignment())
            bench.consumer.listener.on_partitions_assigned(bench.kafka.assignment())
            bench.kafka.paused.clear()
        if deed:
            looks.add(asyncio.ensure_future(_look(bench)))

    async def all_of_it() -> None:
        bench.clock.during = meanwhile
        await read_on(bench, case.reads, case.outages)
        await asyncio.gather(*looks)
        await resume_until_all_is_read(bench, case.reads)
        bench.missing.clear()
        await bench.consumer.check(bench.kafka)

    asyncio.run(all_of_it())
    _each_once_and_in_order(bench, case.kinds)


async def _look(bench: Bench) -> None:
    with suppress(AutoReconnect):  # it looks again, two seconds later
        await bench.consumer.check(bench.kafka)


def _each_once_and_in_order(bench: Bench, kinds: Mapping[Origin, Kind]) -> None:
    bad = {o for o, kind in kinds.items() if kind in {"unreadable", "guilty"}}
    assert bench.buried.keys() == bad  # each once
    assert len(bench.rejections) == len(bad)
    assert len(bench.done) == len(set(bench.done))
    assert set(bench.done) == kinds.keys() - bad
    assert bench.waiting.held == {}
    by_partition: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for origin in bench.done:
        if kinds[origin] == "good":
            by_partition[origin.topic, origin.partition].append(origin.offset)
    assert all(offsets == sorted(offsets) for offsets in by_partition.values())


def _only_floods_are_paused(
    bench: Bench, kinds: Mapping[Origin, Kind], noted: Sequence[tuple[Origin, bool]]
) -> None:
    flooded: set[str] = set()
    gauges = {topic: FloodGauge(LIMIT) for topic in TOPICS}
    for origin, refused in noted:
        assert origin.topic not in flooded, "nothing goes on after a flood"
        gauges[origin.topic].count(refused=refused)
        if gauges[origin.topic].is_over:
            flooded.add(origin.topic)
    assert bench.pauses == flooded
    left = kinds.keys() - {origin for origin, _ in noted}
    assert {origin.topic for origin in left} <= flooded, "only flooded topics wait"
