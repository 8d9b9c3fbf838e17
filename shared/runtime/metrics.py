"""Every metric that a service shows, named once, in Prometheus's text format.

Names and labels stay as they are, since others build alerts on them. No label holds an id, a title
or a person. Prometheus's own label `job` names the service.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from shared.contracts.events import EVENTS
from shared.runtime.batch_histogram import BatchHistogram
from shared.runtime.version import VERSION

Outcome: TypeAlias = Literal[
    "applied", "duplicate", "ignored", "dead_lettered", "deferred", "forwarded"
]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
UNKNOWN = "unknown"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROCESSING_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_DELAY_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Lag(NamedTuple):
    """How far a group is behind the end of a partition."""

    records: int
    seconds: float  # at most: since when the oldest unread record waits


class Metrics:
    """The metrics of one process, in their own registry.

    `types` are the event types that a label may hold. Any other is counted as `unknown`, so that
    foreign events cannot create any number of series.
    """

    def __init__(self, types: Collection[str] = EVENTS) -> None:
        # Creation times would double the series of every counter, and nothing here needs them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        self.registry = CollectorRegistry()
        self._types = frozenset(types)
        self._lags: dict[tuple[str, int], dict[str, Lag]] = {}  # by partition and group
        self._put_offs: dict[str, int] = {}
        self._outboxes: dict[str, tuple[int, float]] = {}
        ProcessCollector(registry=self.registry)
        self._declare_events()
        self._declare_waiting()
        self._declare_http()
        build = self._gauge(
            "peygir_build_info", "The version that runs here; always 1.", "version", "python"
        )
        build.labels(VERSION, platform.python_version()).set(1)

    def _declare_events(self) -> None:
        self._consumed = self._counter(
            "peygir_events_consumed_total",
            "Events read from Kafka, by outcome.",
            "type",
            "outcome",
        )
        self._published = self._counter(
            "peygir_events_published_total", "Events that Kafka acknowledged.", "type"
        )
        self._processing = BatchHistogram(
            "peygir_event_processing_seconds",
            "Time from reading an event to having committed it.",
            "type",
            _PROCESSING_BUCKETS,
            self.registry,
        )
        self._delay = BatchHistogram(
            "peygir_event_delay_seconds",
            "Time from an event's timestamp in Kafka to having committed it.",
            "type",
            _DELAY_BUCKETS,
            self.registry,
        )
        self._outbox_pending = self._gauge("peygir_outbox_pending", "Events not yet published.")
        self._outbox_oldest = self._gauge(
            "peygir_outbox_oldest_seconds", "Age of the oldest event not yet published."
        )
        self._dead_letters = self._counter(
            "peygir_dead_letters_total", "Messages written to the dead-letter topic.", "reason"
        )
        self._lag = self._gauge(
            "peygir_consumer_lag",
            "Records between the position of this consumer and the end of the partition.",
            "topic",
            "partition",
        )
        self._lag_seconds = self._gauge(
            "peygir_consumer_lag_seconds",
            "How long the oldest unread record of the partition has waited, at most; 0 if none.",
            "topic",
            "partition",
        )

    def _declare_waiting(self) -> None:
        self._paused = self._gauge(
            "peygir_subscription_paused",
            "Whether a flood of refused events paused any topic of the group.",
            "group",
        )
        self._topic_paused = self._gauge(
            "peygir_topic_paused",
            "Whether a flood of refused events paused the topic in this group.",
            "group",
            "topic",
        )
        self._deferred = self._gauge(
            "peygir_events_deferred",
            "Events that wait for the aggregate that they refer to.",
            "group",
        )
        self._put_off = self._gauge(
            "peygir_sweep_put_off",
            "Items that are due but cannot be processed for a lasting reason; retried each hour.",
        )
        self._stalled = self._gauge(
            "peygir_stalled",
            "Whether a part of the service waits in place, by cause: 1 while it does.",
            "part",
            "name",
            "topic",
            "cause",
        )
        self._dependencies = self._gauge(
            "peygir_dependency_up",
            "Whether what this process depends on works, as /readyz says.",
            "dependency",
        )
        self._clock_difference = self._gauge(
            "peygir_clock_difference_seconds",
            "How far this machine's clock is ahead of MongoDB's; NaN if it is not compared.",
        )
        self._clock_difference.set(math.nan)
        self._certificates = self._gauge(
            "peygir_certificate_expiry_timestamp_seconds",
            "When a certificate of the settings expires.",
            "certificate",
        )
        self._leases = self._gauge(
            "peygir_lease_held", "Whether this process holds the lease.", "lease"
        )

    def _declare_http(self) -> None:
        self._requests = self._counter(
            "peygir_http_requests_total", "HTTP requests answered.", "method", "route", "status"
        )
        self._request_seconds = Histogram(
            "peygir_http_request_seconds",
            "Time from an HTTP request to the end of its answer.",
            ("method", "route"),
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )

    # A counter that appears with its first event has no increase in Prometheus. So those that are
    # expected are shown from the beginning.

    def expect_read(self, event_types: Iterable[str]) -> None:
        """Show the counters of these types and of unknown ones, with every outcome, at 0."""
        for event_type in {*event_types, UNKNOWN}:
            for outcome in get_args(Outcome):
                self._consumed.labels(self._known(event_type), outcome)

    def expect_sent(self, event_types: Iterable[str]) -> None:
        """Show the counters of these types at 0."""
        for event_type in event_types:
            self._published.labels(self._known(event_type))

    def expect_dead_letters(self, reasons: Iterable[str]) -> None:
        """Show the counters of these reasons at 0."""
        for reason in reasons:
            self._dead_letters.labels(reason)

    def event_consumed(self, event_type: str, outcome: Outcome, count: int = 1) -> None:
        """Count events of a type that were read, by their outcome."""
        self._consumed.labels(self._known(event_type), outcome).inc(count)

    def events_published(self, event_type: str, count: int = 1) -> None:
        """Count events of a type that Kafka acknowledged."""
        self._published.labels(self._known(event_type)).inc(count)

    def event_committed(self, event_type: str, processing: float, delay: float) -> None:
        """Record that one event was committed: `processing` seconds after it was read, `delay`
        seconds after its timestamp in Kafka."""
        self.events_committed(event_type, processing, (delay,))

    def events_committed(self, event_type: str, processing: float, delays: Sequence[float]) -> None:
        """The same for events of one type in one commit; `delays` has one entry per event."""
        known = self._known(event_type)
        if delays and min(delays) < 0:  # two hosts' clocks differ
            delays = [max(delay, 0.0) for delay in delays]
        self._processing.observe_same(known, processing, len(delays))
        self._delay.observe(known, delays)

    def dead_letter(self, reason: str) -> None:
        """Count a dead letter that Kafka acknowledged. `reason` is one of a closed list."""
        self._dead_letters.labels(reason).inc()

    def set_outbox(self, database: str, pending: int, oldest: float) -> None:
        """Set how many events a database has not published, and the oldest one's age in seconds.

        The metrics show the sum and the oldest over all databases of this process.
        """
        self._outboxes[database] = (pending, oldest)
        self._outbox_pending.set(sum(events for events, _ in self._outboxes.values()))
        self._outbox_oldest.set(max(age for _, age in self._outboxes.values()))

    def set_lag(self, group: str, topic: str, partition: int, lag: Lag) -> None:
        """Set how far a group is behind; the metrics show the most of all groups."""
        self._lags.setdefault((topic, partition), {})[group] = lag
        self._show_lag(topic, partition)

    def forget_lag(self, group: str, topic: str, partition: int) -> None:
        """Remove the lag of a partition that another process reads from now on."""
        self._lags.get((topic, partition), {}).pop(group, None)
        self._show_lag(topic, partition)

    def _show_lag(self, topic: str, partition: int) -> None:
        lags = self._lags.get((topic, partition))
        if lags:
            self._lag.labels(topic, partition).set(max(lag.records for lag in lags.values()))
            longest = max(lag.seconds for lag in lags.values())
            self._lag_seconds.labels(topic, partition).set(longest)
        elif self._lags.pop((topic, partition), None) is not None:
            self._lag.remove(topic, str(partition))
            self._lag_seconds.remove(topic, str(partition))

    def set_paused(self, group: str, paused: bool) -> None:
        """Set whether any topic of a group's subscription is paused."""
        self._paused.labels(group).set(paused)

    def set_topic_paused(self, group: str, topic: str, paused: bool) -> None:
        """Set whether a topic is paused in a group. `topic` is one that the group reads."""
        self._topic_paused.labels(group, topic).set(paused)

    def set_deferred(self, group: str, count: int) -> None:
        """Set how many events of a group wait for the aggregate that they refer to."""
        self._deferred.labels(group).set(count)

    def set_put_off(self, database: str, count: int) -> None:
        """Set how many items are put off in a database; the metric shows the process's sum."""
        self._put_offs[database] = count
        self._put_off.set(sum(self._put_offs.values()))

    def hide_put_off(self, database: str) -> None:
        """Leave a database that does not answer out of the sum; without any the sum is NaN."""
        self._put_offs.pop(database, None)
        self._put_off.set(sum(self._put_offs.values()) if self._put_offs else math.nan)

    def set_stalled(self, part: str, name: str, topic: str, cause: str) -> None:
        """Report that a part (of a group or a database, `name`) waits in place at a topic."""
        self._stalled.labels(part, name, topic, cause).set(1)

    def clear_stalled(self, part: str, name: str, topic: str, cause: str) -> None:
        """Report that it no longer waits."""
        self._stalled.remove(part, name, topic, cause)

    def set_dependency(self, name: str, up: bool) -> None:
        """Set whether something that this process depends on works."""
        self._dependencies.labels(name).set(up)

    def set_clock_difference(self, seconds: float) -> None:
        """Set how far this machine's clock is ahead of MongoDB's."""
        self._clock_difference.set(seconds)

    def set_certificate_expiry(self, name: str, at: datetime) -> None:
        """Set when a certificate expires (UTC). `name` says what it is for."""
        self._certificates.labels(name).set(at.timestamp())

    def set_lease(self, lease: str, held: bool) -> None:
        """Set whether this process holds a lease now."""
        self._leases.labels(lease).set(held)

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record an answered HTTP request; `route` is its path's template, never the path."""
        method = method if method in _METHODS else UNKNOWN
        self._requests.labels(method, route, status).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def render(self) -> bytes:
        """All metrics in the text format 0.0.4 (see CONTENT_TYPE)."""
        return generate_latest(self.registry)

    def _known(self, event_type: str) -> str:
        return event_type if event_type in self._types else UNKNOWN

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(name, help_text, labels, registry=self.registry)
