"""Kafka in: events about sessions and other gatherings go to the handlers."""

from __future__ import annotations

from collections.abc import Sequence

from services.reports import handlers
from services.reports.handlers import Change, ExpectationRepository, HandlerContext
from shared.messaging.core.model import Decision, Message
from shared.messaging.inbound.consumer import Handle
from shared.runtime.clocks import DomainClock


def sessions(
    store: ExpectationRepository, context: HandlerContext, clock: DomainClock
) -> Handle[Change]:
    """The function that the consumer group calls with each batch."""

    async def handle(messages: Sequence[Message]) -> Decision[Change]:
        return await handlers.handle_events(messages, store, context, await clock.now())

    return handle
