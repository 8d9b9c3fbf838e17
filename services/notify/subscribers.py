"""Kafka in: everything that people have to be told of, taken by one handler."""

from __future__ import annotations

from collections.abc import Sequence

from services.notify import handlers
from services.notify.handlers import Notices, Office, Saved
from shared.messaging.consumer import Handle
from shared.messaging.records import Decision, Message
from shared.runtime.clocks import DomainClock, MachineClock


def matters(
    store: Notices, office: Office, clock: DomainClock, machine: MachineClock
) -> Handle[Saved]:
    """What the group does with a batch."""

    async def handle(messages: Sequence[Message]) -> Decision[Saved]:
        return await handlers.take(messages, store, office, await clock.now(), machine.now())

    return handle
