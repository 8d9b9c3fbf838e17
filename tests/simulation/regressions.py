"""Mends, taken out again one by one: the simulation has to find what each of them was for."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

from aiokafka import TopicPartition
from aiokafka.structs import RecordMetadata
from pymongo import ASCENDING

from shared.messaging.core import classification
from shared.messaging.core.model import Deferred, Event, Refusal
from shared.messaging.core.server_errors import OF_THE_DATA, OF_THE_SERVER
from shared.messaging.inbound.consumer import Consumer
from shared.messaging.inbound.dispatch import VerdictDispatch
from shared.messaging.kafka import batches
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.publisher import Publisher, SendResult
from shared.messaging.ledger import deferral
from shared.messaging.ledger.deferral import DeferredMessages
from shared.messaging.ledger.positions import PUBLISHED, position_id
from shared.messaging.outbox import relay
from shared.messaging.outbox.lanes import Lanes
from shared.messaging.outbox.relay import Relay
from shared.messaging.scheduling.leased_task import LeasedTask
from shared.runtime.mongo import transaction

Change = tuple[object, str, Any]
"""What is put in the place of an attribute."""


async def _deliver_at_once(
    self: Publisher, place: TopicPartition, records: Sequence[OutgoingRecord]
) -> list[SendResult]:
    """All batches of a partition set out together, whatever becomes of the first."""
    answers: list[SendResult] = []
    async with self._producing() as connection:
        handed: list[tuple[asyncio.Future[RecordMetadata], int]] = []
        begun = 0
        while begun < len(records):
            batch, count = batches.filled(connection.producer, records, begun, set())
            topic, partition = place
            future = await connection.producer.send_batch(batch, topic, partition=partition)
            handed.append((future, count))
            begun += count
        for future, count in handed:
            try:
                first = await batches.answer_of(future)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
                self._retire(connection)
                answers += [error] * count
            else:
                answers += [first._replace(offset=first.offset + n) for n in range(count)]
    return answers


def _as_inserted(self: Relay, chunk: Any, this: Any) -> Mapping[TopicPartition, Sequence[Event]]:
    """What stands first leaves first."""
    due: defaultdict[TopicPartition, list[Event]] = defaultdict(list)
    for event in (event for record in chunk for event in record.events):
        if event.id in self._places:
            continue
        about = event.aggregate_id
        place = self._lanes.free_place(event)
        if about in this.held or self._is_stuck(event) or place is None:
            this.held.add(about)
        else:
            due[place].append(event)
    return due


async def _keep_nothing(self: LeasedTask) -> None:
    """Nobody renews the lease beside the work."""
    await asyncio.Future()


_collect: Final = Lanes.collect


async def _wait_for_all(self: Lanes, seconds: float) -> Sequence[tuple[Event, SendResult]]:
    """A pass waits until every partition has answered."""
    return await _collect(self, 3_600.0)


async def _wait_for_all_that_is_under_way(
    self: Lanes, seconds: float
) -> Sequence[tuple[Event, SendResult]]:
    self._awaited |= {lane.task for lane in self._lanes.values() if lane.task is not None}
    return await _collect(self, 3_600.0)


def _nothing_is_final(self: VerdictDispatch, item: object) -> None:
    return None


def _all_is_missing(self: VerdictDispatch, item: object, verdict: object) -> Sequence[str]:
    return ("letter", "rejection") if isinstance(verdict, Refusal) else ()


async def _sure_of_all(self: Consumer[Any], cause: object) -> None:
    return None


async def _by_the_clock(self: DeferredMessages, group: str, limit: int) -> Sequence[Deferred]:
    """By the clocks of those who let them wait."""
    order = [("group", ASCENDING), ("at", ASCENDING), ("offset", ASCENDING), ("_id", ASCENDING)]
    found = self._collection.find({"group": group}).sort(order).limit(limit)
    return [deferral._loaded(document) async for document in found]


async def _mark_what_was_read(self: Relay, chunk: Any) -> None:
    """A mark that does not ask whether the record is pending still."""
    whole = [record for record in chunk if not record.unsent(self._places)]
    partly = [
        (record, unsent)
        for record in chunk
        if 0 < len(unsent := record.unsent(self._places)) < len(record.events)
    ]
    if not (whole or partly):
        return
    await self._rollback.check_if_suspected()
    done = [e.id for r in chunk for e in r.events if e.id in self._places]
    positions = await self._new_positions(self._places[id_] for id_ in done)
    async with self._lease.fenced() as fence, transaction(self._database.client) as session:
        await self._leases.touch(fence, session)
        await self._commits.update_many(
            {"_id": {"$in": [record.id for record in whole]}},
            {"$unset": {"pending": "", "unsent": ""}},
            session=session,
        )
        for record, unsent in partly:
            await self._commits.update_one(
                {"_id": record.id}, {"$set": {"unsent": unsent}}, session=session
            )
        await self._counts.add(relay._total(whole), session)
        await self._positions.store_highest(PUBLISHED, positions, session)
    self._rollback.note_positions({position_id(PUBLISHED, *p): now for p, now in positions.items()})
    if self._published is not None:
        self._published |= positions
    for id_ in done:
        del self._places[id_]


_LIFETIME: Final = 290  # TransactionExceededLifetimeLimitSeconds


@dataclass(frozen=True, slots=True)
class Regression:
    """An old defect: how it comes back, in which schedules it shows, and as what."""

    changes: Callable[[], Sequence[Change]]
    theme: str
    found_as: str  # a part of what the checker says


REGRESSIONS: Final[Mapping[str, Regression]] = {
    "batches-at-once": Regression(
        lambda: [(Publisher, "deliver", _deliver_at_once)], "kafka", "disorder"
    ),
    "order-of-insertion": Regression(
        lambda: [(Relay, "_due", _as_inserted)], "elections", "disorder"
    ),
    "lease-not-renewed": Regression(
        lambda: [(LeasedTask, "_renew", _keep_nothing), (Lanes, "collect", _wait_for_all)],
        "late",
        "stuck",
    ),
    "one-waits-for-all": Regression(
        lambda: [(Lanes, "collect", _wait_for_all_that_is_under_way)], "sick", "stuck"
    ),
    "stall-is-permanent": Regression(
        lambda: [
            (classification, "OF_THE_SERVER", OF_THE_SERVER - {_LIFETIME}),
            (classification, "OF_THE_DATA", OF_THE_DATA | {_LIFETIME}),
        ],
        "stalls",
        "['failed']",
    ),
    "letters-forgotten": Regression(
        lambda: [
            (VerdictDispatch, "final_verdict", _nothing_is_final),
            (VerdictDispatch, "_missing", _all_is_missing),
            (Consumer, "_check_positions", _sure_of_all),
        ],
        "poison",
        "dead letters",
    ),
    "deferred-by-the-clock": Regression(
        lambda: [(DeferredMessages, "of", _by_the_clock)], "early", "['outdated']"
    ),
    "mark-without-asking": Regression(
        lambda: [(Relay, "_mark", _mark_what_was_read)], "elections", "scorecard"
    ),
}
"""By name: what brings an old defect back."""


@contextmanager
def without(name: str | None) -> Iterator[None]:
    """Take a mend out for as long as this lasts; none where there is no name."""
    patches = [patch.object(*change) for change in (REGRESSIONS[name].changes() if name else ())]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


def take_out(name: str | None) -> None:
    """Take a mend out for the rest of this process."""
    for target, attribute, value in REGRESSIONS[name].changes() if name else ():
        setattr(target, attribute, value)
