"""The relay with failing or slow partitions: nothing is lost, and all is sent in order."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.cluster import Cluster
from shared.messaging.core.errors import Stale
from shared.messaging.core.stalls import StallCause, StalledPart, Stalls
from shared.messaging.ledger.leases import Lease
from shared.messaging.outbox import pending
from shared.messaging.outbox.relay import Relay
from shared.messaging.scheduling.leased_task import LeasedTask
from shared.runtime import mongo
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database
from tests.component.harness import eventually
from tests.stores.outbox import HOUR, Outbox

LEASE_SECONDS = 1.0
SICK, WELL = "peygir.resolutions.v1.civil", "peygir.resolutions.v1.crisis"


async def shuffle(outbox: Outbox, order: list[int]) -> None:
    """Shuffle the pending records, as a primary that was just elected may hold them.

    Their ids and contents stay.
    """
    commits = outbox.database["commits"]
    found = [entry async for entry in commits.find({"pending": True}).sort("_id", 1)]
    await commits.delete_many({"pending": True})
    for number in order:
        await commits.insert_one(found[number])


async def _leave(uri: str, name: str, commits: list[str], seed: Any) -> None:
    client = mongo.connect(uri, app="test")
    try:
        outbox = Outbox(mongo.database(client, name))
        await outbox.ledger.prepare()
        for aggregates in commits:
            await outbox.commit(aggregates)
        order = list(range(len(commits)))
        seed.shuffle(order)
        await shuffle(outbox, order)
        relay = await outbox.relay()
        passes = 0
        while await outbox.unsent():
            await relay.flush()
            passes += 1
            assert passes <= len(commits) + 1
        for aggregate in set("".join(commits)):
            own = [name for name in outbox.kafka.published() if name.startswith(aggregate)]
            assert own == [f"{aggregate}{n}" for n in range(1, outbox.versions[aggregate] + 1)]
        assert await outbox.settled() == outbox.versions
    finally:
        await client.drop_database(name)
        client.close()


@settings(max_examples=20)
@given(
    st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=10),
    st.randoms(use_true_random=False),
    st.sampled_from([1, 2, 3, 2_000]),
)
def test_versions_are_sent_in_order_however_a_new_primary_sorts_the_records(
    cluster: Cluster, namespace: str, commits: list[str], seed: Any, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pending, "_CHUNK", chunk)
        name = f"{namespace}order_{uuid.uuid4().hex[:8]}"
        asyncio.run(_leave(cluster.mongodb_uri, name, commits, seed))


async def test_a_topic_that_accepts_nothing_delays_no_other(outbox: Outbox) -> None:
    away = outbox.kafka.slow[SICK] = asyncio.Event()
    relay = await outbox.relay()
    await outbox.commit("ab", SICK)
    await outbox.commit("cd", WELL)
    assert await relay.flush() == 2
    assert outbox.kafka.published() == ["c1", "d1"]
    for n in range(2, 5):  # none of these waits for it again
        await outbox.commit("ac", SICK if n % 2 else WELL)
        async with asyncio.timeout(0.4):
            await relay.flush()
    published = ["c1", "d1", "c2"]
    assert outbox.kafka.published() == published, "what follows in an aggregate waits with it"
    await outbox.commit("e", WELL)
    assert await relay.flush() == 1
    assert outbox.kafka.asked.count(SICK) == 1, "what is in flight is not sent again"
    away.set()
    del outbox.kafka.slow[SICK]

    async def all_left() -> bool:
        await relay.flush()
        return not await outbox.unsent()

    await eventually(all_left, 10, "an empty outbox")
    assert outbox.kafka.published().count("a1") == 1
    assert await outbox.settled() == outbox.versions


async def test_more_than_a_chunk_for_a_failing_topic_delays_no_other(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_CHUNK", 10)
    outbox.kafka.slow[SICK] = asyncio.Event()
    for n in range(20):
        await outbox.commit([f"s{n}-{m}-" for m in range(5)], SICK)
    await outbox.commit("w", WELL)
    relay = await outbox.relay()
    assert await relay.flush() == 1
    assert relay.pending()[0] == 100


async def test_a_stalled_partition_is_shown_with_its_cause(outbox: Outbox) -> None:
    stalls = Stalls(Metrics())
    outbox.kafka.takes = 0
    relay = await outbox.relay(stalls=stalls)
    await outbox.commit("a", SICK)
    await relay.flush()
    part = StalledPart("relay", outbox.database.name, SICK)
    assert stalls.of(part) is StallCause.TOO_FEW_REPLICAS
    outbox.kafka.takes = None
    outbox.clock.ahead += HOUR
    assert await relay.flush() == 1
    assert stalls.of(part) is None


class Machine:
    """A relay of its own process, running under the lease."""

    def __init__(self, outbox: Outbox, holder: str) -> None:
        clock = SystemMachineClock()
        self.lease = Lease(outbox.database, "relay", holder, LEASE_SECONDS)
        self.relay: Relay = outbox.build(self.lease)
        self.task = LeasedTask(
            self.lease,
            work=self.relay.flush,
            rest=self.relay.rest,
            clock=clock,
            metrics=Metrics(),
            lease_seconds=LEASE_SECONDS,
        )


async def test_only_one_relay_sends_and_marks_however_long_kafka_takes(outbox: Outbox) -> None:
    """The lease is renewed while answers are awaited, so no two relays take turns."""
    answers = outbox.kafka.slow[SICK] = asyncio.Event()
    await outbox.commit("ab", SICK)
    machines = [Machine(outbox, holder) for holder in ("one", "two")]
    running = [asyncio.create_task(machine.task.run()) for machine in machines]
    holders: Counter[str] = Counter()
    try:
        ends = asyncio.get_running_loop().time() + 5 * LEASE_SECONDS
        while asyncio.get_running_loop().time() < ends:
            entry = await outbox.database["leases"].find_one({"_id": "relay"})
            if entry is not None and entry["number"]:
                holders[f"{entry['holder']} {entry['number']}"] += 1
            await asyncio.sleep(LEASE_SECONDS / 10)
        assert len(holders) == 1
        assert outbox.kafka.asked == [SICK]
        answers.set()

        async def marked() -> bool:
            return not await outbox.unsent()

        await eventually(marked, 10, "the marks")
        assert outbox.kafka.published() == ["a1", "b1"]
        assert await outbox.settled() == outbox.versions
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)


async def test_what_was_marked_meanwhile_is_counted_once(outbox: Outbox) -> None:
    """A relay may still read as pending what it has just published."""
    await outbox.commit("ab")
    relay = await outbox.relay()
    held = [entry async for entry in outbox.database["commits"].find()]
    assert await relay.flush() == 2
    await outbox.commit("c")
    chunks = relay._reader.chunks

    async def stale(this: Any) -> Any:
        async for chunk in chunks(this):
            yield [*map(pending.pending_record, held), *chunk]

    relay._reader.chunks = stale  # type: ignore[method-assign]
    with pytest.raises(Stale):
        await relay.flush()
    relay._reader.chunks = chunks  # type: ignore[method-assign]
    assert await outbox.settled() == {"a": 1, "b": 1}
    await relay.flush()
    assert await outbox.settled() == outbox.versions
    assert await outbox.unsent() == []


async def test_a_topic_that_was_created_again_begins_a_new_era(outbox: Outbox) -> None:
    await outbox.commit("abc")
    relay = await outbox.relay()
    await relay.flush()
    assert await outbox.reached() == (0, 3)
    outbox.kafka.log.clear()
    await outbox.commit("a")
    await relay.flush()
    assert await outbox.reached() == (1, 1)
    await (await outbox.another()).flush()
    await outbox.commit("b")
    await (await outbox.another()).flush()
    assert await outbox.reached() == (1, 2)


async def test_a_permanent_backlog_is_read_seldom(outbox: Outbox, database: Database) -> None:
    """10,000 events that cannot be sent: the relay spends a small share of its time on them."""
    outbox.kafka.slow[SICK] = asyncio.Event()
    for n in range(20):
        await outbox.commit([f"s{n}-{m}-" for m in range(500)], SICK)
    await database.command("profile", 2)
    machine = Machine(outbox, "one")
    running = asyncio.create_task(machine.task.run())
    seconds = 6.0
    try:
        await asyncio.sleep(seconds)
    finally:
        running.cancel()
        await asyncio.wait({running})
        await database.command("profile", 0)
    reads = [
        entry async for entry in database["system.profile"].find({"ns": f"{database.name}.commits"})
    ]
    assert machine.relay.pending()[0] == 0, "another may hold the lease now"
    examined = sum(entry.get("docsExamined", 0) for entry in reads)
    spent = timedelta(milliseconds=sum(entry["millis"] for entry in reads))
    assert 20 <= examined <= 20 * 5 * seconds, "not twenty times a second"
    assert spent < timedelta(seconds=seconds / 4)
