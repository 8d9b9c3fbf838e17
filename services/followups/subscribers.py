"""Kafka in: a deputy's resolutions, taken by the same handlers as everything else."""

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
    """What one deputy's group does with a batch."""

    async def handle(messages: Sequence[Message]) -> Decision[Change]:
        return await handlers.handle_events(messages, store, context, await clock.now())

    return handle
