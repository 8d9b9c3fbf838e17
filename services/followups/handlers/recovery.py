"""Recovery from an older copy of the database: our own events are read and applied again."""

from __future__ import annotations

from collections.abc import Sequence

from services.followups import events
from services.followups.handlers.absences import recover_absences
from services.followups.handlers.drafts import Draft
from services.followups.handlers.ports import FollowupRepository, HandlerContext
from shared.contracts.events import FollowupEvent
from shared.messaging.core.model import RECOVERY, Message, published


async def recover(
    messages: Sequence[Message], store: FollowupRepository, context: HandlerContext
) -> int:
    """Apply those of our own events that the store does not hold; return how many.

    Raises Stale if another process recovers the same at this moment.
    """
    absences = await recover_absences(messages, store.absences)
    ids = {m.data.followup_id for m in messages if isinstance(m.data, FollowupEvent)}
    known = await store.here_or_moved_out(ids)
    drafts = {id_: Draft(known.get(id_), context) for id_ in ids}
    for message in messages:
        data = message.data
        if not isinstance(data, FollowupEvent):
            continue
        draft = drafts[data.followup_id]
        version = draft.after.version if draft.after else 0
        fact = events.from_event(data, draft.after)
        if message.event.sequence != version + 1 or fact is None:
            continue
        draft.apply(fact)
        draft.events.append(published(message, data.resolution_id, data.followup_id))
        draft.inbox += events.inbox_of([data])
    changes = [draft.change() for draft in drafts.values() if draft.changed]
    if changes:
        await store.save(changes, RECOVERY)
    return absences + sum(len(change.events) for change in changes)
