"""Who may do what on a real broker with an authorizer: exactly what the data say."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from shared.messaging.core.errors import NotAuthenticated
from shared.messaging.kafka.connection import FixedSecret, KafkaConnection
from tests.access.kafka.house import House
from tools.access.rights import Operation, Resource, ResourceType

pytestmark = [pytest.mark.secured, pytest.mark.timeout(600)]

SECONDS = 10.0


async def may_write(house: House, name: str, topic: str) -> bool:
    """Whether somebody may write to a topic; writes a record if so."""
    async with AIOKafkaProducer(
        **house.connection(name).options(), enable_idempotence=False, acks="all"
    ) as producer:
        try:
            async with asyncio.timeout(SECONDS):
                await producer.send_and_wait(topic, b"{}", key=b"k", partition=0)
        except TopicAuthorizationFailedError:
            return False
    return True


async def may_read(house: House, name: str, topic: str) -> bool:
    """Whether somebody may read a topic; belongs to no group."""
    consumer = AIOKafkaConsumer(**house.connection(name).options(), group_id=None)
    partition = TopicPartition(topic, 0)
    await consumer.start()
    try:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        async with asyncio.timeout(SECONDS):
            while consumer.highwater(partition) is None:  # until a fetch was answered
                await consumer.getmany(timeout_ms=50)
                if topic in consumer._client.cluster.unauthorized_topics:
                    return False
    except TopicAuthorizationFailedError:
        return False
    finally:
        await consumer.stop()
    return True


async def may_join(house: House, name: str, topic: str, group: str) -> bool:
    """Whether somebody may store an offset of a topic as a consumer group: it takes both rights."""
    options = house.connection(name).options()
    consumer = AIOKafkaConsumer(**options, group_id=group, enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    try:
        async with asyncio.timeout(SECONDS):
            await consumer.start()
            consumer.assign([partition])
            await consumer.commit({partition: 0})
    except (GroupAuthorizationFailedError, TopicAuthorizationFailedError):
        return False
    finally:
        await consumer.stop()
    return True


async def test_an_integrator_of_civil_writes_to_civil_alone(house: House) -> None:
    assert await may_write(house, "integrator-tracker", house.topics.resolutions("civil"))
    for topic in (
        house.topics.resolutions("crisis"),
        house.topics.sessions,
        house.topics.followups("civil"),
        house.topics.replay("followups"),
        house.topics.rejections,
    ):
        assert not await may_write(house, "integrator-tracker", topic), topic


async def test_an_integrator_of_civil_reads_neither_reports_nor_restricted_ones(
    house: House,
) -> None:
    for topic in (
        house.topics.reports,
        house.topics.reports_restricted,
        house.topics.resolutions("civil"),
        house.topics.followups("crisis"),
        house.topics.deadletter("followups"),
    ):
        assert not await may_read(house, "integrator-tracker", topic), topic


async def test_an_integrator_hears_of_rejections_in_groups_of_its_own(house: House) -> None:
    group = f"{house.namespace}tracker.mine"
    rejections = house.topics.rejections
    assert await may_join(house, "integrator-tracker", rejections, group)
    assert await may_join(house, "integrator-tracker", house.topics.followups("civil"), group)
    theirs = f"{house.namespace}followups-civil"
    assert not await may_join(house, "integrator-tracker", rejections, theirs)


async def test_a_worker_of_civil_cannot_read_crisis(house: House) -> None:
    assert await may_read(house, "followups-civil", house.topics.resolutions("civil"))
    for topic in (
        house.topics.resolutions("crisis"),
        house.topics.followups("crisis"),
        house.topics.reports,
        house.topics.reports_restricted,
        house.topics.sessions,
    ):
        assert not await may_read(house, "followups-civil", topic), topic
    assert not await may_write(house, "followups-civil", house.topics.followups("crisis"))


async def test_everybody_may_do_on_every_topic_what_the_data_say_and_nothing_else(
    house: House,
) -> None:
    """Nothing runs in this installation: what is written disturbs nobody."""
    wrong: list[str] = []
    checked = 0
    for one in house.grantees():
        name = one.user.removeprefix(house.namespace)
        granted = {(right.resource, right.operation) for right in one.rights}
        for spec in house.topics.all():
            resource = Resource(ResourceType.TOPIC, spec.name)
            for operation, ask in ((Operation.WRITE, may_write), (Operation.READ, may_read)):
                declared = (resource, operation) in granted
                checked += 1
                if await ask(house, name, spec.name) is not declared:
                    wrong.append(f"{name} {operation} {spec.name}: declared {declared}")
    assert not wrong
    assert checked == 2 * len(house.grantees()) * len(house.topics.all())


@pytest.mark.parametrize("user", ["scheduler", "integrator-tracker"])
async def test_a_wrong_password_is_told_with_the_users_name(house: House, user: str) -> None:
    login = house.login(user)
    login._password = FixedSecret("wrong")
    connection = KafkaConnection((house.cluster.bootstrap,), login)
    producer = AIOKafkaProducer(**connection.options())
    with pytest.raises(NotAuthenticated, match=rf"User:\S*{user} in \(SaslAuthenticationFailed"):
        await connection.start(producer)
    await producer.stop()


def test_production_compares_its_topics_with_the_rights_of_the_job_alone(house: House) -> None:
    production = {
        "PEYGIR_ENV": "production",
        "PEYGIR_REPLICATION_FACTOR": "1",
        "PEYGIR_FEW_COPIES": "accepted",
    }
    done = house.tool("topics", "tools.topics", **production)
    count = len(house.topics.all())
    assert (done.code, done.err) == (0, "")
    assert f"{count} topics: created 0 (replication factor 1), {count} were there" in done.out


def test_the_command_is_idempotent_shows_what_it_would_do_and_removes_only_its_own(
    house: House,
) -> None:
    again = house.access("--secrets", str(house.secrets))
    assert "all rights, quotas and users are as they should be" in again.out
    house.write_integrators('[[integrators]]\nname = "third"\nsources = ["/third"]')
    wanted = house.access("--dry-run", "--secrets", str(house.secrets))
    assert f"User:{house.user('integrator-third')} Read topic" in wanted.out
    assert house.user("integrator-third") not in house.administration().users()
    done = house.access("--secrets", str(house.secrets))
    assert done.code == 0, done.err
    assert house.user("integrator-third") in house.administration().users()
    house.write_integrators()
    gone = house.access("--secrets", str(house.secrets))
    assert f"User:{house.user('integrator-third')}" in gone.out
    assert house.user("integrator-third") not in house.administration().users()
    assert all("third" not in rule.user for rule in house.administration().rules())
    files = list(house.secrets.rglob("*password"))
    assert files
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
