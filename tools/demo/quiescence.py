"""The one module that reads the private collections of the services.

Two questions cannot be answered from topics, HTTP and mails:

- Does anything still move? A sweeper, a consumer or a relay shows only in its database how far it
  has come, and a metric of it is some seconds old. Pending notices could be asked for over HTTP;
  they are read here too, because the replay looks for them many times per second.
- What do the databases hold that no interface shows: which database a follow-up is stored in,
  which events were committed, and which of them are not published yet?

Whoever changes one of these collections has to change this module, and no other of the demo.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from aiokafka import AIOKafkaConsumer, TopicPartition
from pymongo import MongoClient
from pymongo.database import Database

from shared.contracts.topics import Topics, TopicSpec

_POLL_SECONDS: Final = 0.015
_OVERDUE_SWEEP: Final = {"_id": "overdue"}
_UNPUBLISHED: Final = {"pending": True}  # served by a partial index

EndOffsets: TypeAlias = Mapping[TopicPartition, int]
MongoDatabases: TypeAlias = MongoClient[dict[str, Any]]
MongoDatabase: TypeAlias = Database[dict[str, Any]]


class QuiescenceTimeout(Exception):
    """Something still moved when the time was over; the message says what."""


@dataclass(frozen=True, slots=True)
class StoredFollowup:
    """A follow-up, in the database of a deputy."""

    deputy: str
    resolution_id: str
    state: str
    level: int
    version: int


@dataclass(frozen=True, slots=True)
class StoredCommit:
    """The record of a transaction, with the ids of the events that it has to publish."""

    database: str
    commit_id: str
    event_ids: tuple[str, ...]
    published: bool


@dataclass(frozen=True, slots=True)
class StoredState:
    """What the databases hold and no interface shows."""

    followups: tuple[StoredFollowup, ...]
    commits: tuple[StoredCommit, ...]


@dataclass(frozen=True, slots=True)
class _ConsumerGroup:
    """A consumer group, the database that holds its positions, and the topics that it reads."""

    name: str
    database: str
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Observation:
    """What one look at the databases found."""

    unfinished: str | None  # what still has to happen, in words; None if nothing does
    next_alert: datetime | None = None


class QuiescenceProbe:
    """Looks at the databases and at the ends of the topics, and changes nothing."""

    def __init__(self, client: MongoDatabases, consumer: AIOKafkaConsumer, topics: Topics) -> None:
        """`consumer` is started and reads nothing."""
        self._client = client
        self._consumer = consumer
        self._groups = _consumer_groups(topics)
        self._read: dict[_ConsumerGroup, EndOffsets] = {}  # how far each was seen to have read
        self._deputies = {deputy: client[f"followups_{deputy}"] for deputy in topics.deputies}
        self._notify = client["notify"]
        self._sweeping = [*self._deputies.values(), client["reports"]]
        self._all = [*self._sweeping, self._notify, client["scheduler"]]
        self._partitions = [
            TopicPartition(spec.name, number)
            for spec in _domain_topics(topics)
            for number in range(spec.partitions)
        ]

    async def wait(self, instant: datetime, seconds: float) -> datetime | None:
        """Wait until everything that `instant` brings about has happened; return the next alert.

        The order of the looks matters: each later one sees what an earlier one may have missed.
        First the sweepers, then the ends of all topics, the positions of all consumers, the
        notices, the alerts and the unpublished commits; at last the ends again, which must not
        have moved.

        `instant` and the returned alert are domain time (UTC); the alert is None if no follow-up
        has one. Raises QuiescenceTimeout after `seconds`, KafkaError and the driver's errors.
        """
        deadline = time.monotonic() + seconds
        behind = list(self._sweeping)
        while behind:
            behind = await asyncio.to_thread(_not_swept, behind, instant)
            if behind:
                await _pause(f"the sweeper of {behind[0].name} is behind {instant}", deadline)
        ends = await self._end_offsets()
        while True:
            observation = await asyncio.to_thread(self._observe, instant, ends)
            if observation.unfinished is not None:
                await _pause(observation.unfinished, deadline)
                continue
            before, ends = ends, await self._end_offsets()
            if ends == before:
                return observation.next_alert

    def stored(self) -> StoredState:
        """Read what the databases hold and no interface shows. Raises the driver's errors."""
        return StoredState(
            followups=tuple(
                followup
                for deputy, database in self._deputies.items()
                for followup in _stored_followups(deputy, database)
            ),
            commits=tuple(commit for database in self._all for commit in _stored_commits(database)),
        )

    async def _end_offsets(self) -> EndOffsets:
        found: EndOffsets = await self._consumer.end_offsets(self._partitions)
        return found

    def _observe(self, instant: datetime, ends: EndOffsets) -> _Observation:
        unfinished = self._unread(ends) or self._unsent()
        if unfinished is not None:
            return _Observation(unfinished)
        alerts = [_next_alert(database) for database in self._deputies.values()]
        alert = min((alert for alert in alerts if alert is not None), default=None)
        if alert is not None and alert <= instant:
            return _Observation(f"a follow-up's alert of {alert} was not announced")
        return _Observation(self._put_off() or self._unpublished(), alert)

    def _unread(self, ends: EndOffsets) -> str | None:
        for group in self._groups:
            expected = {p: end for p, end in ends.items() if end and p.topic in group.topics}
            if self._read.get(group) == expected:  # positions never go back
                continue
            stored = self._client[group.database]["positions"].find()
            positions = {entry["_id"]: entry["next"] for entry in stored}
            for partition, end in expected.items():
                key = f"{group.name}|{partition.topic}|{partition.partition}"
                position = positions.get(key, 0)
                if position < end:
                    return f"{group.name} stands at {position} of {end} in {partition.topic}"
            self._read[group] = expected
        return None

    def _unsent(self) -> str | None:
        pending = self._notify["notices"].find_one({"state": "pending"}, {"_id": 1})
        return None if pending is None else f"notice {pending['_id']} is not sent"

    def _put_off(self) -> str | None:
        for database in self._sweeping:
            entry = database["put_off"].find_one()
            if entry is not None:
                return f"{entry['_id']} of {database.name} cannot be done"
        return None

    def _unpublished(self) -> str | None:
        for database in self._all:
            if database["commits"].find_one(_UNPUBLISHED, {"_id": 1}) is not None:
                return f"{database.name} has something to publish"
        return None


