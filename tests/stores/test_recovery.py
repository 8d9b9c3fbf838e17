"""Recovery from own topics: in which order, and which events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient

from deploy.local.cluster import Cluster
from services.scheduler import events
from services.scheduler.domain.records import Approved, Scheduled, approved
from shared.contracts.envelope import write
from shared.contracts.topics import Topics
from shared.messaging.core.errors import TopicsMissing
from shared.messaging.core.model import Event, Message
from shared.messaging.kafka.connection import plain
from shared.messaging.recovery.recovery import OwnedTopics, Recovery
from shared.runtime.mongo import Database
from tests.component.harness import Producer, binary, records
from tests.unit.published import as_sent
from tests.unit.scheduler.examples import NOW, gathering, session, terms

SOURCE = "urn:peygir:scheduler"


def recovery_of(cluster: Cluster) -> Recovery:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})

    async def existing(_: object) -> set[str]:
        return set((await asyncio.to_thread(admin.list_topics, timeout=10)).topics)

    return Recovery(plain(cluster.bootstrap), SOURCE, existing)


class Taken:
    """Takes in all messages; fails at a given one."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.breaks_at: int | None = None

    async def take_in(self, messages: Sequence[Message]) -> int:
        self.messages += messages
        if self.breaks_at is not None and len(self.messages) >= self.breaks_at:
            self.breaks_at = None
            raise TimeoutError("the database is away")
        return len(messages)

    def keys(self, topic: str) -> list[str]:
        return sorted(m.event.subject or "" for m in self.messages if m.topic == topic)


async def publish(producer: Producer, event: Event, source: str = SOURCE) -> None:
    """As the relay does."""
    headers, value = write(as_sent(event, source))
    await producer.send(event.topic, value, key=event.key, headers=headers)


def scheduling(session_id: str, topics: Topics) -> Event:
    fact = Scheduled(NOW, gathering(session_id=session_id))
    return events.to_event(session(session_id=session_id), fact, topics, None)


def approval(id_: str, topics: Topics, deputy: str = "civil") -> Event:
    fact = Approved(NOW, id_, "a", "provincial", terms(deputy=deputy))
    return events.resolution_to_event(approved(fact), fact, topics, None)


async def test_topics_come_in_the_order_that_was_given_and_once(
    cluster: Cluster, topics: Topics, database: Database
) -> None:
    resolutions = topics.resolutions("civil")
    ids = [f"n-{n}" for n in range(12)]  # of all partitions
    async with Producer(cluster) as producer:
        for id_ in ids:
            await publish(producer, approval(id_, topics))
        for id_ in ids:
            await publish(producer, scheduling(id_, topics))
    for order in ([topics.sessions, resolutions], [resolutions, topics.sessions]):
        await database["positions"].delete_many({})
        taken = Taken()
        recovery = recovery_of(cluster)
        own = OwnedTopics(database, order, taken.take_in)
        await recovery.run(own)
        assert [message.topic for message in taken.messages] == [*[order[0]] * 12, *[order[1]] * 12]
        assert taken.keys(topics.sessions) == taken.keys(resolutions) == sorted(ids)
        await recovery.run(own)
        assert len(taken.messages) == 24


async def test_an_interrupted_topic_is_given_again_from_its_first_missing_event(
    cluster: Cluster, topics: Topics, database: Database
) -> None:
    """An event of one partition may have waited in memory for one of another partition."""
    social, crisis = topics.resolutions("social"), topics.resolutions("crisis")
    ids = [f"n-{n}" for n in range(12)]
    async with Producer(cluster) as producer:
        for deputy in ("social", "crisis"):
            for id_ in ids:
                await publish(producer, approval(id_, topics, deputy))
    taken = Taken()
    taken.breaks_at = 24  # in the last partition of the second topic
    recovery = recovery_of(cluster)
    own = OwnedTopics(database, [social, crisis], taken.take_in)
    with pytest.raises(TimeoutError):
        await recovery.run(own)
    taken.messages.clear()
    await recovery.run(own)
    assert (taken.keys(social), taken.keys(crisis)) == ([], sorted(ids))


async def test_what_others_publish_meanwhile_does_not_stop_it(
    cluster: Cluster, topics: Topics, database: Database
) -> None:
    """What another replica publishes is still unread when the next partition is read."""
    topic = topics.resolutions("economic")
    ids = [f"n-{n}" for n in range(12)]  # of all partitions
    async with Producer(cluster) as producer:
        for id_ in ids:
            await publish(producer, approval(id_, topics, "economic"))
        taken = Taken()

        async def take_in(messages: Sequence[Message]) -> int:
            for message in messages:
                await publish(producer, approval(message.event.subject or "", topics, "economic"))
            await records(cluster, topic)  # a waiting consumer has them now, too
            return await taken.take_in(messages)

        recovery = recovery_of(cluster)
        own = OwnedTopics(database, [topic], take_in)
        async with asyncio.timeout(60):
            await recovery.run(own)
    assert taken.keys(topic) == sorted(ids)


async def test_records_of_others_are_skipped_readable_or_not(
    cluster: Cluster, topics: Topics, database: Database
) -> None:
    topic = topics.resolutions("security")
    ours = approval("ours", topics, "security")
    async with Producer(cluster) as producer:
        await producer.send(topic, b"\xff{", key="x", headers=binary("ResolutionApproved", "1"))
        await producer.send(topic, None, key="x")
        await publish(producer, ours, source="/foreign")
        await publish(producer, replace(ours, type="peygir.Unheard.v1"))
        await publish(producer, replace(ours, data=b"{}"))
        await publish(producer, replace(ours, data=b"{"))
        await publish(producer, ours)
    taken = Taken()
    recovery = recovery_of(cluster)
    own = OwnedTopics(database, [topic], taken.take_in)
    await recovery.run(own)
    assert [(m.event.source, m.event.subject) for m in taken.messages] == [(SOURCE, "ours")]


async def test_a_topic_that_was_created_again_is_read_whole_and_begins_a_new_era(
    cluster: Cluster, topics: Topics, database: Database
) -> None:
    """Else nothing of it would be taken in until it is as long as the former one was."""
    topic = topics.resolutions("management")
    ids = [f"n-{n}" for n in range(12)]  # of all partitions
    async with Producer(cluster) as producer:
        for id_ in ids:
            await publish(producer, approval(id_, topics, "management"))
    for partition in range(3):
        await database["positions"].insert_one(
            {"_id": f"published|{topic}|{partition}", "next": 99}
        )
    taken = Taken()
    recovery = recovery_of(cluster)
    own = OwnedTopics(database, [topic], taken.take_in)
    await recovery.run(own)
    assert taken.keys(topic) == sorted(ids)
    noted = [entry async for entry in database["positions"].find()]
    assert {entry["era"] for entry in noted} == {1}
    assert sum(entry["next"] for entry in noted) == len(ids)
    await recovery.run(own)
    assert taken.keys(topic) == sorted(ids), "once"


async def test_recovery_waits_for_a_missing_topic(
    cluster: Cluster, topics: Topics, database: Database
) -> None:
    """Brokers that have just started may not list it, and it may hold what was lost."""
    taken = Taken()
    own = OwnedTopics(database, [topics.sessions, f"{topics.sessions}.not-yet"], taken.take_in)
    with pytest.raises(TopicsMissing, match="not-yet"):
        await recovery_of(cluster).run(own)
    assert await database["positions"].count_documents({}) == 0
