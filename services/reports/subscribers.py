"""Kafka in: sessions and other gatherings, taken by the same handlers as everything else."""

from __future__ import annotations

from collections.abc import Sequence

from services.reports import handlers
from services.reports.handlers import Change, Expectations, Reception
from shared.messaging.consumer import Handle
from shared.messaging.records import Decision, Message
from shared.runtime.clocks import DomainClock


def sessions(store: Expectations, reception: Reception, clock: DomainClock) -> Handle[Change]:
    """What the group does with a batch."""

    async def handle(messages: Sequence[Message]) -> Decision[Change]:
        return await handlers.take(messages, store, reception, await clock.now())

    return handle