def _consumer_groups(topics: Topics) -> tuple[_ConsumerGroup, ...]:
    """Every consumer group of an installation."""
    resolutions = [topics.resolutions(deputy) for deputy in topics.deputies]
    followups = [topics.followups(deputy) for deputy in topics.deputies]
    everything = (topics.sessions, topics.reports, *resolutions, *followups)
    return (
        _ConsumerGroup("reports", "reports", frozenset({topics.sessions})),
        _ConsumerGroup("notify", "notify", frozenset(everything)),
        *(
            _ConsumerGroup(f"followups-{d}", f"followups_{d}", frozenset({topics.resolutions(d)}))
            for d in topics.deputies
        ),
    )


def _domain_topics(topics: Topics) -> list[TopicSpec]:
    """The topics to which services publish their events: none of dead letters or rejections."""
    return [spec for spec in topics.all() if spec.events and spec.name != topics.rejections]


async def _pause(unfinished: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise QuiescenceTimeout(unfinished)
    await asyncio.sleep(_POLL_SECONDS)


def _not_swept(databases: list[MongoDatabase], instant: datetime) -> list[MongoDatabase]:
    entries = [database["sweeps"].find_one(_OVERDUE_SWEEP) for database in databases]
    return [
        database
        for database, entry in zip(databases, entries, strict=True)
        if entry is None or entry["to"] < instant
    ]


def _next_alert(database: MongoDatabase) -> datetime | None:
    found = database["followups"].find({"next_alert": {"$type": "date"}}, {"next_alert": 1})
    for entry in found.sort("next_alert", 1).limit(1):
        alert: datetime = entry["next_alert"]
        return alert
    return None


def _stored_followups(deputy: str, database: MongoDatabase) -> Iterator[StoredFollowup]:
    fields = ("resolution_id", "state", "level", "version")
    for document in database["followups"].find({}, fields):
        yield StoredFollowup(deputy, **{name: document[name] for name in fields})


def _stored_commits(database: MongoDatabase) -> Iterator[StoredCommit]:
    for document in database["commits"].find({}, ("events.id", "pending")):
        yield StoredCommit(
            database=database.name,
            commit_id=str(document["_id"]),
            event_ids=tuple(event["id"] for event in document["events"]),
            published=not document.get("pending"),
        )
