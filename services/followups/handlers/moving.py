"""Another deputy answers from now on: out of one's store and into the other's, with all it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self

from services.followups import events
from services.followups.domain import decisions
from services.followups.domain.links import require_no_circle, stands_in_circle
from services.followups.domain.records import Followup
from services.followups.handlers.evidence import EvidencedFollowups, Uploads
from services.followups.handlers.ports import Ahead, Change, HandlerContext, changed
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import CommitContext, Entry, requested
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.refusals import Refused
from shared.runtime.uploads import ReceivedFile

MOST_AT_ONCE = 50
"""Follow-ups of one transaction: each takes its whole history with it."""


class MovableFollowups(EvidencedFollowups, Protocol):
    """What a move needs of a store besides what handlers do."""

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Followup]: ...
    async def history(self, followup_id: str) -> Sequence[Entry]: ...

    async def hand_over(
        self,
        leaving: Sequence[Change],
        taker: Self,
        arriving: Sequence[Change],
        cause: CommitContext,
        ahead: Ahead | None = None,
    ) -> None:
        """Save what leaves here and what arrives there in one transaction, or nothing.

        `ahead`: what it was decided on. Raises Stale where a follow-up has moved on, or that holds
        no longer.
        """
        ...


class MoveEnd(Protocol):
    """A deputy who gives follow-ups away, or takes them."""

    @property
    def store(self) -> MovableFollowups: ...
    @property
    def context(self) -> HandlerContext: ...
    @property
    def uploads(self) -> Uploads: ...


@dataclass(frozen=True, slots=True)
class Moving:
    """What became of one follow-up: it went over, or was refused by a reason."""

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
    """Move these follow-ups, in one transaction; those that are not here any more are left out.

    `dry_run`: only say what would become of each. Raises UploadLost, and Stale where others were
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
                if not stands_in_circle(before, known.values()):
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
    """What these continue; None where they continue nothing, and so close no circle.

    A link may name a deputy before he answers for what it names, so a move can close one.
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
    """The same change as the taker saves it; `former` is what he had of it before it left him."""
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
    """Its files of evidence, written to the taker; those that are lost, or there, are left out."""
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
