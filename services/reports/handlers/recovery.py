"""After a restored copy: what became of reports is taken in from their own topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.reports import events
from services.reports.events import ReportEvent
from services.reports.handlers.drafts import Draft
from services.reports.handlers.ports import (
    CircularRepository,
    ExpectationRepository,
    HandlerContext,
)
from shared.contracts.events import CircularIssued
from shared.messaging.core.model import RECOVERY, Event, Message, published


async def recover(
    messages: Sequence[Message],
    store: ExpectationRepository,
    circulars: CircularRepository,
    context: HandlerContext,
) -> int:
    """Apply those of our own events that the stores do not hold; return how many.

    A session that is not known stands behind the position in the topic of sessions and is read
    again later; its events are kept until then. Restricted axes come after the report itself.
    What a report says is in no event: see `domain.records.Lost`. Raises Stale where another
    process does the same at this moment.
    """
    ours = [
        _published(message, message.data.session_id, context)
        for message in messages
        if isinstance(message.data, ReportEvent)
    ]
    return await _take_reports(ours, store, context) + await _take_circulars(messages, circulars)


def _published(message: Message, session_id: str, context: HandlerContext) -> Event:
    apart = message.topic == context.addresses.restricted
    aggregate = events.restricted_aggregate(session_id) if apart else session_id
    return published(message, session_id, aggregate)


async def _take_reports(
    told: Sequence[Event], store: ExpectationRepository, context: HandlerContext
) -> int:
    ids = {event.key for event in told}
    known = await store.of_sessions(ids)
    orphan_outcomes = await store.orphan_outcomes(ids - known.keys())
    drafts = {id_: Draft(expectation, context) for id_, expectation in known.items()}
    new: list[Event] = []
    held = _held(orphan_outcomes)
    for event in told:
        draft = drafts.get(event.key)
        if draft is not None:
            if draft.take_in(event):
                draft.events.append(event)
        elif event.version == held.get(event.aggregate_id, 0) + 1:
            held[event.aggregate_id] = event.version
            new.append(event)
    changes = [draft.change() for draft in drafts.values() if draft.changed]
    if changes:
        await store.save(changes, RECOVERY)
    if new:
        await store.keep_orphans(new, RECOVERY)
    return len(new) + sum(len(change.events) for change in changes)


def _held(orphan_outcomes: Mapping[str, Sequence[Event]]) -> dict[str, int]:
    """The latest version that is kept, by aggregate."""
    return {e.aggregate_id: e.version for of_one in orphan_outcomes.values() for e in of_one}


async def _take_circulars(messages: Sequence[Message], circulars: CircularRepository) -> int:
    taken = 0
    for message in messages:
        data = message.data
        if isinstance(data, CircularIssued) and await circulars.get(data.circular_id) is None:
            event = published(message, data.circular_id, data.circular_id)
            await circulars.add(events.circular_of(data), event, RECOVERY)
            taken += 1
    return taken
