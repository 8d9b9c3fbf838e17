"""What time does: the courier takes what waits to the mail server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from services.notify import handlers
from services.notify.domain import Fact, Notice
from services.notify.handlers import Notices, Office, Post
from shared.messaging.failures import Failure, LeaseLost, sort
from shared.messaging.leases import Lease
from shared.messaging.watch import HistoryChanged
from shared.runtime.clocks import DomainClock, MachineClock

_log = structlog.get_logger(__name__)

BATCH: Final = 20
"""Mails sent before they are noted: as many may go out twice where a process is killed."""

_FAREWELL_SECONDS: Final = 5.0


class Courier:
    """Sends what waits, in one process at a time, and notes what the mail server answered.

    A notice is never lost: it waits until the answer is noted. It goes out twice only where a
    process dies, or loses the lease, between the server's answer and the note, or where the
    connection breaks before the answer is heard (RFC 1047); both mails bear one Message-ID.
    Answers that could not be noted for want of a database are kept and noted before anything else
    is sent. One that cannot be noted for another reason holds up no other, and its mail does not
    go out again while this process lives. An orderly stop waits for the answer to the mail that is
    under way.
    """

    def __init__(
        self,
        store: Notices,
        post: Post,
        office: Office,
        *,
        clock: DomainClock,
        machine: MachineClock,
    ) -> None:
        self._store = store
        self._post = post
        self._office = office
        self._clock = clock
        self._machine = machine
        self._answers: dict[str, Fact] = {}  # heard, and not noted yet
        self._unnotable: set[str] = set()  # heard, and lost

    async def deliver(self, lease: Lease) -> None:
        """Send everything whose time has come.

        Raises Unreachable where no mail server answers, LeaseLost, Stale, and the driver's errors;
        all of them pass, and what waits is sent then. Raises HistoryChanged before anything is sent
        of what an older copy holds.
        """
        await self._note(lease)
        if not await lease.renew():
            raise LeaseLost("another sends now")
        try:
            while batch := await self._waiting():
                try:
                    await self._send(batch, lease)
                finally:
                    await self._note(lease)
        finally:
            await self._post.close()

    async def _send(self, batch: Sequence[Notice], lease: Lease) -> None:
        now = await self._clock.now()
        for notice in batch:
            if not lease.is_sure:
                raise LeaseLost("the lease was not renewed in time to send under it")
            handing = asyncio.ensure_future(handlers.hand_over(notice, self._post, now))
            try:
                await asyncio.shield(handing)
            except asyncio.CancelledError:
                await asyncio.wait({handing}, timeout=_FAREWELL_SECONDS)
                raise
            finally:
                if not handing.done():
                    handing.cancel()
                elif not handing.cancelled() and handing.exception() is None:
                    self._answers[notice.notice_id] = handing.result()

    async def _waiting(self) -> Sequence[Notice]:
        limit = BATCH + len(self._unnotable)
        waiting = await self._store.waiting(self._machine.now(), limit)
        return [notice for notice in waiting if notice.notice_id not in self._unnotable][:BATCH]

    async def _note(self, lease: Lease) -> None:
        if self._answers and not await self._is_noted(lease, self._answers):
            for notice_id, fact in list(self._answers.items()):
                if not await self._is_noted(lease, {notice_id: fact}):
                    self._unnotable.add(notice_id)
                    del self._answers[notice_id]

    async def _is_noted(self, lease: Lease, answers: Mapping[str, Fact]) -> bool:
        """Note answers; False where they cannot be noted for a reason that stays."""
        try:
            async with lease.fenced() as fence:
                at = self._machine.now()
                await handlers.note(answers, self._store, self._office, at, fence)
        except (LeaseLost, HistoryChanged):
            raise
        except Exception as error:
            if sort(error) is Failure.TRANSIENT:
                raise
            _log.exception("answers cannot be noted", notices=list(answers))
            return False
        for notice_id in list(answers):
            del self._answers[notice_id]
        return True
