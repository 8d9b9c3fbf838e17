"""Which resolution a follow-up continues: decided on all that its predecessors lead to."""

from __future__ import annotations

from datetime import datetime

from services.followups.domain import teamwork
from services.followups.domain.links import require_no_circle
from services.followups.domain.records import Followup
from services.followups.handlers.ports import FollowupRepository, HandlerContext, changed, load
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import requested
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal


async def link(
    followup_id: str,
    store: FollowupRepository,
    context: HandlerContext,
    by: Principal,
    predecessor: str,
    deputy: str | None,
    now: datetime,
    trace: str | None = None,
    reply: Replying[Followup] = no_reply,
) -> Followup:
    """Link a follow-up to the resolution that it continues; return it as it is then.

    Where somebody links another one meanwhile, it is decided anew: two links may close a circle
    between them. Raises UnknownFollowup, Refused, and Stale where others were faster every time.
    """

    async def once() -> Followup:
        before = await load(store, followup_id)
        fact = teamwork.link(before, by, predecessor, deputy, now)
        change = changed(before, [fact], context, trace)
        ahead = await store.ahead([predecessor])
        require_no_circle(change.after, ahead.followups)
        await store.save([change], requested(by, reply(change.after)), ahead)
        return change.after

    return await retry_on_conflict(once)
