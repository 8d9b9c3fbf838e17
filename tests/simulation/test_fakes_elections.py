"""What an operation meets while a primary gives way, in memory and on three real members."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest
from pymongo.errors import PyMongoError

from deploy.local.cluster import Cluster
from shared.messaging.core.classification import FailureKind, classify
from shared.runtime import mongo
from shared.runtime.mongo import Database
from tests.simulation.loop import SimulatedLoop
from tests.simulation.mongo.client import SimulatedClient
from tests.simulation.mongo.server import ReplicaSet

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

StepDown = Callable[[], Awaitable[object]]
Scenario = Callable[[Database, StepDown], Awaitable[Any]]

TRANSIENT: Final = "TransientTransactionError"


async def told(work: Awaitable[Any]) -> Any:
    """Whether an operation went, or what its error means: its text and class vary by the moment."""
    try:
        await work
    except PyMongoError as error:
        return classify(error) is FailureKind.TRANSIENT, error.has_error_label(TRANSIENT)
    return "went"


async def an_open_transaction_is_over(database: Database, step_down: StepDown) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "a", "n": 0})
    async with await database.client.start_session() as session:
        session.start_transaction()
        await c.update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=session)
        await step_down()
        answers = [await told(c.update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=session))]
        answers.append(await told(session.abort_transaction()))
    return answers, await c.find_one({"_id": "a"})


async def a_commit_behind_it_is_refused(database: Database, step_down: StepDown) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "a", "n": 0})
    async with await database.client.start_session() as session:
        session.start_transaction()
        await c.update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=session)
        await step_down()
        answer = await told(session.commit_transaction())
    return answer, await c.find_one({"_id": "a"})


async def a_commit_before_it_is_known_behind_it(database: Database, step_down: StepDown) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "a", "n": 0})
    async with await database.client.start_session() as session:
        session.start_transaction()
        await c.update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=session)
        await session.commit_transaction()
        await step_down()
        answer = await told(session.commit_transaction())
    return answer, await c.find_one({"_id": "a"})


async def plain_operations_go_on(database: Database, step_down: StepDown) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "a", "n": 0})
    await step_down()
    answers = [
        await told(c.update_one({"_id": "a"}, {"$inc": {"n": 1}})),
        await told(c.insert_one({"_id": "b"})),
        await told(c.find_one({"_id": "a"})),
    ]
    async with mongo.causal(database.client) as session:
        return answers, await c.find_one({"_id": "a"}, session=session)


SCENARIOS: Final = (
    an_open_transaction_is_over,
    a_commit_behind_it_is_refused,
    a_commit_before_it_is_known_behind_it,
    plain_operations_go_on,
)


def simulated(ask: Scenario) -> Any:
    """What the one in memory answers."""
    rng = random.Random(1)
    loop = SimulatedLoop(rng)  # type: ignore[abstract]  # it has what asyncio asks for
    server = ReplicaSet(loop, rng)
    database = mongo.database(cast(mongo.Client, SimulatedClient(server, rng)), "d")

    async def step_down() -> None:
        server.fall(0.5)
        await server.elected()

    async def run() -> Any:
        return await ask(database, step_down)

    try:
        return loop.run(run(), 600.0, 100_000)
    finally:
        loop.close()


@pytest.fixture(scope="module")
def three(local: Path, test_folder: Path) -> Iterator[Cluster]:
    with Cluster(test_folder / "three", local / "cache", nodes=3) as running:
        yield running


@pytest.mark.parametrize("ask", SCENARIOS)
async def test_both_answer_the_same(ask: Scenario, three: Cluster) -> None:
    in_memory = await asyncio.to_thread(simulated, ask)
    await asyncio.to_thread(three.wait_until_level)
    client = mongo.connect(three.mongodb_uri, app="tests", wait_ms=20_000)
    database = mongo.database(client, f"elections{uuid.uuid4().hex[:8]}")

    async def step_down() -> None:
        await asyncio.to_thread(three.step_down)

    try:
        assert in_memory == await ask(database, step_down)
    finally:
        await client.drop_database(database.name)
        client.close()
