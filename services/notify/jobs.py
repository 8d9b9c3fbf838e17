"""What time does: the courier takes what waits to the mail server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from services.notify import handlers
from services.notify.domain.backoff import wait_seconds
from services.notify.domain.circuit_breakers import CircuitBreakers
from services.notify.domain.notices import (
    Fact,
    HandoverState,
    HeldBack,
    Notice,
    Overtaken,
    PutOff,
    TakenBack,
    Trouble,
)
from services.notify.handlers import HandlerContext, MailTransport, NoticeRepository, Unreachable
from shared.messaging.core.classification import FailureKind, classify
from shared.messaging.core.errors import HistoryChanged, LeaseLost
from shared.messaging.ledger.leases import Lease
from shared.runtime.clocks import DomainClock, MachineClock

_log = structlog.get_logger(__name__)

BATCH: Final = 20
"""Mails sent before they are noted: as many may go out twice where a process is killed."""

_FAREWELL_SECONDS: Final = 5.0
_FIRST_PROBE_SECONDS: Final = 1.0
_LONGEST_PROBE_SECONDS: Final = 30.0


class Dispatcher:
    """Sends what waits, in one process at a time, and notes what the mail server answered.

    A notice is never lost: it waits until the answer is noted. It goes out twice only where a
    process dies, or loses the lease, between the server's answer and the note, or where the
    connection breaks before the answer is heard (RFC 1047); both mails bear one Message-ID.
    Answers that could not be noted for want of a database are kept and noted before anything else
    is sent. One that cannot be noted for another reason holds up no other, and its mail does not
    go out again while this process lives. An orderly stop waits for the answer to the mail that is
    under way.

    A mail that the server does not take waits by itself. `CircuitBreakers` hold back a recipient or
    a domain that takes too much time. A mail on which our own code fails waits like one that the
    server does not take. If the server takes no mail at all, all notices wait, and one connection
    is tried: after 1 s at first, then after twice as long each time, up to 30 s.
    """

    def __init__(
        self,
        store: NoticeRepository,
        post: MailTransport,
        context: HandlerContext,
        *,
        clock: DomainClock,
        machine: MachineClock,
        away: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`away` is told whether the mail server takes nothing at all."""
        self._store = store
        self._post = post
        self._office = context
        self._clock = clock
        self._machine = machine
        self._away = away
        self._patience = CircuitBreakers(context.retry_seconds)
        self._answers: dict[str, Fact] = {}  # heard, and not noted yet
        self._unnotable: set[str] = set()  # heard, and lost
        self._probes = 0  # of a server that takes nothing
        self._next_probe = 0.0  # monotonic

    async def deliver(self, lease: Lease) -> None:
        """Send everything whose time has come.

        Raises Unreachable where no mail server answers, LeaseLost, Stale, and the driver's errors;
        all of them pass, and what waits is sent then. Raises HistoryChanged before anything is sent
        of what an older copy holds.
        """
        await self._note(lease)
        if self._probes:
            await self._machine.sleep(self._next_probe - self._machine.monotonic())
        if not await lease.renew():
            raise LeaseLost("another sends now")
        try:
            while batch := await self._waiting():
                try:
                    await self._send(batch, lease)
                finally:
                    await self._note(lease)
        except Unreachable:
            self._probe_later()
            raise
        finally:
            await self._post.close()

    async def _send(self, batch: Sequence[Notice], lease: Lease) -> None:
        now = await self._clock.now()
        for notice in sorted(batch, key=lambda notice: notice.tries):  # the untried go first
            address = self._post.address_of(notice)
            if notice.standing is HandoverState.OVERTAKEN:
                self._answers[notice.notice_id] = Overtaken(now)
            elif held := self._patience.held(address, self._machine.monotonic()):
                self._answers[notice.notice_id] = self._held_back(now, *held)
            else:
                await self._send_one(notice, address, now, lease)

    def _held_back(self, now: datetime, trouble: Trouble, until: float, reason: str) -> HeldBack:
        left = timedelta(seconds=until - self._machine.monotonic())
        return HeldBack(now, self._machine.now() + left, trouble, reason)

    async def _send_one(self, notice: Notice, address: str, now: datetime, lease: Lease) -> None:
        await self._post.open()
        if notice.can_be_overtaken and notice.standing is HandoverState.WAITS:
            async with lease.fenced() as fence:
                await handlers.begin_handover(notice, self._store, now, self._machine.now(), fence)
        if not lease.is_sure:
            raise LeaseLost("the lease was not renewed in time to send under it")
        began = self._machine.monotonic()
        handing = asyncio.ensure_future(self._hand_over(notice, now))
        try:
            await asyncio.shield(handing)
        except asyncio.CancelledError:
            await asyncio.wait({handing}, timeout=_FAREWELL_SECONDS)
            raise
        except Unreachable:
            if notice.can_be_overtaken:
                self._answers[notice.notice_id] = TakenBack(now)
            raise
        finally:
            if not handing.done():
                handing.cancel()
            elif not handing.cancelled() and handing.exception() is None:
                took = self._machine.monotonic() - began
                answer = self._heard(notice, address, handing.result(), took)
                self._answers[notice.notice_id] = answer

    async def _hand_over(self, notice: Notice, now: datetime) -> Fact:
        try:
            return await handlers.hand_over(notice, self._post, now)
        except Exception as error:
            if classify(error) is not FailureKind.PERMANENT:
                raise
            _log.exception("a mail cannot be written or sent", notice=notice.notice_id)
            await self._post.close()  # nobody knows how far it came
            return PutOff(now, f"{type(error).__name__}", is_sure=False)

    def _heard(self, notice: Notice, address: str, fact: Fact, took: float) -> Fact:
        """Learn from an answer, or from the lack of one, whose trouble it is."""
        self._probes = 0
        self._away(False)
        at = self._machine.monotonic()
        if not isinstance(fact, PutOff):
            self._patience.answered(address)
            return fact
        if not fact.is_answer:
            trouble = self._patience.interrupted(address, fact.reason, at, took)
        elif fact.trouble is Trouble.RECIPIENT:
            trouble = self._patience.deferred(address, fact.reason, at, took)
        else:
            self._patience.answered(address)
            trouble = fact.trouble
        told = {"notice": notice.notice_id, "trouble": trouble.value, "reason": fact.reason}
        _log.warning("not taken", **told)
        return replace(fact, trouble=trouble)

    def _probe_later(self) -> None:
        self._probes += 1
        waits = wait_seconds(self._probes, _FIRST_PROBE_SECONDS)
        self._next_probe = self._machine.monotonic() + min(waits, _LONGEST_PROBE_SECONDS)
        self._away(True)

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
                await handlers.record_answers(answers, self._store, self._office, at, fence)
        except (LeaseLost, HistoryChanged):
            raise
        except Exception as error:
            if classify(error) is FailureKind.TRANSIENT:
                raise
            _log.exception("answers cannot be noted", notices=list(answers))
            return False
        for notice_id in list(answers):
            del self._answers[notice_id]
        return True
