"""Events under random kills of followups, Kafka and mongod; then the poison is mended."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from deploy.local.cluster import Cluster, Name
from deploy.local.layout import PROJECT
from shared.contracts.topics import Topics
from tests.component.harness import Service, binary, create_topics, eventually, records
from tests.faults.reader import Origin, dead_letters_of, events_of, faults
from tools.deadletter.desk import DeadletterSettings, opened
from tools.deadletter.mending import set_body

SEED = 1402
DOUBLES = 0.05
POISON = 0.01
EARLY = 0.02  # amended before they are approved
SETTLE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent: the resolutions that have to be followed, and the broken ones."""

    good: frozenset[str]
    poison: Mapping[str, bytes]  # resolution id -> what it should have said
    early: frozenset[str]  # of the good ones, those whose amendment was sent first


def approval(resolution_id: str) -> bytes:
    data = {
        "resolution_id": resolution_id,
        "deputy": "civil",
        "title": f"طرح آبرسانی شماره {resolution_id}",
        "approved_at": "2026-11-01T10:00:00+03:30",
        "due_on": "2030-01-01",
    }
    return json.dumps(data, ensure_ascii=False).encode()


def amendment(resolution_id: str) -> bytes:
    data = {
        "resolution_id": resolution_id,
        "deputy": "civil",
        "amended_at": "2026-11-02T10:00:00+03:30",
        "due_on": "2031-01-01",
    }
    return json.dumps(data).encode()


async def send(cluster: Cluster, topic: str, count: int, rate: float) -> Sent:
    """Send `count` approvals at `rate` a second, doubles and poison among them.

    Some are amended before, under another key, so that it may be read first or last.
    """
    chance = random.Random(SEED)
    good: set[str] = set()
    poison: dict[str, bytes] = {}
    early: set[str] = set()
    producer = AIOKafkaProducer(
        bootstrap_servers=cluster.bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        waiting = []
        for n in range(count):
            id_ = f"r-{n:05d}"
            value = approval(id_)
            head = binary("ResolutionApproved", f"e-{n}")
            if chance.random() < POISON:
                poison[id_] = value
                value = value[:-20]  # broken off
            else:
                good.add(id_)
                if chance.random() < EARLY:
                    early.add(id_)
                    first = binary("ResolutionAmended", f"a-{n}")
                    key = f"early-{n}".encode()
                    waiting.append(
                        await producer.send(topic, amendment(id_), key=key, headers=first)
                    )
            doubled = chance.random() < DOUBLES
            waiting += [
                await producer.send(topic, value, key=id_.encode(), headers=head)
                for _ in range(2 if doubled else 1)
            ]
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()
    return Sent(frozenset(good), poison, frozenset(early))


async def kill_at_random(
    cluster: Cluster, services: list[Service], rounds: int, until: asyncio.Event
) -> list[str]:
    """Kill one part after the other, each `rounds` times, and start it again."""
    chance = random.Random(SEED + 1)
    victims = ["kafka", "mongod", *(service.name for service in services)] * rounds
    chance.shuffle(victims)
    killed: list[str] = []
    replicas = iter(services * rounds)
    for victim in victims:
        if until.is_set() and len(killed) >= len(victims):
            break
        await asyncio.sleep(chance.uniform(0.3, 2.0))
        killed.append(victim)
        if victim in {"kafka", "mongod"}:
            name: Name = "kafka" if victim == "kafka" else "mongod"
            await asyncio.to_thread(cluster.kill, name)
            await asyncio.to_thread(cluster.start, name)
        else:
            service = next(replicas)
            service.kill()
            service.launch()
    return killed


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    ("count", "rounds"),
    [
        pytest.param(800, 1, id="short"),
        pytest.param(10_000, 4, id="long", marks=pytest.mark.soak),
    ],
)
async def test_nothing_is_lost_under_random_kills(
    count: int, rounds: int, cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    space = f"{namespace}-{count}"
    topics = create_topics(cluster, space)
    services = [
        Service("followups", cluster, space, test_folder, PEYGIR_DEPUTIES="civil") for _ in range(2)
    ]
    try:
        for service in services:
            await service.start()
        all_sent = asyncio.Event()
        kills = asyncio.create_task(kill_at_random(cluster, services, rounds, all_sent))
        sent = await send(cluster, topics.resolutions("civil"), count, rate=150 * rounds)
        all_sent.set()
        killed = await kills
        assert {"kafka", "mongod", "followups"} <= set(killed)
        for service in services:
            assert service.process.is_running, (
                f"nothing but our kills ends it\n{service.log[-3000:]}"
            )
            await service.ready(60)

        assert sent.early
        await settled(cluster, topics, services[0], sent.good, sent.early)
        letters = dead_letters_of(await records(cluster, topics.deadletter("followups")))
        places = {
            (r.topic, r.partition, r.offset): r.key.decode()
            for r in await records(cluster, topics.resolutions("civil"))
            if r.key.decode() in sent.poison
        }
        assert letters == dict.fromkeys(places, "broken-json"), "each poison once, by its origin"

        await mend_and_replay(cluster, space, services[0], sent, places)
        wanted = sent.good | sent.poison.keys()
        await settled(cluster, topics, services[0], wanted, sent.early)
    finally:
        for service in services:
            await service.close()


async def settled(
    cluster: Cluster,
    topics: Topics,
    service: Service,
    wanted: frozenset[str] | set[str],
    early: frozenset[str],
) -> None:
    """Wait until the independent reader finds everything, and nothing wrong."""
    wrong = ["nothing was looked at"]

    async def well() -> bool:
        nonlocal wrong
        items = await service.items("/v1/followups")
        if len(items) < len(wanted):
            wrong = [f"{len(items)} of {len(wanted)}"]
            return False
        told = events_of(await records(cluster, topics.followups("civil")))
        wrong = faults(wanted, items, told)
        amended = Counter(t.resolution_id for t in told if t.type == "FollowupAmended")
        if amended != Counter(early):
            wrong.append(f"{amended.total()} amendments of {len(early)}")
        moved = {i["resolution_id"] for i in items if i["due_on"] == "2031-01-01"}
        wrong += [f"not as amended: {id_}" for id_ in moved ^ early]
        return not wrong

    try:
        await eventually(well, SETTLE_SECONDS)
    except AssertionError:
        pytest.fail(f"{len(wrong)} faults: {'; '.join(wrong[:10])}\n{service.log[-3000:]}")


async def mend_and_replay(
    cluster: Cluster, space: str, service: Service, sent: Sent, places: Mapping[Origin, str]
) -> None:
    """Mend each poison, once for each id, and replay all, as an operator would."""
    environment = {
        **service.environment,
        "PEYGIR_API": f"http://127.0.0.1:{service.port}",
    }
    settings = DeadletterSettings(
        env="development",
        kafka_bootstrap_servers=cluster.bootstrap,
        mongodb_uri=SecretStr(cluster.mongodb_uri),
        namespace=space,
        api=environment["PEYGIR_API"],
    )
    async with opened(settings, "followups", "operator") as desk:
        for entry in await desk.list():
            origin = entry.notes.origin
            whole = sent.poison[places[origin.topic, origin.partition, origin.offset]]
            await desk.mend(origin, partial(set_body, body=whole), "broken off", None)
    replay = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tools.deadletter", "replay", "--count", "all", "--rate", "200"],
        cwd=PROJECT,
        env={**environment, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert replay.returncode == 0, replay.stdout + replay.stderr
