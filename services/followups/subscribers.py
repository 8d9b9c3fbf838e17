"""Kafka in: a deputy's resolutions, taken by the same handlers as everything else."""

from __future__ import annotations

from collections.abc import Sequence

from services.followups import handlers
from services.followups.handlers import Change, Followups, Tracking
from shared.messaging.consumer import Handle
from shared.messaging.records import Decision, Message
from shared.runtime.clocks import DomainClock


def resolutions(store: Followups, tracking: Tracking, clock: DomainClock) -> Handle[Change]:
    """What one deputy's group does with a batch."""

    async def handle(messages: Sequence[Message]) -> Decision[Change]:
        return await handlers.take(messages, store, tracking, await clock.now())

    return handle
