"""The clients of a schedule: independent of the service, they note what they were told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from shared.contracts.envelope import rfc3339
from shared.contracts.events import ResolutionAmended, ResolutionApproved, ResolutionWithdrawn
from shared.messaging.core.errors import HistoryChanged, Stale
from tests.promise.history import Act as Acted
from tests.promise.history import Effect, Outcome, Place, Sent
from tests.simulation import cases
from tests.simulation.clocks import EPOCH
from tests.simulation.kafka.producer import SimulatedProducer
from tests.simulation.schedule import Act, Item, Send
from tests.simulation.service import INPUT

if TYPE_CHECKING:
    from tests.simulation.world import World

_TYPES: Final[Mapping[str, str]] = {
    "approve": ResolutionApproved.TYPE,
    "amend": ResolutionAmended.TYPE,
    "withdraw": ResolutionWithdrawn.TYPE,
}
_FAR: Final = 100_000.0  # seconds: never within a schedule


class Client:
    """One client with a producer of its own; what it sends, it sends in order."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._producer: SimulatedProducer | None = None
        self._broken: set[str] = set()  # cases of which a record's fate is unknown
        self.turn = asyncio.Lock()

    async def send(self, send: Send) -> None:
        """Send, and note what became of each."""
        async with self.turn:
            if send.transaction:
                await self._in_transaction(send)
                return
            for item in send.items:
                await self._send_one(item)

    async def _ready(self, transactional: bool) -> SimulatedProducer:
        while self._producer is None:
            options: dict[str, Any] = {"transactional_id": self._name} if transactional else {}
            producer = SimulatedProducer(self._world.brokers, request_timeout_ms=10_000, **options)
            try:
                await producer.start()
            except KafkaError:
                await asyncio.sleep(0.2)
            else:
                self._producer = producer
        return self._producer

    async def _send_one(self, item: Item) -> None:
        world = self._world
        if item.poison == "conflict" and not world.acknowledged(f"approve-{item.case}"):
            return
        producer = await self._ready(False)
        record = encoded(item)
        number = world.note(item, Outcome.UNKNOWN, None)
        try:
            place = await producer.send_and_wait(INPUT, **record)
        except KafkaError:
            world.disordered.add(item.case)
            self._producer = None
        else:
            where = Place(place.topic, place.partition, place.offset)
            world.note(item, Outcome.ACKNOWLEDGED, where if place.offset >= 0 else None, number)

    async def _in_transaction(self, send: Send) -> None:
        world = self._world
        producer = await self._ready(True)
        noted = [(world.note(item, Outcome.UNKNOWN, None), item) for item in send.items]
        places = []
        kind: Literal["commit", "abort"] = "abort" if send.transaction == "abort" else "commit"
        try:
            for _, item in noted:
                places.append(await producer.send_and_wait(INPUT, **encoded(item)))
            await asyncio.sleep(send.open_seconds)
        except KafkaError:
            kind, self._producer = "abort", None
        await producer.end_transaction(kind)
        if kind == "abort":
            for number, item in noted:
                world.note(item, Outcome.ABORTED, None, number)
            return
        for (number, item), place in zip(noted, places, strict=True):
            where = Place(place.topic, place.partition, place.offset)
            world.note(item, Outcome.ACKNOWLEDGED, where if place.offset >= 0 else None, number)


def encoded(item: Item) -> dict[str, Any]:
    """A record as a client writes it."""
    poison = item.poison
    type_ = _TYPES.get(item.kind, ResolutionApproved.TYPE)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", item.id.encode()),
        ("ce_source", b"urn:test"),
        ("ce_type", b"peygir.Nothing.v1" if poison == "unknown-type" else type_.encode()),
        ("content-type", b"application/json"),
    ]
    if poison == "missing-attribute":
        headers = [header for header in headers if header[0] != "ce_type"]
    value: bytes | None = json.dumps(_data(item)).encode()
    if poison == "null-value":
        value = None
    elif poison == "broken-json":
        value = b"{"
    return {"value": value, "key": item.case.encode(), "headers": headers}


def _data(item: Item) -> Mapping[str, Any]:
    data: dict[str, Any] = {"resolution_id": item.case, "deputy": cases.DEPUTY}
    at = rfc3339(EPOCH + timedelta(seconds=item.number))
    if item.kind == "amend":
        return {**data, "amended_at": at, "title": f"as amended {item.number}"}
    if item.kind == "withdraw":
        return {**data, "withdrawn_at": at}
    due = EPOCH + timedelta(seconds=_FAR if item.due is None else item.due)
    return {
        **data,
        "title": "another" if item.poison == "conflict" else "a case",
        "approved_at": at,
        "due_on": due.date().isoformat(),
        "text": rfc3339(due),
    }


def effects_of(item: Item) -> tuple[Effect, ...]:
    """The event that a record has to cause."""
    match item.kind:
        case "approve":
            return (Effect("FollowupOpened", item.case),)
        case "amend":
            return (Effect("FollowupAmended", item.case, item.id),)
        case "withdraw":
            return (Effect("FollowupClosed", item.case),)
        case _:
            return ()


def sent(item: Item, outcome: Outcome, place: Place | None) -> Sent:
    """What a client notes of a record."""
    return Sent(
        id=item.id,
        topic=INPUT,
        key=item.case,
        outcome=outcome,
        place=place,
        effects=effects_of(item),
        refusal=item.poison or None,
        in_order=not item.early,
        kind=item.kind,
    )


async def act(world: World, wish: Act) -> None:
    """Ask one of the processes to note something; it may die over it."""
    replica = world.replicas[wish.replica]
    loop = world.loop
    begun = loop.time()
    effect = Effect("FollowupProgressed", wish.case, wish.note)

    def note(outcome: Outcome, version: int | None = None) -> None:
        world.acts[wish.note] = Acted(
            wish.note, outcome, begun, loop.time(), (effect,), version=version
        )

    if not replica.process.alive or not replica.ready:
        note(Outcome.REFUSED)
        return
    note(Outcome.UNKNOWN)

    async def ask() -> None:
        try:
            version = await replica.store.act(wish.case, wish.note, replica.clock.now)
        except (cases.Unknown, cases.Refused):
            note(Outcome.REFUSED)
        except (Stale, PyMongoError, HistoryChanged):
            note(Outcome.UNKNOWN)
        else:
            note(Outcome.ACKNOWLEDGED, version)

    loop.spawn(replica.process, ask())
