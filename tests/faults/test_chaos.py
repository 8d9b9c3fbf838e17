"""Events under random kills of followups, Kafka and mongod; then the poison is mended."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata
from pydantic import SecretStr

from deploy.local.cluster import Cluster, Name
from deploy.local.layout import PROJECT
from shared.contracts.topics import Topics
from tests.component.harness import Service, binary, create_topics, eventually
from tests.faults import reading
from tests.promise.checker import Kind, Violation, check
from tests.promise.history import Effect, History, Outcome, Place, Sent
from tools.deadletter.mending import set_body
from tools.deadletter.workspace import DeadletterSettings
from tools.deadletter.workspace import open_workspace as opened

SEED = 1402
DOUBLES = 0.05
POISON = 0.01
EARLY = 0.02  # amended before they are approved
SETTLE_SECONDS = 90.0
ACKNOWLEDGED: Final = Outcome.ACKNOWLEDGED


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


def opens(resolution_id: str) -> tuple[Effect, ...]:
    return (Effect("FollowupOpened", resolution_id),)


async def send(cluster: Cluster, topic: str, count: int, rate: float) -> list[Sent]:
    """Send `count` approvals at `rate` a second, doubles and poison among them.

    Some are amended before, under another key, so that it may be read first or last.
    """
    chance = random.Random(SEED)
    sent: list[tuple[Sent, asyncio.Future[RecordMetadata]]] = []
    producer = AIOKafkaProducer(
        bootstrap_servers=cluster.bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        for n in range(count):
            id_ = f"r-{n:05d}"
            value, told = approval(id_), Sent(f"e-{n}", topic, id_, ACKNOWLEDGED, None, opens(id_))
            if chance.random() < POISON:
                value = value[:-20]  # broken off
                told = replace(told, effects=(), refusal="broken-json")
            elif chance.random() < EARLY:
                key, effect = f"early-{n}", Effect("FollowupAmended", id_, f"a-{n}")
                first = Sent(effect.mark, topic, key, ACKNOWLEDGED, None, (effect,), in_order=False)
                head = binary("ResolutionAmended", first.id)
                answer = await producer.send(topic, amendment(id_), key=key.encode(), headers=head)
                sent.append((first, answer))
            head = binary("ResolutionApproved", told.id)
            for _ in range(2 if chance.random() < DOUBLES else 1):
                answer = await producer.send(topic, value, key=id_.encode(), headers=head)
                sent.append((told, answer))
            await asyncio.sleep(1 / rate)
        answers = await asyncio.gather(*(answer for _, answer in sent))
    finally:
        await producer.stop()
    return [
        replace(told, place=Place(topic, at.partition, at.offset))
        for (told, _), at in zip(sent, answers, strict=True)
    ]


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

        assert any(not one.in_order for one in sent)
        await settled(cluster, topics, services[0], sent)
        poison = {one.place: one.key for one in sent if one.refusal is not None}
        await mend_and_replay(cluster, space, services[0], poison)
        mended = [replace(one, effects=opens(one.key)) if one.refusal else one for one in sent]
        await settled(cluster, topics, services[0], mended)
    finally:
        for service in services:
            await service.close()


async def settled(cluster: Cluster, topics: Topics, service: Service, sent: Sequence[Sent]) -> None:
    """Wait until an independent look finds everything, and nothing wrong."""
    wrong: list[Violation] = []
    amended = {effect.about for one in sent if not one.in_order for effect in one.effects}

    async def well() -> bool:
        nonlocal wrong
        items = await service.items("/v1/followups")
        if len(items) < len({effect for one in sent for effect in one.effects}) - len(amended):
            wrong = [Violation(Kind.LOST, "so far", f"{len(items)} are followed")]
            return False
        told, came, dead = [
            await asyncio.to_thread(reading.everything, cluster.bootstrap, [name])
            for name in (
                topics.followups("civil"),
                topics.resolutions("civil"),
                topics.deadletter("followups"),
            )
        ]
        history = History(
            sent=tuple(sent),
            told=tuple(reading.told(told)),
            arrived=tuple(reading.arrived(came)),
            states=tuple(reading.shown(items, topics.followups)),
            letters=tuple(reading.letters(dead, [topics.resolutions("civil")])),
        )
        wrong = check(history)
        moved = {i["resolution_id"] for i in items if i["due_on"] == "2031-01-01"}
        wrong += [Violation(Kind.LOST, id_, "not as amended") for id_ in moved ^ amended]
        return not wrong

    try:
        await eventually(well, SETTLE_SECONDS)
    except AssertionError:
        pytest.fail(f"{len(wrong)} faults: {wrong[:10]}\n{service.log[-3000:]}")


async def mend_and_replay(
    cluster: Cluster, space: str, service: Service, poison: Mapping[Place | None, str]
) -> None:
    """Mend each poison, once for each id, and replay all, as an operator would."""
    environment = {
        **service.environment,
        "PEYGIR_API": f"http://127.0.0.1:{service.port}",
    }
    settings = DeadletterSettings(
        env="development",
        kafka_bootstrap_servers=tuple(cluster.bootstrap.split(",")),
        mongodb_uri=SecretStr(cluster.mongodb_uri),
        namespace=space,
        api=environment["PEYGIR_API"],
    )
    async with opened(settings, "followups", "operator") as api:
        for entry in await api.list():
            origin = entry.notes.origin
            id_ = poison[Place(origin.topic, origin.partition, origin.offset)]
            await api.mend(origin, partial(set_body, body=approval(id_)), "broken off", None)
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
