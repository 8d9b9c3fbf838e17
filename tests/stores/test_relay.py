"""The relay on the real MongoDB, with a Kafka that accepts, refuses or fails."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.cluster import Cluster
from shared.messaging.core.errors import LeaseLost
from shared.messaging.core.failpoints import Failpoint
from shared.runtime import mongo
from tests.stores.outbox import HOUR, REST, Clock, Crash, Outbox, dies_at


async def test_a_record_that_was_sent_in_part_keeps_exactly_the_rest(outbox: Outbox) -> None:
    await outbox.commit("abc")
    await outbox.commit("c")
    outbox.kafka.takes = 2
    relay = await outbox.relay()
    assert await relay.flush() == 2
    assert outbox.kafka.published() == ["a1", "b1"]
    assert await outbox.unsent() == [["c1"], ["c2"]]
    assert await outbox.settled() == {}, "counted once all of it is published"
    assert await outbox.counts() == {"a": 1, "b": 1, "c": 2}
    outbox.kafka.takes = 1
    assert await relay.flush() == 0, "a partition that failed rests"
    outbox.clock.ahead += REST
    assert await relay.flush() == 1
    assert await outbox.unsent() == [["c2"]]
    assert await outbox.settled() == {"a": 1, "b": 1, "c": 1}
    outbox.kafka.takes = None
    outbox.clock.ahead += REST
    assert await relay.flush() == 1
    assert outbox.kafka.published() == ["a1", "b1", "c1", "c2"]
    assert await outbox.settled() == await outbox.counts() == {"a": 1, "b": 1, "c": 2}
    assert (await outbox.ledger.pending(), await outbox.reached()) == ((0, None), (0, 4))


async def test_an_event_that_cannot_be_sent_delays_only_its_aggregate(outbox: Outbox) -> None:
    for aggregates in ("ab", "bc", "ac", "b"):
        await outbox.commit(aggregates)
    outbox.kafka.refused = {"b"}
    relay = await outbox.relay()
    assert await relay.flush() == 4
    assert outbox.kafka.published() == ["a1", "c1", "a2", "c2"]
    assert await outbox.unsent() == [["b1"], ["b2"], ["b3"]]
    assert await outbox.settled() == {"a": 1, "c": 1}
    await outbox.commit("bd")
    outbox.kafka.refused = set()
    assert await relay.flush() == 1, "it is not tried again at once"
    outbox.clock.ahead = HOUR
    assert await relay.flush() == 4
    assert outbox.kafka.published()[4:] == ["d1", "b1", "b2", "b3", "b4"]
    assert await outbox.settled() == {"a": 2, "b": 4, "c": 2, "d": 1}


@pytest.mark.parametrize(
    "step",
    [
        Failpoint.SEND_HANDED,
        Failpoint.SEND_ACKNOWLEDGED,
        Failpoint.MARK_WRITTEN,
        Failpoint.MARK_DONE,
    ],
)
async def test_a_crash_after_sending_sends_again_with_the_same_ids(
    outbox: Outbox, step: Failpoint
) -> None:
    for aggregates in ("ab", "a"):
        await outbox.commit(aggregates)
    with pytest.raises(Crash):
        await (await outbox.relay(failpoint=dies_at(step))).flush()
    marked = step is Failpoint.MARK_DONE
    assert await outbox.unsent() == ([] if marked else [["a1", "b1"], ["a2"]])
    assert await outbox.settled() == ({"a": 2, "b": 1} if marked else {})
    assert await (await outbox.another()).flush() == (0 if marked else 3)
    ids = [dict(record.headers)["ce_id"].decode() for record in outbox.kafka.log]
    assert ids == ["a1", "b1", "a2"] * (1 if marked else 2)
    assert await outbox.settled() == {"a": 2, "b": 1}
    assert await outbox.reached() == (0, len(ids))


async def test_a_relay_that_lost_the_lease_marks_and_counts_nothing(outbox: Outbox) -> None:
    for aggregates in ("ab", "a"):
        await outbox.commit(aggregates)
    sleeper = await outbox.relay("sleeper")
    winner = await outbox.another()
    with pytest.raises(LeaseLost):
        await sleeper.flush()
    assert outbox.kafka.published() == ["a1", "b1", "a2"]
    assert await outbox.unsent() == [["a1", "b1"], ["a2"]]
    assert (await outbox.settled(), await outbox.reached()) == ({}, (0, 0))
    assert await winner.flush() == 3
    await outbox.commit("c")
    with pytest.raises(LeaseLost):
        await sleeper.flush()
    assert await winner.flush() == 1
    assert await outbox.settled() == await outbox.counts() == {"a": 2, "b": 1, "c": 1}
    assert (await outbox.unsent(), await outbox.reached()) == ([], (0, len(outbox.kafka.log)))


# -- whatever happens, in whatever order ------------------------------------------------------

Turn: TypeAlias = Callable[[Outbox], Any]


async def _flush(outbox: Outbox) -> None:
    await (await outbox.another()).flush()


def committed(aggregates: str) -> Turn:
    return lambda outbox: outbox.commit(aggregates)


def away_after(count: int) -> Turn:
    async def turn(outbox: Outbox) -> None:
        outbox.kafka.takes = count
        await _flush(outbox)
        outbox.kafka.takes = None

    return turn


def refused(aggregates: set[str]) -> Turn:
    async def turn(outbox: Outbox) -> None:
        outbox.kafka.refused = aggregates
        await _flush(outbox)
        outbox.kafka.refused = set()

    return turn


def crashed(step: Failpoint) -> Turn:
    async def turn(outbox: Outbox) -> None:
        with suppress(Crash):
            await (await outbox.another(dies_at(step))).flush()

    return turn


async def slept(outbox: Outbox) -> None:
    sleeper = await outbox.another()
    winner = await outbox.another()
    with suppress(LeaseLost):
        await sleeper.flush()
    await winner.flush()


SENDING = st.sampled_from([s for s in Failpoint if s.value.startswith(("send", "mark"))])
AGGREGATES = st.text("abcd", min_size=1, max_size=4)
TURNS = st.lists(
    st.one_of(
        AGGREGATES.map(lambda drawn: ("commit", committed(drawn))),
        AGGREGATES.map(lambda drawn: ("commit", committed(drawn))),
        st.integers(0, 5).map(lambda drawn: ("away", away_after(drawn))),
        st.sets(st.sampled_from("abcd")).map(lambda drawn: ("refused", refused(drawn))),
        SENDING.map(lambda drawn: ("crash", crashed(drawn))),
        st.just(("sleep", slept)),
    ),
    max_size=12,
)


async def holds(outbox: Outbox) -> None:
    """What holds at every moment: order, no gap, one id per version, and the counts."""
    seen: defaultdict[str, int] = defaultdict(int)
    for record in outbox.kafka.log:
        headers = dict(record.headers)
        aggregate, version = headers["ce_subject"].decode(), int(headers["ce_sequence"])
        assert version <= seen[aggregate] + 1, "an aggregate's versions leave in order"
        seen[aggregate] = max(seen[aggregate], version)
        assert headers["ce_id"].decode() == f"{aggregate}{version}"
    left = {id_ for ids in await outbox.unsent() for id_ in ids}
    published = set(outbox.kafka.published())
    every = {f"{a}{n}" for a, last in outbox.versions.items() for n in range(1, last + 1)}
    assert every - published <= left, "what was not sent is still to be sent"
    assert await outbox.counts() == outbox.versions


async def _play(uri: str, name: str, turns: Sequence[tuple[str, Turn]]) -> None:
    client = mongo.connect(uri, app="test")
    try:
        outbox = Outbox(mongo.database(client, name))
        await outbox.ledger.prepare()
        for _, turn in turns:
            await turn(outbox)
            await holds(outbox)
        await _flush(outbox)
        await holds(outbox)
        assert await outbox.unsent() == []
        assert await outbox.settled() == outbox.versions
        assert await outbox.reached() == (0, len(outbox.kafka.log))
    finally:
        await client.drop_database(name)
        client.close()


@settings(max_examples=25)
@given(TURNS)
def test_whatever_fails_all_is_sent_in_order_and_counted_once(
    cluster: Cluster, namespace: str, turns: list[tuple[str, Turn]]
) -> None:
    asyncio.run(_play(cluster.mongodb_uri, f"{namespace}law_{uuid.uuid4().hex[:8]}", turns))


class Standing(Clock):
    """A clock that advances only by sleeping."""

    def monotonic(self) -> float:
        return self.ahead

    async def sleep(self, seconds: float) -> None:
        self.ahead += seconds


async def test_one_pass_waits_for_the_time_of_the_next_and_no_longer(outbox: Outbox) -> None:
    """What is committed meanwhile is sent together: a pass costs the same for one as for many."""
    clock = outbox.clock = Standing()
    relay = await outbox.relay()
    times: list[float] = []
    for _ in range(2):
        await outbox.commit("x")
        assert await relay.flush() == 1
        for _ in range(2):  # a bell at once, and one more
            relay.wake()
            await relay.rest()
            times.append(clock.monotonic())
    assert times == [0.05, 0.05, 0.1, 0.1]
