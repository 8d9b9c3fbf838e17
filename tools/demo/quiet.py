"""Tells when nothing moves any more: every sweeper has passed an instant, nothing is under way.

In this order, so that what one look misses a later one sees: the sweepers, the ends of all topics,
the positions of all readers, the notices still to be sent, the alerts, the records still to be
published, and the ends of all topics again, which have to be the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from pymongo import MongoClient
from pymongo.database import Database

from shared.contracts.topics import Topics, TopicSpec

_POLL_SECONDS: Final = 0.015
_OVERDUE: Final = {"_id": "overdue"}
_PENDING: Final = {"pending": True}  # the partial index over the unpublished

Ends = Mapping[TopicPartition, int]
Mongo = MongoClient[dict[str, Any]]


class NotQuiet(Exception):
    """Something still moves after the longest time that it may take; the message says what."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A consumer group: the database that holds its positions, and the topics that it reads."""

    group: str
    database: str
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look at the databases found."""

    trouble: str | None
    next_alert: datetime | None = None


def readers_of(topics: Topics) -> tuple[Reader, ...]:
    """Every consumer group of an installation."""
    resolutions = [topics.resolutions(deputy) for deputy in topics.deputies]
    followups = [topics.followups(deputy) for deputy in topics.deputies]
    everything = (topics.sessions, topics.reports, *resolutions, *followups)
    return (
        Reader("reports", "reports", frozenset({topics.sessions})),
        Reader("notify", "notify", frozenset(everything)),
        *(
            Reader(f"followups-{d}", f"followups_{d}", frozenset({topics.resolutions(d)}))
            for d in topics.deputies
        ),
    )


def told_by_services(topics: Topics) -> list[TopicSpec]:
    """The topics of the domain: all but those of what was given up."""
    return [spec for spec in topics.all() if spec.events and spec.name != topics.rejections]


class Quiet:
    """Looks from outside, at the databases and the ends of the topics."""

    def __init__(self, client: Mongo, consumer: AIOKafkaConsumer, topics: Topics) -> None:
        """`consumer` is started and reads nothing."""
        self._client = client
        self._consumer = consumer
        self._read: dict[Reader, Ends] = {}  # how far each reader was seen to have read
        self._readers = readers_of(topics)
        tracking = [f"followups_{deputy}" for deputy in topics.deputies]
        self._tracking = [client[name] for name in tracking]
        self._sweeping = [*self._tracking, client["reports"]]
        self._notify = client["notify"]
        self._all = [*self._sweeping, self._notify, client["scheduler"]]
        self._partitions = [
            TopicPartition(spec.name, number)
            for spec in told_by_services(topics)
            for number in range(spec.partitions)
        ]

    async def wait(self, instant: datetime, seconds: float) -> datetime | None:
        """Wait until all that `instant` brings about has come about; return the next alert.

        Raises NotQuiet after `seconds`.
        """
        deadline = time.monotonic() + seconds
        behind = list(self._sweeping)
        while behind:
            behind = await asyncio.to_thread(_unswept, behind, instant)
            if behind:
                await _pause(f"the sweeper of {behind[0].name} is behind {instant}", deadline)
        ends = await self._ends()
        while True:
            look = await asyncio.to_thread(self._look, instant, ends)
            if look.trouble is not None:
                await _pause(look.trouble, deadline)
                continue
            before, ends = ends, await self._ends()
            if ends == before:
                return look.next_alert

    async def _ends(self) -> Ends:
        found: Ends = await self._consumer.end_offsets(self._partitions)
        return found

    def _look(self, instant: datetime, ends: Ends) -> _Look:
        trouble = self._unread(ends) or self._unsent()
        if trouble is not None:
            return _Look(trouble)
        found = [_next_alert(database) for database in self._tracking]
        alert = min((alert for alert in found if alert is not None), default=None)
        if alert is not None and alert <= instant:
            return _Look(f"a follow-up's alert of {alert} was not announced")
        return _Look(self._put_off() or self._unpublished(), alert)

    def _put_off(self) -> str | None:
        for database in self._sweeping:
            entry = database["put_off"].find_one()
            if entry is not None:
                return f"{entry['_id']} of {database.name} cannot be done"
        return None

    def _unread(self, ends: Ends) -> str | None:
        for reader in self._readers:
            wanted = {p: end for p, end in ends.items() if end and p.topic in reader.topics}
            if self._read.get(reader) == wanted:  # positions never go back
                continue
            stored = self._client[reader.database]["positions"].find()
            positions = {entry["_id"]: entry["next"] for entry in stored}
            for partition, end in wanted.items():
                key = f"{reader.group}|{partition.topic}|{partition.partition}"
                at = positions.get(key, 0)
                if at < end:
                    return f"{reader.group} stands at {at} of {end} in {partition.topic}"
            self._read[reader] = wanted
        return None

    def _unsent(self) -> str | None:
        pending = self._notify["notices"].find_one({"state": "pending"}, {"_id": 1})
        return None if pending is None else f"notice {pending['_id']} is not sent"

    def _unpublished(self) -> str | None:
        for database in self._all:
            if database["commits"].find_one(_PENDING, {"_id": 1}) is not None:
                return f"{database.name} has something to publish"
        return None


async def _pause(trouble: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise NotQuiet(trouble)
    await asyncio.sleep(_POLL_SECONDS)


def _unswept(
    databases: list[Database[dict[str, Any]]], instant: datetime
) -> list[Database[dict[str, Any]]]:
    entries = [database["sweeps"].find_one(_OVERDUE) for database in databases]
    return [
        database
        for database, entry in zip(databases, entries, strict=True)
        if entry is None or entry["to"] < instant
    ]


def _next_alert(database: Database[dict[str, Any]]) -> datetime | None:
    found = database["followups"].find({"next_alert": {"$type": "date"}}, {"next_alert": 1})
    for entry in found.sort("next_alert", 1).limit(1):
        alert: datetime = entry["next_alert"]
        return alert
    return None
