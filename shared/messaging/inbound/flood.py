"""A flood of refusals closes its topic, instead of emptying it into the dead letters.

Each topic of a group is judged and closed by itself: the others go on. A topic is closed at the
very record that passes the limit; what stands behind it is neither applied nor given up, its
position stays, and it is read again when somebody lets the topic go on. Records of the topic of
replays count there, not where they first stood: mended letters may come back to a closed topic, and
whoever replays is told of each failure anyway.
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
    """Over `share` of the last `window` events, and at least `least` of them."""

    window: int = 1_000
    share: float = 0.2
    least: int = 200


class FloodGauge:
    """Counts refusals among the last events of one topic."""

    def __init__(self, limit: FloodLimit) -> None:
        self._limit = limit
        self._last: deque[bool] = deque(maxlen=limit.window)
        self._refused = 0

    def note(self, *, refused: bool) -> None:
        """Note what became of one event."""
        if len(self._last) == self._limit.window:
            self._refused -= self._last[0]
        self._last.append(refused)
        self._refused += refused

    @property
    def over(self) -> bool:
        """Whether the limit is passed."""
        enough = self._refused >= self._limit.least
        return enough and self._refused > self._limit.share * len(self._last)

    def copy(self) -> Self:
        """Another one that has counted the same."""
        other = type(self)(self._limit)
        other._last.extend(self._last)
        other._refused = self._refused
        return other


@dataclass(frozen=True, slots=True)
class Pause:
    """A topic that waits for somebody's word in one group."""

    group: str
    topic: str | None  # None: all of the group's, as a former version paused
    since: datetime  # machine time, UTC
    reason: str


class Pauses:
    """The paused topics of one database, seen by every process and every operator."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._collection = database["subscriptions"]

    async def pause(self, group: str, topic: str, since: datetime, reason: str) -> None:
        """Pause a topic; one that is paused already stays as it is."""
        pause = {"group": group, "topic": topic, _PAUSED: since, "reason": reason}
        with suppress(DuplicateKeyError):  # by another process at this moment
            await self._collection.update_one(
                {"_id": f"{group}|{topic}"}, {"$setOnInsert": pause}, upsert=True
            )

    async def of(self, group: str) -> list[Pause]:
        """Return what is paused in a group, also on a primary that was just elected."""
        async with causal(self._client) as session:
            found = self._collection.find({"$or": _of(group)}, session=session)
            return [_loaded(document) async for document in found]

    async def list(self) -> list[Pause]:
        """Return all that is paused, the oldest first."""
        return [_loaded(e) async for e in self._collection.find().sort(_PAUSED)]

    async def resume(
        self,
        group: str,
        topic: str | None = None,
        keep: Callable[[ClientSession], Awaitable[object]] | None = None,
    ) -> bool:
        """Let a topic go on, or all of the group; False where nothing of it was paused.

        `keep` writes what is to be kept in the same transaction.
        """
        wanted = {"$or": _of(group)} if topic is None else {"group": group, "topic": topic}
        async with transaction(self._client) as session:
            result = await self._collection.delete_many(wanted, session=session)
            if result.deleted_count and keep is not None:
                await keep(session)
        return result.deleted_count > 0


def _of(group: str) -> Sequence[Document]:
    return [{"group": group}, {"_id": group}]  # a former version's has no other field


def _loaded(document: Document) -> Pause:
    group: str = document.get("group") or document["_id"]
    return Pause(group, document.get("topic"), document[_PAUSED], document["reason"])


class FloodGate:
    """Lets each topic of a group through until it is flooded, and again when somebody says so."""

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
        self._shut: frozenset[str] = frozenset()
        self._heard = False  # what the database says: a restart does not end a pause
        self._turn = asyncio.Lock()  # a look that began before a topic was shut must not open it

    def is_shut(self, topic: str) -> bool:
        """Whether a topic waits, as far as this process has heard."""
        return topic in self._shut

    def note(self, topic: str, *, refused: bool) -> None:
        """Note what became of one event."""
        self._gauge(topic).note(refused=refused)

    def foresee(self, outcomes: Sequence[tuple[str, bool]]) -> Mapping[str, int]:
        """Say which topics these would flood, and with which of them.

        Each is a topic and whether its event is refused, in order; the answer has their numbers
        by topic. Nothing is noted.
        """
        gauges = {topic: self._gauge(topic).copy() for topic, refused in outcomes if refused}
        flooded: dict[str, int] = {}
        for number, (topic, refused) in enumerate(outcomes):
            gauge = gauges.get(topic)
            if gauge is not None and topic not in flooded:
                gauge.note(refused=refused)
                if gauge.over:
                    flooded[topic] = number
        return flooded

    async def shut(self, topic: str) -> None:
        """Pause a topic, for every process of the group. Waits out failures."""
        if topic in self._shut:
            return
        _log.error("topic paused", group=self._group, topic=topic, reason=_REASON)
        async with self._turn:
            self._stand(self._shut | {topic})
            async for attempt in retry_transient(f"pause of {topic}", self._clock):
                with attempt:
                    now = self._clock.now()
                    await self._pauses.pause(self._group, topic, now, _REASON)

    async def hear(self) -> None:
        """Know what is paused, at the start. Waits out failures."""
        if not self._heard:
            async for attempt in retry_transient(f"pauses of {self._group}", self._clock):
                with attempt:
                    async with self._turn:
                        await self._ask()

    async def look(self) -> None:
        """See what is paused now, by any process of the group. Raises the driver's errors."""
        if self._turn.locked():
            return  # something is just being paused; the next look tells
        async with self._turn:
            await self._ask()

    async def _ask(self) -> None:
        found = await self._pauses.of(self._group)
        whole = any(pause.topic is None for pause in found)
        topics = frozenset(pause.topic for pause in found if pause.topic is not None)
        self._stand(self._topics if whole else topics)
        self._heard = True

    def _stand(self, shut: frozenset[str]) -> None:
        for topic in self._shut - shut:
            self._gauges.pop(topic, None)  # it is counted anew, after somebody said to go on
        for topic in shut ^ self._shut:
            self._metrics.set_topic_paused(self._group, topic, topic in shut)
        self._metrics.set_paused(self._group, bool(shut))
        self._shut = shut

    def _gauge(self, topic: str) -> FloodGauge:
        gauge = self._gauges.get(topic)
        if gauge is None:
            gauge = self._gauges[topic] = FloodGauge(self._limit)
        return gauge
