"""Kafka in: every event that people are notified of goes to one handler."""

from __future__ import annotations

from collections.abc import Sequence

from services.notify import handlers
from services.notify.handlers import HandlerContext, NoticeRepository, Saved
from shared.messaging.core.model import Decision, Message
from shared.messaging.inbound.consumer import Handle
from shared.runtime.clocks import DomainClock, MachineClock


def notifications(
    store: NoticeRepository, context: HandlerContext, clock: DomainClock, machine: MachineClock
) -> Handle[Saved]:
    """The function that the consumer group calls with each batch."""

    async def handle(messages: Sequence[Message]) -> Decision[Saved]:
        return await handlers.handle_events(
            messages, store, context, await clock.now(), machine.now()
        )

    return handle
