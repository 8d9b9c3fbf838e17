"""Quotas on a real broker: set as declared, shown if they differ, felt by whoever exceeds them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, Producer, ThrottleEvent, TopicPartition

from shared.messaging.kafka.connection import FixedSecret, KafkaConnection
from tests.access.kafka.house import House
from tests.component.harness import eventually
from tools.access.kafka_acls import KafkaAccessFailed
from tools.access.kafka_quotas import KafkaQuotas, QuotasNotAllowed
from tools.access.quotas import Limits, QuotaChange, Quotas

pytestmark = [pytest.mark.secured, pytest.mark.timeout(600)]

SECONDS = 60.0
RECORD = b"x" * 50_000
RECORDS = 20
BYTES_PER_SECOND = 10_000
"""A small quota: ten seconds' worth, which Kafka lets pass, are two records."""
APPROVALS = 60
APPROVALS_BYTES_PER_SECOND = 2_000
"""Another one: ten seconds' worth are fewer than half of the approvals."""

DONE = "all rights, quotas and users are as they should be"


async def described(house: House, wanted: Callable[[Mapping[str, Limits]], bool]) -> None:
    """Return once the broker describes the quotas so: it learns of changes a moment later."""

    async def are_so() -> bool:
        return wanted(await house.limiter().present())

    await eventually(are_so, SECONDS, "the description of quotas")


async def access(house: House, *arguments: str) -> str:
    """What the command prints."""
    done = await asyncio.to_thread(house.access, *arguments)
    assert done.code == 0, done.err
    return done.out


async def test_everybody_has_the_declared_quota_and_a_second_run_changes_nothing(
    house: House,
) -> None:
    declared = {one.user: Quotas().of(one).limits() for one in house.grantees()}
    await described(house, lambda present: present.items() >= declared.items())
    assert DONE in await access(house)


async def test_what_somebody_has_changed_is_shown_and_set_back(house: House) -> None:
    user = house.user("notify")
    others = QuotaChange(user, "controller_mutation_rate", None, 5)
    await house.limiter().change(
        [
            QuotaChange(user, "consumer_byte_rate", None, 7),
            QuotaChange(user, "producer_byte_rate", None, None),
            others,
        ]
    )
    changed = {"consumer_byte_rate": 7, "request_percentage": 100, others.name: 5}
    await described(house, lambda present: present[user] == changed)
    shown = await access(house, "--dry-run")
    assert f"User:{user} consumer_byte_rate 20000000 (was 7)" in shown
    assert f"User:{user} producer_byte_rate 5000000 (was no limit)" in shown
    assert (await house.limiter().present())[user] == changed
    assert "set quota" in await access(house)
    await described(house, lambda present: present[user]["consumer_byte_rate"] == 20_000_000)
    assert (await house.limiter().present())[user][others.name] == 5, "it is not ours"
    assert DONE in await access(house)


async def test_the_quota_of_an_integrator_goes_with_its_user(house: House) -> None:
    third, secrets = house.user("integrator-third"), ("--secrets", str(house.secrets))
    house.write_integrators('[[integrators]]\nname = "third"\nsources = ["/third"]')
    await access(house, *secrets)
    await described(house, lambda present: third in present)
    house.write_integrators()
    await access(house)
    assert third in await house.limiter().present(), "it can log in still"
    assert third in await access(house, *secrets)
    await described(house, lambda present: third not in present)


async def test_who_lacks_the_right_to_quotas_is_named_with_it(house: House) -> None:
    limiter = KafkaQuotas(house.connection("notify"))
    before = await house.limiter().present()
    lacks = f"User:{house.user('notify')} lacks the right"
    with pytest.raises(QuotasNotAllowed, match=f"{lacks} DescribeConfigs on the cluster"):
        await limiter.present()
    with pytest.raises(QuotasNotAllowed, match=f"{lacks} AlterConfigs on the cluster"):
        await limiter.change(
            [QuotaChange(house.user("notify"), "consumer_byte_rate", None, 1_000_000_000)]
        )
    assert await house.limiter().present() == before


async def test_who_cannot_log_in_is_named(house: House) -> None:
    login = house.login("notify")
    login._password = FixedSecret("wrong")
    limiter = KafkaQuotas(KafkaConnection((house.cluster.bootstrap,), login))
    with pytest.raises(KafkaAccessFailed, match=rf"does not let User:{house.user('notify')} in"):
        await limiter.present()


