"""The gauges that every service shows of its databases."""

from __future__ import annotations

from shared.messaging.outbox.relay import Relay
from shared.messaging.scheduling.sweeper import DueItems
from shared.runtime.clocks import DomainClock, MachineClock, NoTime
from shared.runtime.metrics import Metrics


async def show_outbox(relay: Relay, database: str, metrics: Metrics, clock: MachineClock) -> None:
    """Show how many events wait for Kafka, and the age of the oldest in seconds."""
    pending, oldest = relay.pending()
    age = 0.0 if oldest is None else (clock.now() - oldest).total_seconds()
    metrics.set_outbox(database, pending, max(0.0, age))


async def show_snoozed(
    due_queue: DueItems, database: str, metrics: Metrics, clock: DomainClock
) -> None:
    """Show how many due items were put off because they failed."""
    try:
        now = await clock.now()
    except NoTime:  # nothing is due before the simulated time begins
        return
    metrics.set_put_off(database, await due_queue.snoozed(now))
