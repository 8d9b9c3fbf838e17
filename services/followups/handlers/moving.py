"""Moves follow-ups to another deputy: out of one store into another, with history and files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime

from services.followups import events
from services.followups.domain import decisions
from services.followups.domain.links import is_in_circle, require_no_circle
from services.followups.domain.records import Followup
from services.followups.handlers.drafts import changed
from services.followups.handlers.ports import Ahead, Change, MoveEnd
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import CommitContext, requested
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.refusals import Refused
from shared.runtime.uploads import ReceivedFile

MOST_AT_ONCE = 50
"""Follow-ups in one transaction; the limit is low because each takes its whole history along."""


@dataclass(frozen=True, slots=True)
class Moving:
    """The result for one follow-up: moved, or refused."""

    followup_id: str
    resolution_id: str
    refused: Refused | None = None


async def move(
    ids: Sequence[str],
    giver: MoveEnd,
    taker: MoveEnd,
    by: Principal,
    reason: str,
    now: datetime,
    trace: str | None,
    *,
    dry_run: bool,
    reply: Replying[Sequence[Moving]] = no_reply,
) -> Sequence[Moving]:
    """Move these follow-ups in one transaction; those that are no longer here are left out.

    `dry_run`: only return what would happen to each. Raises UploadLost, and Stale if others were
    faster every time.
    """

    async def once() -> Sequence[Moving]:
        found = await giver.store.of_ids(ids)
        there = await taker.store.of_resolutions({f.resolution_id for f in found.values()})
        ahead = await _ahead(found.values(), giver)
        known = {} if ahead is None else {f.followup_id: f for f in ahead.followups}
        results: list[Moving] = []
        leaving: list[Change] = []
        for before in found.values():
            same = there.get(before.resolution_id)
            try:
                fact = decisions.move(before, by, taker.context.deputy, same, reason, now)
                change = changed(before, [fact], giver.context, trace)
                if not is_in_circle(before, known.values()):
                    require_no_circle(change.after, known.values())
            except Refused as refused:
                results.append(Moving(before.followup_id, before.resolution_id, refused))
                continue
            results.append(Moving(before.followup_id, before.resolution_id))
            leaving.append(change)
            known[before.followup_id] = change.after
        if leaving and not dry_run:
            await _hand_over(leaving, giver, taker, requested(by, reply(results)), ahead)
        return results

    return await retry_on_conflict(once)


async def _ahead(followups: Iterable[Followup], giver: MoveEnd) -> Ahead | None:
    """Return what these continue; None if they continue nothing, and so can close no circle.

    A link may name a deputy who gets the named follow-up only later, so a move can close a circle.
    """
    linked = [f.work.predecessor for f in followups if f.work.predecessor is not None]
    if not linked:
        return None
    return await giver.store.ahead({predecessor.resolution_id for predecessor in linked})


async def _hand_over(
    leaving: Sequence[Change],
    giver: MoveEnd,
    taker: MoveEnd,
    cause: CommitContext,
    ahead: Ahead | None,
) -> None:
    former = await taker.store.here_or_moved_out([change.after.followup_id for change in leaving])
    async with AsyncExitStack() as uploads:
        arriving = [
            await _arriving(change, former.get(change.after.followup_id), giver, taker, uploads)
            for change in leaving
        ]
        await giver.store.hand_over(leaving, taker.store, arriving, cause, ahead)


async def _arriving(
    change: Change, former: Followup | None, giver: MoveEnd, taker: MoveEnd, uploads: AsyncExitStack
) -> Change:
    """Return the change for the taker; `former` is the follow-up as it once left that store."""
    topic, after = taker.context.topic, change.after
    known = 0 if former is None else former.version
    history = [
        replace(entry, event=replace(entry.event, topic=topic))
        for entry in await giver.store.history(after.followup_id)
        if entry.event.version > known
    ]
    return Change(
        before=former,
        after=after,
        events=[replace(event, topic=topic) for event in change.events],
        next_alert=taker.context.escalation.next_alert(after),
        inbox=events.inbox_of(events.data_of(entry.event) for entry in history),
        files=[kept async for kept in _files(after, giver, taker, uploads)],
        history=history,
    )


async def _files(
    followup: Followup, giver: MoveEnd, taker: MoveEnd, uploads: AsyncExitStack
) -> AsyncIterator[ReceivedFile]:
    """Copy its files of evidence to the taker, except those that are lost or already there."""
    for piece in followup.evidence:
        if piece.url is not None or await taker.store.content(piece) is not None:
            continue
        content = await giver.store.content(piece)
        if content is None:
            continue
        upload = await uploads.enter_async_context(taker.uploads.receive())
        async for data in content:
            await upload.write(data)
        await upload.finish()
        yield ReceivedFile(upload.id, upload.size, piece.evidence_id)
