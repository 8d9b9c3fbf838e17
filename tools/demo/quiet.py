"""Tells when nothing moves any more: every sweeper has passed an instant, nothing is under way.

In this order, so that what one look misses a later one sees: the sweepers, the ends of all topics,
the positions of all readers, the notices still to be sent, the records still to be published, and
the ends of all topics again, which have to be the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts.topics import Topics
from shared.runtime.mongo import Client, Database, database

_POLL_SECONDS: Final = 0.012
_OVERDUE: Final = {"_id": "overdue"}


class NotQuiet(Exception):
    """Something still moves after the longest time that it may take; the message says what."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A consumer group: the database that holds its positions, and the topics that it reads."""

    group: str
    database: str
    topics: tuple[str, ...]


def readers_of(topics: Topics) -> tuple[Reader, ...]:
    """Every consumer group of an installation."""
    resolutions = [topics.resolutions(deputy) for deputy in topics.deputies]
    followups = [topics.followups(deputy) for deputy in topics.deputies]
    everything = (topics.sessions, topics.reports, *resolutions, *followups)
    return (
        Reader("reports", "reports", (topics.sessions,)),
        Reader("notify", "notify", everything),
        *(
            Reader(f"followups-{deputy}", f"followups_{deputy}", (topics.resolutions(deputy),))
            for deputy in topics.deputies
        ),
    )


class Quiet:
    """Looks from outside, at the databases and the ends of the topics."""

    def __init__(self, client: Client, consumer: AIOKafkaConsumer, topics: Topics) -> None:
        """`consumer` is started and reads nothing."""
        self._consumer = consumer
        self._readers = readers_of(topics)
        self._tracking = [database(client, f"followups_{d}") for d in topics.deputies]
        self._sweeping = [*self._tracking, database(client, "reports")]
        self._notify = database(client, "notify")
        self._all = [*self._sweeping, self._notify, database(client, "scheduler")]
        self._by_name = {database.name: database for database in self._all}
        self._partitions = [
            TopicPartition(spec.name, number)
            for spec in topics.all()
            for number in range(spec.partitions)
        ]

    async def wait(self, instant: datetime, seconds: float) -> datetime | None:
        """Wait until all that `instant` brings about has come about; return the next alert.

        Raises NotQuiet after `seconds`.
        """
        deadline = time.monotonic() + seconds
        await self._until(lambda: self._unswept(instant), deadline)
        while True:
            trouble = await self._trouble(instant)
            if trouble is None:
                return await self.next_alert()
            await self._pause(trouble, deadline)

    async def next_alert(self) -> datetime | None:
        """The earliest instant at which a follow-up reaches its next level, over all deputies."""
        found = await asyncio.gather(*(_next_alert(database) for database in self._tracking))
        return min((alert for alert in found if alert is not None), default=None)

    async def _until(self, ask: Callable[[], Awaitable[str | None]], deadline: float) -> None:
        while trouble := await ask():
            await self._pause(trouble, deadline)

    async def _pause(self, trouble: str, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise NotQuiet(trouble)
        await asyncio.sleep(_POLL_SECONDS)

    async def _unswept(self, instant: datetime) -> str | None:
        swept = await asyncio.gather(*(d["sweeps"].find_one(_OVERDUE) for d in self._sweeping))
        for place, entry in zip(self._sweeping, swept, strict=True):
            to = None if entry is None else entry["to"]
            if to is None or to < instant:
                return f"the sweeper of {place.name} has come to {to}, not to {instant}"
        return None

    async def _trouble(self, instant: datetime) -> str | None:
        alert = await self.next_alert()
        if alert is not None and alert <= instant:
            return f"a follow-up's alert of {alert} was not announced"
        ends = await self.ends()
        return (
            await self._behind(ends)
            or await self._unsent()
            or await self._unpublished()
            or self._moved(ends, await self.ends())
        )

    async def ends(self) -> Mapping[TopicPartition, int]:
        """The end of every partition of every topic."""
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(self._partitions)
        return found

    async def _behind(self, ends: Mapping[TopicPartition, int]) -> str | None:
        names = {reader.database for reader in self._readers}
        stored = await asyncio.gather(*(_positions(self._by_name[name]) for name in names))
        positions = dict(zip(names, stored, strict=True))
        wanted = {
            (reader, partition): end
            for reader in self._readers
            for partition, end in ends.items()
            if end and partition.topic in reader.topics
        }
        for (reader, partition), end in wanted.items():
            key = f"{reader.group}|{partition.topic}|{partition.partition}"
            at = positions[reader.database].get(key, 0)
            if at < end:
                return f"{reader.group} stands at {at} of {end} in {partition.topic}"
        return None

    async def _unsent(self) -> str | None:
        pending = await self._notify["notices"].find_one({"state": "pending"}, {"_id": 1})
        return None if pending is None else f"notice {pending['_id']} is not sent"

    async def _unpublished(self) -> str | None:
        found = await asyncio.gather(*(_pending(database) for database in self._all))
        names = [d.name for d, pending in zip(self._all, found, strict=True) if pending]
        return f"{', '.join(names)} have something to publish" if names else None

    @staticmethod
    def _moved(
        before: Mapping[TopicPartition, int], after: Mapping[TopicPartition, int]
    ) -> str | None:
        return None if before == after else "topics are being written to"


async def _next_alert(database: Database) -> datetime | None:
    found = database["followups"].find({"next_alert": {"$type": "date"}}, {"next_alert": 1})
    async for entry in found.sort("next_alert", 1).limit(1):
        alert: datetime = entry["next_alert"]
        return alert
    return None


async def _positions(database: Database) -> Mapping[str, int]:
    return {entry["_id"]: entry["next"] async for entry in database["positions"].find()}


async def _pending(database: Database) -> Any:
    return await database["commits"].find_one({"pending": True}, {"_id": 1})
