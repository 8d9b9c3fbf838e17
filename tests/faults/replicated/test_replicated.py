"""Three brokers and three members, foreign clients and people at work while parts fail.

A module for itself: its cluster is gone before another one starts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from rich.console import Console

from deploy.local.cluster import Cluster
from tests.component.harness import Service, eventually
from tests.faults import reading
from tests.faults.replicated.arena import Arena, off, started
from tests.faults.replicated.producers import SteadyClient, TransactionalClient
from tests.faults.replicated.resting import databases, history, rest
from tests.faults.replicated.run import Plan, arena, run
from tests.faults.replicated.stories import IN_TRANSACTIONS, Stories
from tests.faults.replicated.table import show
from tests.promise.checker import check
from tests.promise.history import Outcome

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

SEED = 1402
COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
BRIDGE = {"title": "تکمیل پل روستای سرآسیاب", "due_on": "2035-01-01"}
MANY = 1_200  # more than two sweeps take
AT_ONCE_SECONDS = 1.0
SHORT = ("a service and the primary killed", "the primary steps down", "a broker killed")


@pytest.fixture(scope="module")
def replicated(local: Path, test_folder: Path) -> Iterator[Cluster]:
    yield from started(test_folder / "replicated", local)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def where(replicated: Cluster, namespace: str, test_folder: Path) -> AsyncIterator[Arena]:
    """Two replicas for the deputies of whom the single tests speak, each of his own."""
    served = ("political", "economic")
    async with arena(replicated, namespace, test_folder, served=served) as found:
        yield found


async def test_nothing_is_lost_or_doubled_while_parts_fail(
    replicated: Cluster, namespace: str, test_folder: Path
) -> None:
    plan = Plan(SEED, events=900, rate=20, faults=SHORT, pause_seconds=0.3, move_seconds=8.0)
    async with arena(replicated, f"{namespace}l", test_folder) as here:
        report = await run(here, plan)
    show(report, Console(width=150))
    assert report.ok
    assert len(report.history.sent) >= plan.events
    kinds = {sent.kind for sent in report.history.sent}
    assert kinds >= {"approval", "amendment", "early amendment", "withdrawal", "poison"}
    assert {act.kind for act in report.history.acts} >= {"acknowledge", "verify", "move"}


async def test_an_aborted_transaction_takes_no_effect_and_a_committed_one_takes_one(
    where: Arena,
) -> None:
    here = where.of("political")
    client = TransactionalClient(here.cluster.bootstrap, here.topics, SEED, "test")
    stories = Stories(SEED, "x", here.served)
    for abort in (False, True, False, True):  # a marker stands behind all that is committed
        records = stories.together(IN_TRANSACTIONS)
        outcome = await off(client.transaction, records, abort=abort)
        assert outcome is (Outcome.ABORTED if abort else Outcome.ACKNOWLEDGED)
    at_rest = await rest(here, 20)
    whole = await history(here, client.sent)
    assert check(whole) == []
    assert at_rest is not None, "lag is 0 behind the marker"
    assert whole.told


@pytest.mark.replicated
async def test_levels_leave_in_order_whichever_primary_hands_them_out(
    replicated: Cluster, namespace: str, test_folder: Path
) -> None:
    """The primary steps down while a sweep writes; what it wrote is published by another one."""
    own = f"{namespace}s"
    async with arena(replicated, own, test_folder, served=("civil",)) as here:
        for service in here.services:
            service.kill()
        sweeping, publishing = here.services
        await sweeping.start(PEYGIR_RUN="api,consumer")
        stories = Stories(SEED, "s")
        client = SteadyClient(replicated.bootstrap, here.topics, stories, here.pulse)
        for record in stories.overdue(MANY, "civil"):
            client.send(record)
        await client.settle()
        with databases(here) as held:

            async def levels() -> int:
                return await off(held.by_clock)

            async def followed() -> bool:
                return len(await off(lambda: list(held.states()))) == MANY

            await eventually(followed, 60, "all being followed")
            sweeping.kill()
            sweeping.launch(PEYGIR_RUN="api,consumer,sweeper")
            await eventually(levels, 60, "a sweep that has begun")
            await off(replicated.step_down)

            async def all_levels() -> bool:
                return await levels() == 3 * MANY

            await eventually(all_levels, 60, "every level being written")
        publishing.launch()
        await publishing.ready(60)
        await sweeping.ready(60)
        at_rest = await rest(here, 60)
        whole = await history(here, client.sent, dues=stories.dues)
    assert check(whole) == []
    assert at_rest is not None
    assert sum(event.level is not None for event in whole.told) >= 3 * MANY


async def test_a_topic_below_its_least_of_replicas_holds_up_no_other(
    replicated: Cluster, where: Arena, namespace: str, test_folder: Path
) -> None:
    topics = where.topics
    scheduler = Service("scheduler", replicated, where.namespace, test_folder)
    stuck, free = topics.resolutions("security"), topics.resolutions("management")
    async with scheduler:
        session = await _session(scheduler)

        async def record(deputy: str, number: int) -> list[str]:
            proposals = [{**BRIDGE, "deputy": deputy}] * number
            body = {"resolutions": proposals}
            answer = await _post(scheduler, f"sessions/{session}/resolutions", body)
            return [item["resolution_id"] for item in answer["items"]]

        async def there(topic: str, ids: list[str]) -> list[float]:
            """When Kafka took each of these, by its own clock; empty until all are there."""
            found = await off(reading.everything, replicated.bootstrap, [topic])
            taken = {reading.text(record.key()): record.timestamp() for record in found}
            assert {kind for kind, _ in taken.values()} <= {TIMESTAMP_LOG_APPEND_TIME}
            return [taken[id_][1] / 1_000 for id_ in ids] if taken.keys() >= set(ids) else []

        await off(_least_in_sync, replicated, stuck, 3)
        await off(replicated.kill, "kafka-3")
        try:
            await eventually(partial(off, _is_led_by_two, replicated, (stuck, free)), 60, "two")
            first = await record("management", 20)
            await eventually(partial(there, free, first), 60, "going on with two of three")
            held = await record("security", 10)
            slowest = 0.0
            for _ in range(5):
                ids = await record("management", 5)
                answered = time.time()
                taken = await eventually(partial(there, free, ids), 30, "the other topic")
                slowest = max(slowest, max(taken) - answered)
            assert not await there(stuck, held[:1]), "nothing gets below the least of replicas"
        finally:
            await off(replicated.start, "kafka-3")
        await eventually(partial(there, stuck, held), 60, "the topic being whole again")
    print(f"the other topic went on within {slowest:.2f} s")
    assert slowest < AT_ONCE_SECONDS


@pytest.mark.parametrize(
    "seconds", [15, pytest.param(180, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
async def test_what_cannot_be_read_while_mongodb_is_away_is_one_dead_letter_each(
    seconds: int, where: Arena
) -> None:
    here = where.of("economic")
    stories = Stories(SEED, f"away-{seconds}", here.served)
    client = SteadyClient(here.cluster.bootstrap, here.topics, stories, here.pulse)
    await here.services[0].reads()
    await off(here.cluster.kill, "mongod")
    try:
        for record in stories.broken(5, "economic"):
            client.send(record)
        await client.settle()
        await asyncio.sleep(seconds)  # as long as it is away
    finally:
        await off(here.cluster.start, "mongod")
    at_rest = await rest(here, 60)
    whole = replace(await history(here, client.sent), most_letters=1)
    mine = {sent.place for sent in client.sent}
    letters = tuple(letter for letter in whole.letters if letter.origin in mine)
    assert check(replace(whole, letters=letters)) == []
    assert at_rest is not None


def _least_in_sync(cluster: Cluster, topic: str, number: int) -> None:
    """Alter the topic's `min.insync.replicas`. Blocks."""
    admin = _admin(cluster)  # gone, it would end what it was asked
    entry = ConfigEntry(
        "min.insync.replicas", str(number), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result(30)


def _admin(cluster: Cluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})


def _is_led_by_two(cluster: Cluster, topics: Sequence[str]) -> bool:
    """Whether each partition has a leader and another copy in sync, and no third. Blocks."""
    known = _admin(cluster).list_topics(timeout=10).topics
    partitions = [p for name in topics for p in known[name].partitions.values()]
    return all(len(p.isrs) == 2 and p.leader in p.isrs for p in partitions)


async def _session(scheduler: Service) -> str:
    await _post(scheduler, "seasons", {"season": "1413", "starts_on": "2034-08-14"})
    await _post(scheduler, "sessions/1413-IR-00/open", status=200)
    return "1413-IR-00"


async def _post(
    service: Service, path: str, body: Mapping[str, Any] | None = None, status: int = 201
) -> dict[str, Any]:
    answer = await service.http.post(f"/v1/{path}", json=body, headers=COORDINATION)
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document
