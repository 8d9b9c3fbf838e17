"""Announces the reports that have become overdue."""

from __future__ import annotations

from datetime import datetime

from services.reports.domain import decisions
from services.reports.handlers.drafts import changed
from services.reports.handlers.ports import ExpectationRepository, HandlerContext
from shared.messaging.core.model import CommitContext, Fence


async def sweep(
    store: ExpectationRepository,
    context: HandlerContext,
    now: datetime,
    fence: Fence,
    limit: int = 500,
) -> int:
    """Announce the reports that are overdue at `now`; return how many were loaded.

    One call handles at most `limit`, those that are due longest.
    """
    due = await store.due(now, limit)
    changes = [changed(e, decisions.fall_overdue(e, now), context, None) for e in due]
    if changes:
        await store.save(changes, CommitContext("clock", "sweeper", fence=fence))
    return len(due)
