"""Evidence that people hand in: load, decide, save."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from services.followups.domain import evidence
from services.followups.domain.records import EvidenceAdded, Followup
from services.followups.handlers.commands import load
from services.followups.handlers.drafts import changed
from services.followups.handlers.ports import EvidencedFollowups, HandlerContext, Upload
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import requested
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.uploads import ReceivedFile


@dataclass(frozen=True, slots=True)
class Added:
    """A piece of evidence after a command, and whether the command added it."""

    piece: EvidenceAdded
    is_new: bool


Decide: TypeAlias = Callable[[Followup], EvidenceAdded | None]


async def add_link(
    followup_id: str,
    store: EvidencedFollowups,
    context: HandlerContext,
    by: Principal,
    link: evidence.Link,
    decide: Decide,
    trace: str | None,
    reply: Replying[Added] = no_reply,
) -> Added:
    """Add a link, unless it is there already.

    Raises UnknownFollowup, Refused, and Stale if others were faster every time.
    """

    async def once() -> Added:
        before = await load(store, followup_id)
        fact = decide(before)
        if fact is None:
            return _known(before, evidence.link_id(before, link))
        change = changed(before, [fact], context, trace, by)
        added = Added(fact, is_new=True)
        await store.save([change], requested(by, reply(added)))
        return added

    return await retry_on_conflict(once)


async def add_file(
    followup_id: str,
    store: EvidencedFollowups,
    context: HandlerContext,
    by: Principal,
    upload: Upload,
    decide: Decide,
    trace: str | None,
    reply: Replying[Added] = no_reply,
) -> Added:
    """Add a complete file, unless it is there already; file and fact are saved in one transaction.

    If the file is known but its content is lost, only the content is stored again. Raises
    UnknownFollowup, Refused, UploadLost, and Stale if others were faster every time.
    """

    async def once() -> Added:
        before = await load(store, followup_id)
        fact = decide(before)
        id_ = evidence.file_id(before, upload.sha256)
        if fact is None:
            known = _known(before, id_)
            if await store.content(known.piece) is not None:
                return known
        change = changed(before, [] if fact is None else [fact], context, trace, by)
        kept = ReceivedFile(upload.id, upload.size, id_)
        added = _known(before, id_) if fact is None else Added(fact, is_new=True)
        await store.save([replace(change, files=[kept])], requested(by, reply(added)))
        return added

    return await retry_on_conflict(once)


def _known(followup: Followup, evidence_id: str) -> Added:
    piece = evidence.find(followup, evidence_id)
    assert piece is not None  # the decision found it
    return Added(piece, is_new=False)
