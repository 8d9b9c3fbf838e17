"""Which resolution a follow-up continues. It must not continue itself through others."""

from __future__ import annotations

from services.followups.domain import teamwork
from services.followups.domain.links import require_no_circle
from services.followups.domain.records import Followup
from services.followups.handlers.commands import Command, load
from services.followups.handlers.drafts import changed
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import requested


async def link(command: Command, predecessor: str, deputy: str | None) -> Followup:
    """Coordination links a follow-up to the resolution that it continues; return it as it is then.

    It is decided again if somebody adds another link meanwhile: two links could close a circle
    together. Raises UnknownFollowup, Refused, and Stale if others were faster every time.
    """
    store = command.store

    async def once() -> Followup:
        before = await load(store, command.aggregate_id)
        fact = teamwork.link(before, command.by, predecessor, deputy, command.now)
        change = changed(before, [fact], command.context, command.trace)
        ahead = await store.ahead([predecessor])
        require_no_circle(change.after, ahead.followups)
        await store.save([change], requested(command.by, command.reply(change.after)), ahead)
        return change.after

    return await retry_on_conflict(once)
