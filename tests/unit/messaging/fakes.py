"""A consumer among fakes of Kafka, MongoDB and time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from shared.contracts.topics import Topics
from shared.messaging.core.errors import AlreadyExists, HistoryChanged, PositionMoved
from shared.messaging.core.model import (
    CommitContext,
    Decision,
    Defer,
    Message,
    Origin,
    Outcome,
    Refusal,
    Verdict,
)
from shared.messaging.inbound.consumer import Consumer
from shared.messaging.inbound.deadletters import DeadLetters, first_origin
from shared.messaging.inbound.flood import FloodLimit
from shared.messaging.kafka.publisher import Publisher
from shared.messaging.ledger.deferral import DeferralLimit
from shared.messaging.ledger.positions import position_id
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database
from tests.unit.messaging.fakes_kafka import BEGUN, PLACE, TOPIC, Kafka, Record, Sends
from tests.unit.messaging.fakes_mongo import Client, Collections, Documents, Waiting

GROUP = "readers"


class Clock:
    """A machine clock whose sleeps take no time and are recorded."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.during: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return BEGUN + timedelta(seconds=sum(self.slept))

    def monotonic(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.during()
        await asyncio.sleep(0)


@dataclass
class Bench:
    """A consumer among fakes: what it was given, decided, saved and sent."""

    log: Sequence[Record]
    guilty: Collection[int | Origin] = ()  # offsets or origins on which the handler fails
    limit: FloodLimit = field(default_factory=FloodLimit)
    deferral: DeferralLimit = field(default_factory=DeferralLimit)
    reads: Collection[str] = (TOPIC,)

    def __post_init__(self) -> None:
        self.kafka = Kafka(self.log)
        self.clock = Clock()
        self.sends = Sends()
        self.metrics = Metrics()
        self.handled: list[list[int]] = []
        self.done: list[Origin] = []
        self.history_changes: list[HistoryChanged] = []
        self.save_failures: list[Exception] = []
        self.hidden: Collection[int] = ()  # offsets whose effect collides with what is stored
        self.missing: set[int | Origin] = set()  # of messages that come before their aggregate
        self.client = Client()
        self.waiting = Waiting(self.client)
        self.collections = Collections(
            self.client,
            positions=Documents(self.client),
            subscriptions=Documents(self.client),
            deferred=self.waiting,
        )
        publisher = cast(Publisher, self.sends)
        self.topics = Topics(["civil"])
        self.dead_letters = DeadLetters(
            service="notify",
            source="urn:peygir:notify",
            topics=self.topics,
            publisher=publisher,
            clock=self.clock,
        )
        self.consumer = self.another()

    def another(self) -> Consumer[Origin]:
        """A consumer of a process that was just started."""
        return Consumer(
            group=GROUP,
            topics=self.reads,
            handle=self._handle,
            save=self._save,
            database=cast(Database, self.collections),
            dead_letters=self.dead_letters,
            metrics=self.metrics,
            clock=self.clock,
            limit=self.limit,
            deferral=self.deferral,
            on_history_change=self.history_changes.append,
        )

    @property
    def applied(self) -> list[int]:
        """The offsets of the applied messages, in order."""
        return [origin.offset for origin in self.done]

    @property
    def stored(self) -> int | None:
        """The position in the first partition that the database holds."""
        return self.position(PLACE)

    def position(self, place: tuple[str, int]) -> int | None:
        """The position in a partition that the database holds."""
        entry = self.collections["positions"].held.get(position_id(GROUP, *place))
        return None if entry is None else int(entry["next"])

    def store(self, position: int, place: tuple[str, int] = PLACE) -> None:
        id_ = position_id(GROUP, *place)
        self.collections["positions"].held[id_] = {"_id": id_, "next": position}

    @property
    def buried(self) -> dict[Origin, str]:
        """The reason of each dead letter by the origin of its record; each is written once."""
        found = [r for r in self.sends.sent if r.topic == self.topics.deadletter("notify")]
        reasons = {first_origin(r): dict(r.headers)["x-error-type"].decode() for r in found}  # type: ignore[arg-type]  # its headers are asked for alone
        assert len(reasons) == len(found), "one each"
        return reasons

    @property
    def letters(self) -> dict[int, str]:
        """The reason of each dead letter, by its offset."""
        return {origin.offset: reason for origin, reason in self.buried.items()}

    @property
    def rejections(self) -> list[int]:
        """The offsets in the rejections, in order."""
        found = [r for r in self.sends.sent if r.topic == self.topics.rejections]
        return [json.loads(r.value or b"")["offset"] for r in found]

    @property
    def pauses(self) -> set[str]:
        """The topics that are paused in the database."""
        return {pause["topic"] for pause in self.collections["subscriptions"].held.values()}

    def shown(self, metric: str, **labels: str) -> float | None:
        """The value of a metric; None if it is not shown."""
        return self.metrics.registry.get_sample_value(metric, labels)

    async def turn(self) -> None:
        """Give the consumer all that Kafka has now."""
        await self.consumer.consume(self.kafka.poll(), self.kafka)

    async def _handle(self, messages: Sequence[Message]) -> Decision[Origin]:
        origins = [message.origin for message in messages]
        self.handled.append([origin.offset for origin in origins])
        await self.client.answer()
        if any(_among(origin, self.guilty) for origin in origins):
            raise ValueError("nobody foresaw it")
        verdicts: list[Verdict] = [
            Defer(str(origin.offset), Refusal("missing", "it never came"))
            if _among(origin, self.missing)
            else Outcome.APPLIED
            for origin in origins
        ]
        return Decision(verdicts, [o for o in origins if not _among(o, self.missing)])

    async def _save(self, changes: Sequence[Origin], context: CommitContext) -> None:
        await self.client.answer()
        if self.save_failures:
            raise self.save_failures.pop(0)
        if any(change.offset in self.hidden for change in changes):
            raise AlreadyExists("what decisions do not see")
        for move in context.advances:
            position = self.position((move.topic, move.partition))
            if move.expected != position:
                raise PositionMoved(f"at {position}, not at {move.expected}")
        self.waiting.save(context)
        for move in context.advances:
            self.store(move.next, (move.topic, move.partition))
        self.done += changes


def _among(origin: Origin, places: Collection[int | Origin]) -> bool:
    return origin in places or origin.offset in places
