"""Clock-driven work: the dispatcher hands waiting notices to the mail server."""

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
"""Mails sent before their answers are recorded; so many may go out twice if a process is killed."""

_STOP_SECONDS: Final = 5.0
_FIRST_PROBE_SECONDS: Final = 1.0
_LONGEST_PROBE_SECONDS: Final = 30.0


class Dispatcher:
    """Sends waiting notices, in one process at a time, and records the mail server's answers.

    A notice is never lost: it waits until the answer is recorded. It goes out twice only if a
    process dies, or loses the lease, between the server's answer and the record, or if the
    connection breaks before the answer arrives (RFC 1047). Both mails have the same Message-ID.
    Answers that could not be recorded because the database is away are kept, and recorded before
    anything else is sent. An answer that cannot be recorded for another reason delays no other,
    and its mail does not go out again while this process runs. An orderly stop waits for the
    answer to the mail that is being sent.

    A mail that the server does not accept waits alone. `CircuitBreakers` hold back a recipient or
    a domain that takes too much time. A mail on which our own code fails waits like one that the
    server does not accept. If the server accepts no mail at all, all notices wait, and one
    connection is tried: after 1 s at first, then after twice as long each time, up to 30 s.
    """

    def __init__(
        self,
        store: NoticeRepository,
        transport: MailTransport,
        context: HandlerContext,
        *,
        clock: DomainClock,
        machine: MachineClock,
        away: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`away` is called with True if the mail server accepts no mail at all, else with False."""
        self._store = store
        self._transport = transport
        self._context = context
        self._clock = clock
        self._machine = machine
        self._away = away
        self._breakers = CircuitBreakers(context.retry_seconds)
        self._answers: dict[str, Fact] = {}  # received, and not recorded yet
        self._unrecordable: set[str] = set()  # ids of notices whose answer was lost
        self._probes = 0  # of a server that accepts no mail, since its last answer
        self._next_probe = 0.0  # monotonic

    async def deliver(self, lease: Lease) -> None:
        """Send every notice whose next try is due.

        Raises Unreachable if no mail server answers, LeaseLost, Stale, and the driver's errors; all
        of them are temporary, and the notices are sent at a later call. If the database was
        restored from an older copy, raises HistoryChanged before anything of it is sent.
        """
        await self._record(lease)
        if self._probes:
            await self._machine.sleep(self._next_probe - self._machine.monotonic())
        if not await lease.renew():
            raise LeaseLost("another sends now")
        try:
            while batch := await self._waiting():
                try:
                    await self._send(batch, lease)
                finally:
                    await self._record(lease)
        except Unreachable:
            self._schedule_probe()
            raise
        finally:
            await self._transport.close()

    async def _send(self, batch: Sequence[Notice], lease: Lease) -> None:
        now = await self._clock.now()
        for notice in sorted(batch, key=lambda notice: notice.tries):  # new notices go first
            address = self._transport.address_of(notice)
            if notice.handover is HandoverState.OVERTAKEN:
                self._answers[notice.notice_id] = Overtaken(now)
            elif held := self._breakers.held(address, self._machine.monotonic()):
                self._answers[notice.notice_id] = self._held_back(now, *held)
            else:
                await self._send_one(notice, address, now, lease)

    def _held_back(self, now: datetime, trouble: Trouble, until: float, reason: str) -> HeldBack:
        left = timedelta(seconds=until - self._machine.monotonic())
        return HeldBack(now, self._machine.now() + left, trouble, reason)

    async def _send_one(self, notice: Notice, address: str, now: datetime, lease: Lease) -> None:
        await self._transport.open()
        if notice.can_be_overtaken and notice.handover is HandoverState.WAITS:
            async with lease.fenced() as fence:
                await handlers.begin_handover(notice, self._store, now, self._machine.now(), fence)
        if not lease.is_sure:
            raise LeaseLost("the lease was not renewed in time to send under it")
        began = self._machine.monotonic()
        handover = asyncio.ensure_future(self._hand_over(notice, now))
        try:
            await asyncio.shield(handover)
        except asyncio.CancelledError:
            await asyncio.wait({handover}, timeout=_STOP_SECONDS)
            raise
        except Unreachable:
            if notice.can_be_overtaken:
                self._answers[notice.notice_id] = TakenBack(now)
            raise
        finally:
            if not handover.done():
                handover.cancel()
            elif not handover.cancelled() and handover.exception() is None:
                took = self._machine.monotonic() - began
                answer = self._attribute(notice, address, handover.result(), took)
                self._answers[notice.notice_id] = answer

    async def _hand_over(self, notice: Notice, now: datetime) -> Fact:
        try:
            return await handlers.hand_over(notice, self._transport, now)
        except Exception as error:
            if classify(error) is not FailureKind.PERMANENT:
                raise
            _log.exception("a mail cannot be written or sent", notice=notice.notice_id)
            await self._transport.close()  # how far the dialogue came is unknown
            return PutOff(now, f"{type(error).__name__}", is_sure=False)

    def _attribute(self, notice: Notice, address: str, fact: Fact, took: float) -> Fact:
        """Report an answer, or its absence, to the circuit breakers; add whose trouble it is."""
        self._probes = 0
        self._away(False)
        at = self._machine.monotonic()
        if not isinstance(fact, PutOff):
            self._breakers.answered(address)
            return fact
        if not fact.is_answer:
            trouble = self._breakers.interrupted(address, fact.reason, at, took)
        elif fact.trouble is Trouble.RECIPIENT:
            trouble = self._breakers.deferred(address, fact.reason, at, took)
        else:
            self._breakers.answered(address)
            trouble = fact.trouble
        _log.warning(
            "not taken", notice=notice.notice_id, trouble=trouble.value, reason=fact.reason
        )
        return replace(fact, trouble=trouble)

    def _schedule_probe(self) -> None:
        self._probes += 1
        delay = wait_seconds(self._probes, _FIRST_PROBE_SECONDS)
        self._next_probe = self._machine.monotonic() + min(delay, _LONGEST_PROBE_SECONDS)
        self._away(True)

    async def _waiting(self) -> Sequence[Notice]:
        limit = BATCH + len(self._unrecordable)
        waiting = await self._store.waiting(self._machine.now(), limit)
        return [notice for notice in waiting if notice.notice_id not in self._unrecordable][:BATCH]

    async def _record(self, lease: Lease) -> None:
        if self._answers and not await self._try_record(lease, self._answers):
            for notice_id, fact in list(self._answers.items()):
                if not await self._try_record(lease, {notice_id: fact}):
                    self._unrecordable.add(notice_id)
                    del self._answers[notice_id]

    async def _try_record(self, lease: Lease, answers: Mapping[str, Fact]) -> bool:
        """Record answers; return False if they cannot be recorded for a permanent reason."""
        try:
            async with lease.fenced() as fence:
                at = self._machine.now()
                await handlers.record_answers(answers, self._store, self._context, at, fence)
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
