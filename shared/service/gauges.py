"""What every service shows: gauges of its databases, and counters from the beginning."""

from __future__ import annotations

from collections.abc import Iterable

from shared.contracts.topics import Topics
from shared.messaging.inbound.batches import REASONS
from shared.messaging.outbox.relay import Relay
from shared.messaging.scheduling.sweeper import DueItems
from shared.runtime.clocks import DomainClock, MachineClock, NoTime
from shared.runtime.metrics import Metrics
from shared.runtime.refusals import Refused


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


def expect_read(
    metrics: Metrics, topics: Topics, read: Iterable[str], refusals: Iterable[type[Refused]]
) -> None:
    """Show the counters of what is read, and of why it may be refused, at 0."""
    metrics.expect_read(_types(topics, read))
    metrics.expect_dead_letters({*REASONS, *(refusal.reason for refusal in refusals)})


def expect_sent(metrics: Metrics, topics: Topics, sent: Iterable[str]) -> None:
    """Show the counters of what is published at 0."""
    metrics.expect_sent(_types(topics, sent))


def _types(topics: Topics, names: Iterable[str]) -> set[str]:
    of_topic = {topic.name: topic.events for topic in topics.all()}
    return {event.TYPE for name in names for event in of_topic.get(name, ())}
