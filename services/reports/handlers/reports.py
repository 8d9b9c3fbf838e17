"""What people and time do to reports and circulars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from services.reports import events
from services.reports.domain import decisions
from services.reports.domain.circulars import Circular
from services.reports.domain.decisions import UnknownSession
from services.reports.domain.records import Expectation, Fact
from services.reports.handlers.drafts import changed
from services.reports.handlers.ports import (
    CircularRepository,
    ExpectationRepository,
    HandlerContext,
)
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Fence, requested
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.sentences import sentence

Decide = Callable[[Expectation], Sequence[Fact]]


async def act(
    session_id: str,
    store: ExpectationRepository,
    context: HandlerContext,
    by: Principal,
    decide: Decide,
    trace: str | None = None,
    reply: Replying[Expectation] = no_reply,
) -> Expectation:
    """Let somebody do something about a session's report; return it as it is then.

    Where somebody else was faster, it is decided anew. Raises UnknownSession, other Refused, and
    Stale where others were faster every time.
    """

    async def once() -> Expectation:
        before = await store.get(session_id)
        if before is None:
            raise UnknownSession(
                sentence("no session {session_id} was announced here", session_id=session_id)
            )
        change = changed(before, decide(before), context, trace)
        await store.save([change], requested(by, reply(change.after)))
        return change.after

    return await retry_on_conflict(once)


async def issue(
    wanted: Circular,
    store: CircularRepository,
    context: HandlerContext,
    by: Principal,
    trace: str | None,
    reply: Replying[Circular] = no_reply,
) -> Circular:
    """Issue a circular; return the known one where it was issued before. Raises Conflict."""
    catalogue = context.catalogues[wanted.catalogue_version]
    event = events.circular_event(wanted, catalogue, context.addresses, trace)
    try:
        await store.add(wanted, event, requested(by, reply(wanted)))
    except Stale:
        known = await store.get(wanted.circular_id)
        if known is None:
            raise
        decisions.issue_again(known, wanted)
        return known
    return wanted


async def sweep(
    store: ExpectationRepository,
    context: HandlerContext,
    now: datetime,
    fence: Fence,
    limit: int = 500,
) -> int:
    """Announce what has become overdue by `now`; return how many expectations were looked at.

    One call takes the `limit` that are longest due.
    """
    due = await store.due(now, limit)
    changes = [changed(e, decisions.fall_overdue(e, now), context, None) for e in due]
    if changes:
        await store.save(changes, CommitContext("clock", "sweeper", fence=fence))
    return len(due)
