"""After a restore from an older copy: reads reports and circulars from their own topics."""

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

    A session that the copy does not hold is read again later from the topic of sessions; events
    about it are kept until then. Events on the restricted topic are applied after those on the
    topic of reports. The texts of reports are in no event, see `domain.records.Lost`. Raises Stale
    if another process does the same at this moment.
    """
    own_events = [
        _published(message, message.data.session_id, context)
        for message in messages
        if isinstance(message.data, ReportEvent)
    ]
    recovered = await _recover_reports(own_events, store, context)
    return recovered + await _recover_circulars(messages, circulars)


def _published(message: Message, session_id: str, context: HandlerContext) -> Event:
    restricted = message.topic == context.addresses.restricted
    aggregate = events.restricted_aggregate(session_id) if restricted else session_id
    return published(message, session_id, aggregate)


async def _recover_reports(
    own_events: Sequence[Event], store: ExpectationRepository, context: HandlerContext
) -> int:
    ids = {event.key for event in own_events}
    known = await store.of_sessions(ids)
    orphan_outcomes = await store.orphan_outcomes(ids - known.keys())
    drafts = {id_: Draft(expectation, context) for id_, expectation in known.items()}
    new: list[Event] = []
    versions = _kept_versions(orphan_outcomes)
    for event in own_events:
        draft = drafts.get(event.key)
        if draft is not None:
            if draft.take_in(event):
                draft.events.append(event)
        elif event.version == versions.get(event.aggregate_id, 0) + 1:
            versions[event.aggregate_id] = event.version
            new.append(event)
    changes = [draft.change() for draft in drafts.values() if draft.changed]
    if changes:
        await store.save(changes, RECOVERY)
    if new:
        await store.keep_orphans(new, RECOVERY)
    return len(new) + sum(len(change.events) for change in changes)


def _kept_versions(orphan_outcomes: Mapping[str, Sequence[Event]]) -> dict[str, int]:
    """The latest kept version of each aggregate."""
    return {e.aggregate_id: e.version for of_one in orphan_outcomes.values() for e in of_one}


async def _recover_circulars(messages: Sequence[Message], circulars: CircularRepository) -> int:
    recovered = 0
    for message in messages:
        data = message.data
        if isinstance(data, CircularIssued) and await circulars.get(data.circular_id) is None:
            event = published(message, data.circular_id, data.circular_id)
            await circulars.add(events.circular_of(data), event, RECOVERY)
            recovered += 1
    return recovered
