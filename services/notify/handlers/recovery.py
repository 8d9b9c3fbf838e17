"""After a restore from an older copy: reads the outcomes of notices from their own topic."""

from __future__ import annotations

from collections.abc import Sequence

from services.notify import events
from services.notify.domain.notices import Fact, State, evolve
from services.notify.handlers.ports import Change, NoticeRepository
from shared.messaging.core.model import RECOVERY, Event, Message, published


async def recover(messages: Sequence[Message], store: NoticeRepository) -> int:
    """Apply those of our own events that the store does not hold; return how many.

    A notice that the copy does not hold is created again when the event that caused it is read
    again; its outcome is kept until then. Raises Stale if another process does the same at this
    moment.
    """
    outcomes: dict[str, tuple[Event, Fact]] = {}
    for message in messages:
        data = message.data
        if isinstance(data, events.NoticeEvent):
            event = published(message, data.notice_id, data.notice_id)
            outcomes[data.notice_id] = event, events.from_event(data)
    known = {notice.notice_id: notice for notice in await store.of(outcomes.keys())}
    orphan_outcomes = await store.orphan_outcomes(outcomes.keys() - known.keys())
    changes = [
        Change(before, evolve(before, outcomes[id_][1]), (outcomes[id_][0],), None)
        for id_, before in known.items()
        if before.state is State.PENDING
    ]
    new = [
        event
        for id_, (event, _) in outcomes.items()
        if id_ not in known and id_ not in orphan_outcomes
    ]
    if changes:
        await store.save(changes, RECOVERY)
    if new:
        await store.keep_orphans(new, RECOVERY)
    return len(changes) + len(new)