# -- felt -------------------------------------------------------------------------------------


class Throttled:
    """How long (seconds) a broker has put a client off at the most, as its answers say."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, event: ThrottleEvent) -> None:
        self.seconds = max(self.seconds, event.throttle_time)


def write(options: Mapping[str, Any], topic: str) -> tuple[int, float]:
    """Write up to RECORDS, one by one, until the broker throttles: how many, and the seconds."""
    throttled = Throttled()
    producer = Producer({**options, "throttle_cb": throttled})
    for count in range(1, RECORDS + 1):
        producer.produce(topic, RECORD, partition=0)
        assert producer.flush(SECONDS) == 0
        producer.poll(0)
        if throttled.seconds:
            return count, throttled.seconds
    return RECORDS, throttled.seconds


def read(
    options: Mapping[str, Any], topic: str, group: str, most: int = RECORDS
) -> tuple[int, float]:
    """Read up to `most` records until the broker throttles: how many, and the seconds."""
    throttled = Throttled()
    consumer = Consumer(
        {**options, "group.id": group, "enable.auto.commit": False, "throttle_cb": throttled}
    )
    count, until = 0, time.monotonic() + SECONDS
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while count < most and not throttled.seconds:
            assert time.monotonic() < until, f"{count} records, and nobody was throttled"
            message = consumer.poll(0.1)
            if message is not None:
                assert message.error() is None, message.error()
                count += 1
    finally:
        consumer.close()
    return count, throttled.seconds


@pytest.fixture
def small(house: House) -> Iterator[None]:
    """An integrator and a worker with small quotas, set by the command."""
    house.quotas.write_text(
        f"[users.{house.user('integrator-tracker')}]\n"
        f"producer_byte_rate = {BYTES_PER_SECOND}\nconsumer_byte_rate = {BYTES_PER_SECOND}\n"
        f"[users.{house.user('followups-crisis')}]\n"
        f"consumer_byte_rate = {APPROVALS_BYTES_PER_SECOND}\n"
    )
    done = house.access()
    assert done.code == 0, done.err
    assert f"producer_byte_rate {BYTES_PER_SECOND} (was 500000)" in done.out
    yield
    house.quotas.write_text("")
    house.access()


@pytest.mark.usefixtures("small")
async def test_a_writer_above_its_quota_is_throttled_and_another_is_not(house: House) -> None:
    topic = house.topics.resolutions("civil")
    count, seconds = await asyncio.to_thread(write, house.librdkafka("integrator-tracker"), topic)
    assert seconds > 0
    assert count < RECORDS
    other = await asyncio.to_thread(write, house.librdkafka("integrator-other"), topic)
    assert other == (RECORDS, 0)


@pytest.mark.usefixtures("small")
async def test_a_reader_above_its_quota_is_throttled_and_another_is_not(house: House) -> None:
    topic, worker = house.topics.followups("civil"), house.librdkafka("followups-civil")
    assert await asyncio.to_thread(write, worker, topic) == (RECORDS, 0)
    group, tracker = f"{house.namespace}tracker.mine", house.librdkafka("integrator-tracker")
    count, seconds = await asyncio.to_thread(read, tracker, topic, group)
    assert seconds > 0
    assert count < RECORDS
    own = house.user("followups-civil")
    assert await asyncio.to_thread(read, worker, topic, own) == (RECORDS, 0)


@pytest.mark.usefixtures("small")
async def test_a_worker_above_its_quota_is_late_and_loses_nothing(house: House) -> None:
    topic, user = house.topics.resolutions("crisis"), "followups-crisis"

    async def all_followed() -> bool:
        return len(await service.items("/v1/followups", limit=2 * APPROVALS)) == APPROVALS

    async with house.service("followups", user, PEYGIR_DEPUTIES="crisis") as service:
        async with AIOKafkaProducer(**house.connection("integrator-other").options()) as producer:
            for n in range(APPROVALS):
                key, value, headers = house.event("/other", f"r-{n}", "crisis", by="other")
                await producer.send_and_wait(topic, value, key=key, headers=headers, partition=0)
        group, options = house.user(user), house.librdkafka(user)
        count, seconds = await asyncio.to_thread(read, options, topic, group, APPROVALS)
        assert seconds > 0
        assert count < APPROVALS
        await eventually(all_followed, 2 * SECONDS, "a follow-up of each approval")
