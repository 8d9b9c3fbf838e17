"""What every service shows: gauges of its databases, and counters from the beginning."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from shared.contracts.topics import Topics
from shared.messaging.inbound.batches import REASONS
from shared.messaging.outbox.relay import Relay
from shared.messaging.scheduling.clock_skew import ClockSkewGuard
from shared.messaging.scheduling.sweeper import DueItems
from shared.runtime.certificates import BadPem, certificates_in
from shared.runtime.clocks import DomainClock, MachineClock, NoTime
from shared.runtime.health import Health
from shared.runtime.metrics import Metrics
from shared.runtime.refusals import Refused
from shared.runtime.settings import CommonSettings

_DEPENDENCIES: Final = ("kafka", "mongodb", "identity")  # as the checks of /readyz are named


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


def of_process(
    health: Health, guard: ClockSkewGuard, settings: CommonSettings, metrics: Metrics
) -> Iterable[Callable[[], Awaitable[None]]]:
    """What shows how a process is: its dependencies, its clock, its certificates."""
    yield partial(show_dependencies, health, metrics)
    yield partial(show_clock, guard, metrics)
    yield CertificateExpiries(settings, metrics).show


async def show_dependencies(health: Health, metrics: Metrics) -> None:
    """Show whether each of what the process depends on works, as /readyz says."""
    _, report = await health.report()
    for name in _DEPENDENCIES:
        if name in report["checks"]:
            metrics.set_dependency(name, report["checks"][name] == "ok")


async def show_clock(guard: ClockSkewGuard, metrics: Metrics) -> None:
    """Show how far this machine's clock was ahead of MongoDB's when it was last compared."""
    if guard.difference is not None:
        metrics.set_clock_difference(guard.difference.total_seconds())


class CertificateExpiries:
    """When the certificates of the settings expire; a file is read again if it changes."""

    def __init__(self, settings: CommonSettings, metrics: Metrics) -> None:
        files = {
            "kafka": settings.kafka_cert_file,
            "kafka-authority": settings.kafka_ca_file,
            "kafka-oauth-authority": settings.kafka_oauth_ca_file,
            "http": settings.http_cert_file,
            "http-client-authority": settings.http_client_ca_file,
            "oidc-authority": settings.oidc_ca_file,
        }
        self._files = {name: path for name, path in files.items() if path is not None}
        self._read: dict[str, int] = {}  # name -> when the file had last changed
        self._metrics = metrics

    async def show(self) -> None:
        """Show the first certificate of each file. One that cannot be read keeps its last value."""
        for name, path in self._files.items():
            changed = _changed_at(path)
            if changed is not None and self._read.get(name) != changed:
                try:
                    first = certificates_in(path)[0]
                except BadPem:  # it is being written: read again soon
                    continue
                self._metrics.set_certificate_expiry(name, first.not_valid_after_utc)
                self._read[name] = changed


def _changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


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
