"""A flood of refusals pauses its topic, instead of turning all of it into dead letters.

Each topic of a group is counted and paused by itself: the others go on. A topic is paused at the
very record that passes the limit. What follows is neither applied nor dead-lettered, its position
stays, and it is read again when an operator resumes the topic. Records of the replay topic count
for that topic, not for their first one: so repaired letters can come back to a paused topic, and
the sender of a replay sees each failure anyway.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import structlog
from pymongo.errors import DuplicateKeyError

from shared.messaging.core.retrying import retry_transient
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import ClientSession, Database, Document, causal, transaction

_log = structlog.get_logger(__name__)

_PAUSED: Final = "paused"
_REASON: Final = "over a fifth of the last events were refused; see tools.deadletter"


@dataclass(frozen=True, slots=True)
class FloodLimit:
    """More refusals than `share` of the last `window` events, and at least `least`."""

    window: int = 1_000
    share: float = 0.2
    least: int = 200


class FloodGauge:
    """Counts refusals among the last events of one topic."""

    def __init__(self, limit: FloodLimit) -> None:
        self._limit = limit
        self._last: deque[bool] = deque(maxlen=limit.window)
        self._refused = 0

    def count(self, *, refused: bool) -> None:
        """Count one event."""
        if len(self._last) == self._limit.window:
            self._refused -= self._last[0]
        self._last.append(refused)
        self._refused += refused

    @property
    def is_over(self) -> bool:
        """Whether the limit is passed."""
        enough = self._refused >= self._limit.least
        return enough and self._refused > self._limit.share * len(self._last)

    def copy(self) -> Self:
        """Return another gauge that has counted the same."""
        other = type(self)(self._limit)
        other._last.extend(self._last)
        other._refused = self._refused
        return other


@dataclass(frozen=True, slots=True)
class Pause:
    """A topic that one group does not read until an operator resumes it."""

    group: str
    topic: str | None  # None: all topics of the group, as a former version paused
    since: datetime  # machine time, UTC
    reason: str


class Pauses:
    """The paused topics of one database, shared by all processes."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._collection = database["subscriptions"]

    async def pause(self, group: str, topic: str, since: datetime, reason: str) -> None:
        """Pause a topic; an existing pause stays as it is. `since`: machine time, UTC."""
        pause = {"group": group, "topic": topic, _PAUSED: since, "reason": reason}
        with suppress(DuplicateKeyError):  # by another process at this moment
            await self._collection.update_one(
                {"_id": f"{group}|{topic}"}, {"$setOnInsert": pause}, upsert=True
            )

    async def of(self, group: str) -> list[Pause]:
        """Return the pauses of a group, also on a primary that was just elected."""
        async with causal(self._client) as session:
            found = self._collection.find({"$or": _of(group)}, session=session)
            return [_loaded(document) async for document in found]

    async def list(self) -> list[Pause]:
        """Return all pauses, the oldest first."""
        return [_loaded(e) async for e in self._collection.find().sort(_PAUSED)]

    async def resume(
        self,
        group: str,
        topic: str | None = None,
        keep: Callable[[ClientSession], Awaitable[object]] | None = None,
    ) -> bool:
        """Resume a topic, or all topics of the group; False if none was paused.

        `keep` writes more in the same transaction.
        """
        pauses = {"$or": _of(group)} if topic is None else {"group": group, "topic": topic}
        async with transaction(self._client) as session:
            result = await self._collection.delete_many(pauses, session=session)
            if result.deleted_count and keep is not None:
                await keep(session)
        return result.deleted_count > 0


def _of(group: str) -> Sequence[Document]:
    return [{"group": group}, {"_id": group}]  # a pause of a former version has no other field


def _loaded(document: Document) -> Pause:
    group: str = document.get("group") or document["_id"]
    return Pause(group, document.get("topic"), document[_PAUSED], document["reason"])


class FloodGate:
    """Knows which topics of a group are paused, and counts refusals."""

    def __init__(
        self,
        group: str,
        topics: Collection[str],
        limit: FloodLimit,
        pauses: Pauses,
        *,
        metrics: Metrics,
        clock: MachineClock,
    ) -> None:
        self._group = group
        self._topics = frozenset(topics)
        self._limit = limit
        self._gauges: dict[str, FloodGauge] = {}  # by topic
        self._pauses = pauses
        self._metrics = metrics
        self._clock = clock
        self._paused: frozenset[str] = frozenset()
        self._loaded = False  # from the database: a restart does not end a pause
        self._lock = asyncio.Lock()  # a refresh that began before a pause must not undo it

    def is_paused(self, topic: str) -> bool:
        """Whether a topic is paused, as far as this process knows."""
        return topic in self._paused

    def count(self, topic: str, *, refused: bool) -> None:
        """Count one event of a topic."""
        self._gauge(topic).count(refused=refused)

    def predict(self, outcomes: Sequence[tuple[str, bool]]) -> Mapping[str, int]:
        """Return which topics these outcomes would flood, each with the index that does.

        Each outcome is a topic and whether its event is refused, in order. Nothing is counted.
        """
        gauges = {topic: self._gauge(topic).copy() for topic, refused in outcomes if refused}
        flooded: dict[str, int] = {}
        for number, (topic, refused) in enumerate(outcomes):
            gauge = gauges.get(topic)
            if gauge is not None and topic not in flooded:
                gauge.count(refused=refused)
                if gauge.is_over:
                    flooded[topic] = number
        return flooded

    async def pause(self, topic: str) -> None:
        """Pause a topic for every process of the group. Retries failures."""
        if topic in self._paused:
            return
        _log.error("topic paused", group=self._group, topic=topic, reason=_REASON)
        async with self._lock:
            self._set_paused(self._paused | {topic})
            async for attempt in retry_transient(f"pause of {topic}", self._clock):
                with attempt:
                    now = self._clock.now()
                    await self._pauses.pause(self._group, topic, now, _REASON)

    async def load(self) -> None:
        """Load the pauses at the start. Retries failures."""
        if not self._loaded:
            async for attempt in retry_transient(f"pauses of {self._group}", self._clock):
                with attempt:
                    async with self._lock:
                        await self._load()

    async def refresh(self) -> None:
        """Load what any process of the group has paused or resumed. Raises the driver's errors."""
        if self._lock.locked():
            return  # a topic is being paused; the next refresh sees it
        async with self._lock:
            await self._load()

    async def _load(self) -> None:
        found = await self._pauses.of(self._group)
        whole = any(pause.topic is None for pause in found)
        topics = frozenset(pause.topic for pause in found if pause.topic is not None)
        self._set_paused(self._topics if whole else topics)
        self._loaded = True

    def _set_paused(self, paused: frozenset[str]) -> None:
        for topic in self._paused - paused:
            self._gauges.pop(topic, None)  # counting begins again once a topic is resumed
        for topic in paused ^ self._paused:
            self._metrics.set_topic_paused(self._group, topic, topic in paused)
        self._metrics.set_paused(self._group, bool(paused))
        self._paused = paused

    def _gauge(self, topic: str) -> FloodGauge:
        gauge = self._gauges.get(topic)
        if gauge is None:
            gauge = self._gauges[topic] = FloodGauge(self._limit)
        return gauge
