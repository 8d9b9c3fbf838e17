"""Evidence that people hand in: load, decide, save."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from services.followups.domain import evidence
from services.followups.domain.records import EvidenceAdded, Followup
from services.followups.handlers.ports import FollowupRepository, HandlerContext, changed, load
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import requested
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.uploads import ReceivedFile


class Upload(Protocol):
    """A file while it comes in."""

    @property
    def id(self) -> str:
        """Of this upload alone."""
        ...

    @property
    def size(self) -> int:
        """Bytes that came."""
        ...

    @property
    def sha256(self) -> str:
        """Of all that came, as hexadecimal figures."""
        ...

    async def write(self, data: bytes) -> None:
        """Take what comes next."""
        ...

    async def finish(self) -> None:
        """Say that it is whole."""
        ...


class Uploads(Protocol):
    """Where the files of one deputy come in."""

    def receive(self) -> AbstractAsyncContextManager[Upload]:
        """A file to come; gone on leaving, unless a change has kept it."""
        ...


class EvidencedFollowups(FollowupRepository, Protocol):
    """What is needed of the store besides what all handlers do."""

    async def content(self, piece: EvidenceAdded) -> AsyncIterator[bytes] | None:
        """The bytes of a file of evidence, or None where they are lost."""
        ...


@dataclass(frozen=True, slots=True)
class Added:
    """A piece of evidence as it is there now."""

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
    """Add a link, where it is not there already. Raises UnknownFollowup, Refused, and Stale."""

    async def once() -> Added:
        before = await load(store, followup_id)
        fact = decide(before)
        if fact is None:
            return _known(before, evidence.link_id(before, link))
        change = changed(before, [fact], context, trace)
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
    """Add a file that came in whole; file and fact take effect in one transaction.

    Where that file is known and its content lost, it is there again, and nothing is added. Raises
    UnknownFollowup, Refused, UploadLost, and Stale where others were faster every time.
    """

    async def once() -> Added:
        before = await load(store, followup_id)
        fact = decide(before)
        id_ = evidence.file_id(before, upload.sha256)
        if fact is None:
            known = _known(before, id_)
            if await store.content(known.piece) is not None:
                return known
        change = changed(before, [] if fact is None else [fact], context, trace)
        kept = ReceivedFile(upload.id, upload.size, id_)
        added = _known(before, id_) if fact is None else Added(fact, is_new=True)
        await store.save([replace(change, files=[kept])], requested(by, reply(added)))
        return added

    return await retry_on_conflict(once)


def _known(followup: Followup, evidence_id: str) -> Added:
    piece = evidence.find(followup, evidence_id)
    assert piece is not None  # the decision found it
    return Added(piece, is_new=False)
