"""Messages of resolution events, and a store in memory that takes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.followups import handlers
from services.followups.domain.records import Followup
from services.followups.domain.scores import By
from shared.contracts.envelope import CloudEvent, read, write
from shared.contracts.events import parse
from shared.messaging.core.model import (
    CommitContext,
    Defer,
    Deferred,
    Event,
    Fence,
    Message,
    Origin,
    Outcome,
    Verdict,
)
from shared.messaging.ledger.deferral import DeferredRecord
from shared.runtime.list_queries import ListQuery
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import APPROVER, LATER, TOPIC, TRACKING

FENCE = Fence("sweeper", "here", 1)
CAUSE = CommitContext("event", "followups-civil")


def message(
    type_: str, id_: str = "1", source: str = APPROVER, topic: str = "in", **data: Any
) -> Message:
    """Return an event as the consumer passes it to the handler."""
    body = {"resolution_id": "R-1", "deputy": "civil", **data}
    event = CloudEvent(id_, source, f"peygir.{type_}.v1", json.dumps(body).encode())
    return Message(Origin(topic, 0, 0), event, parse(event), topic)


def approval(id_: str = "1", source: str = APPROVER, **data: Any) -> Message:
    usual = {"title": "پل", "approved_at": "2023-10-16T09:00:00Z", "due_on": "2024-01-01"}
    return message("ResolutionApproved", id_, source, **{**usual, **data})


def amendment(id_: str, source: str = APPROVER, **data: Any) -> Message:
    usual = {"amended_at": "2023-11-01T00:00:00Z"}
    return message("ResolutionAmended", id_, source, **{**usual, **data})


def withdrawal(id_: str, source: str = APPROVER, **data: Any) -> Message:
    return message("ResolutionWithdrawn", id_, source, withdrawn_at="2023-11-01T00:00:00Z", **data)


async def take(store: MemoryFollowups, *messages: Message) -> list[Verdict]:
    """Handle a batch and save the result, as the consumer does."""
    decision = await handlers.handle_events(messages, store, TRACKING, LATER)
    verdicts, defers = list(decision.verdicts), dict[str, Deferred]()
    for number, (one, verdict) in enumerate(zip(messages, verdicts, strict=True)):
        if not isinstance(verdict, Defer):
            continue
        if one.inbox_id in defers or one.inbox_id in store.deferred:
            verdicts[number] = Outcome.DUPLICATE
        else:
            record = DeferredRecord("in", 0, 0, 0, None, one.event.data, [])
            defers[one.inbox_id] = Deferred(one.inbox_id, "", verdict.about, LATER, record)
    await store.save(decision.changes, replace(CAUSE, defers=tuple(defers.values())))
    return verdicts


async def offer_again(store: MemoryFollowups, log: Sequence[Message]) -> list[Verdict]:
    """Handle the deferred messages again, as the consumer does."""
    by_id = {one.inbox_id: one for one in reversed(log)}
    deferred = [replace(by_id[id_], deferred=True) for id_ in store.deferred]
    decision = await handlers.handle_events(deferred, store, TRACKING, LATER)
    ends = [
        one.inbox_id
        for one, verdict in zip(deferred, decision.verdicts, strict=True)
        if not isinstance(verdict, Defer)
    ]
    await store.save(decision.changes, replace(CAUSE, ends=tuple(ends)))
    return list(decision.verdicts)


async def all_of(store: MemoryFollowups) -> Sequence[Followup]:
    return await store.page(ListQuery({}, None, 1_000))


async def the_one(store: MemoryFollowups) -> Followup:
    (followup,) = await all_of(store)
    return followup


async def counts_of(store: MemoryFollowups) -> dict[str, int]:
    """Return the deputy's counts above zero, summed over all days."""
    return {name: n for name, n in (await store.counts(By.DEPUTY))[""].items() if n}


def as_read(event: Event) -> Message:
    sent = CloudEvent(
        id=event.id,
        source="urn:peygir:followups",
        type=event.type,
        data=event.data,
        time=event.time,
        dataschema=event.dataschema,
        sequence=event.version,
        traceparent=event.trace,
    )
    received = read(*write(sent))
    return Message(Origin(TOPIC, 0, 0), received, parse(received, recorded=True), TOPIC)
