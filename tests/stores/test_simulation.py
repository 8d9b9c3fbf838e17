"""The simulated clock, which every process asks and one sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone

import pytest

from deploy.local.cluster import Cluster
from shared.runtime import mongo
from shared.runtime.clocks import NoTime
from shared.runtime.simulation import SimulatedDomainClock

NOON = datetime(2024, 3, 11, 12, tzinfo=UTC)
TEHRAN = timezone(timedelta(hours=3, minutes=30))
PATIENCE = 20.0


@pytest.fixture
async def clock(cluster: Cluster, namespace: str) -> AsyncIterator[SimulatedDomainClock]:
    client = mongo.connect(cluster.mongodb_uri, app="tests")
    yield SimulatedDomainClock(client, namespace)
    await client.drop_database(f"{namespace}clock")
    client.close()


async def test_it_shows_what_was_set_last_in_utc(clock: SimulatedDomainClock) -> None:
    with pytest.raises(NoTime, match="nobody has set the time"):
        await clock.now()
    await clock.set(NOON.astimezone(TEHRAN))
    shown = await clock.now()
    assert (shown, shown.utcoffset()) == (NOON, timedelta(0))


async def test_it_does_not_go_back(clock: SimulatedDomainClock) -> None:
    await clock.set(NOON)
    await clock.set(NOON - timedelta(days=1))
    assert await clock.now() == NOON


async def test_whoever_watches_it_is_told_of_each_move(clock: SimulatedDomainClock) -> None:
    async with asyncio.timeout(PATIENCE), aclosing(clock.moves()) as moves:
        await anext(moves)  # watched from here on
        for hour in range(3):
            await clock.set(NOON + timedelta(hours=hour))
            await anext(moves)
            assert await clock.now() == NOON + timedelta(hours=hour)
