"""What this service reads from Kafka: the resolutions of each deputy."""

from __future__ import annotations

from collections.abc import Sequence

from services.followups import handlers
from services.followups.handlers import Change, FollowupRepository, HandlerContext
from shared.messaging.core.model import Decision, Message
from shared.messaging.inbound.consumer import Handle
from shared.runtime.clocks import DomainClock


def resolutions(
    store: FollowupRepository, context: HandlerContext, clock: DomainClock
) -> Handle[Change]:
    """Return what one deputy's consumer group does with a batch of messages."""

    async def handle(messages: Sequence[Message]) -> Decision[Change]:
        return await handlers.handle_events(messages, store, context, await clock.now())

    return handle
