"""After a restored copy: takes the outcomes of notices in from their own topic."""

from __future__ import annotations

from collections.abc import Sequence

from services.notify import events
from services.notify.domain.notices import Fact, State, evolve
from services.notify.handlers.ports import Change, NoticeRepository
from shared.messaging.core.model import RECOVERY, Event, Message, published


async def recover(messages: Sequence[Message], store: NoticeRepository) -> int:
    """Apply those of our own events that the store does not hold; return how many.

    A notice that is not known comes again with the event that causes it; until then its fate is
    kept. Raises Stale where another process does the same at this moment.
    """
    told: dict[str, tuple[Event, Fact]] = {}
    for message in messages:
        data = message.data
        if isinstance(data, events.NoticeEvent):
            event = published(message, data.notice_id, data.notice_id)
            told[data.notice_id] = event, events.from_event(data)
    known = {notice.notice_id: notice for notice in await store.of(told.keys())}
    orphan_outcomes = await store.orphan_outcomes(told.keys() - known.keys())
    changes = [
        Change(before, evolve(before, told[id_][1]), (told[id_][0],), None)
        for id_, before in known.items()
        if before.state is State.PENDING
    ]
    new = [
        event for id_, (event, _) in told.items() if id_ not in known and id_ not in orphan_outcomes
    ]
    if changes:
        await store.save(changes, RECOVERY)
    if new:
        await store.keep_orphans(new, RECOVERY)
    return len(changes) + len(new)
