"""The sweep: what happens to follow-ups because time passes."""

from __future__ import annotations

from datetime import datetime

from services.followups.handlers.drafts import changed
from services.followups.handlers.ports import FollowupRepository, HandlerContext
from shared.messaging.core.model import CommitContext, Fence


async def sweep(
    store: FollowupRepository,
    context: HandlerContext,
    now: datetime,
    fence: Fence,
    limit: int = 500,
) -> int:
    """Announce what is due by `now` (UTC); return the number of follow-ups that were examined.

    One call takes the `limit` follow-ups that are due the longest. If a holiday was announced
    after an alert was set, nothing may be due yet; then only the next alert is set again.
    """
    due = await store.due(now, limit)
    changes = [changed(f, context.escalation.passed(f, now), context, None) for f in due]
    if changes:
        await store.save(changes, CommitContext("clock", "sweeper", fence=fence))
    return len(due)
