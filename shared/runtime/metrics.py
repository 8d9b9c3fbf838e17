"""Every metric that a service shows, named once, in Prometheus's text format.

Names and labels are a promise to whoever built alerts on them. No label carries an id, a title
or a person; which service it is, Prometheus's own `job` says.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

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

_DAY_SECONDS = 86_400
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROCESSING_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DELAY_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one process, on a registry of its own.

    `types` are the event types that may stand in a label; any other is counted as `unknown`, so
    that no stranger can make series without end.
    """

    def __init__(self, types: Collection[str] = EVENTS) -> None:
        # Creation times would double the series of every counter, and nobody here asks for them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        self.registry = CollectorRegistry()
        self._types = frozenset(types)
        self._lags: dict[tuple[str, int], dict[str, int]] = {}  # by partition and group
        self._put_offs: dict[str, int] = {}
        self._outboxes: dict[str, tuple[int, float]] = {}
        ProcessCollector(registry=self.registry)

        self._consumed = Counter(
            "peygir_events_consumed_total",
            "Events read from Kafka, by what became of them.",
            ("type", "outcome"),
            registry=self.registry,
        )
        self._published = Counter(
            "peygir_events_published_total",
            "Events that Kafka acknowledged.",
            ("type",),
            registry=self.registry,
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
        self._outbox_pending = Gauge(
            "peygir_outbox_pending", "Events not yet published.", registry=self.registry
        )
        self._outbox_oldest = Gauge(
            "peygir_outbox_oldest_seconds",
            "Age of the oldest event not yet published.",
            registry=self.registry,
        )
        self._dead_letters = Counter(
            "peygir_dead_letters_total",
            "Messages written to the dead-letter topic.",
            ("reason",),
            registry=self.registry,
        )
        self._lag = Gauge(
            "peygir_consumer_lag",
            "Records between the position of this consumer and the end of the partition.",
            ("topic", "partition"),
            registry=self.registry,
        )
        self._paused = Gauge(
            "peygir_subscription_paused",
            "Whether a flood of refused events paused any topic of the group.",
            ("group",),
            registry=self.registry,
        )
        self._topic_paused = Gauge(
            "peygir_topic_paused",
            "Whether a flood of refused events paused the topic in this group.",
            ("group", "topic"),
            registry=self.registry,
        )
        self._deferred = Gauge(
            "peygir_events_deferred",
            "Events that wait for what they are about.",
            ("group",),
            registry=self.registry,
        )
        self._put_off = Gauge(
            "peygir_sweep_put_off",
            "What has come due and cannot be done, for a reason that stays; it is tried each hour.",
            registry=self.registry,
        )
        self._stalled = Gauge(
            "peygir_stalled",
            "What waits in place, by cause: 1 for as long as it does.",
            ("part", "name", "topic", "cause"),
            registry=self.registry,
        )
        self._leases = Gauge(
            "peygir_lease_held",
            "Whether this process holds the lease.",
            ("lease",),
            registry=self.registry,
        )
        self._requests = Counter(
            "peygir_http_requests_total",
            "HTTP requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "peygir_http_request_seconds",
            "Time from an HTTP request to the end of its answer.",
            ("method", "route"),
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )
        Gauge(
            "peygir_build_info",
            "The version that runs here; always 1.",
            ("version", "python"),
            registry=self.registry,
        ).labels(VERSION, platform.python_version()).set(1)

    def event_consumed(self, event_type: str, outcome: Outcome, count: int = 1) -> None:
        """That many events of a type were read and ended so."""
        self._consumed.labels(self._known(event_type), outcome).inc(count)

    def events_published(self, event_type: str, count: int = 1) -> None:
        """Kafka acknowledged that many events of a type."""
        self._published.labels(self._known(event_type)).inc(count)

    def event_committed(self, event_type: str, processing: float, delay: float) -> None:
        """One event was committed: `processing` seconds after reading it, `delay` seconds after
        its timestamp in Kafka."""
        self.events_committed(event_type, processing, (delay,))

    def events_committed(self, event_type: str, processing: float, delays: Sequence[float]) -> None:
        """Events of one type were committed together; `delays` holds one entry an event."""
        known = self._known(event_type)
        if delays and min(delays) < 0:  # two hosts' clocks differ
            delays = [max(delay, 0.0) for delay in delays]
        self._processing.observe_same(known, processing, len(delays))
        self._delay.observe(known, delays)

    def dead_letter(self, reason: str) -> None:
        """One dead letter was acknowledged by Kafka. `reason` is one of a closed list."""
        self._dead_letters.labels(reason).inc()

    def set_outbox(self, database: str, pending: int, oldest: float) -> None:
        """What a database has yet to publish: events, and the age of the oldest in seconds.

        The metrics show the sum and the worst of all databases of this process.
        """
        self._outboxes[database] = (pending, oldest)
        self._outbox_pending.set(sum(events for events, _ in self._outboxes.values()))
        self._outbox_oldest.set(max(age for _, age in self._outboxes.values()))

    def set_lag(self, group: str, topic: str, partition: int, records: int) -> None:
        """How many records lie before a group's consumer; of several groups, the most is shown."""
        lags = self._lags.setdefault((topic, partition), {})
        lags[group] = records
        self._lag.labels(topic, partition).set(max(lags.values()))

    def forget_lag(self, group: str, topic: str, partition: int) -> None:
        """The partition went to another process, which shows its lag from now on."""
        lags = self._lags.get((topic, partition), {})
        lags.pop(group, None)
        if lags:
            self._lag.labels(topic, partition).set(max(lags.values()))
        elif self._lags.pop((topic, partition), None) is not None:
            self._lag.remove(topic, str(partition))

    def set_paused(self, group: str, paused: bool) -> None:
        """Whether any topic of that group's subscription is paused."""
        self._paused.labels(group).set(paused)

    def set_topic_paused(self, group: str, topic: str, paused: bool) -> None:
        """Whether a topic is paused in that group. `topic` is one of those that it reads."""
        self._topic_paused.labels(group, topic).set(paused)

    def set_deferred(self, group: str, count: int) -> None:
        """How many events of that group wait for what they are about."""
        self._deferred.labels(group).set(count)

    def set_put_off(self, database: str, count: int) -> None:
        """How much stands put off in a database; the sum of this process's is shown."""
        self._put_offs[database] = count
        self._put_off.set(sum(self._put_offs.values()))

    def set_stalled(self, part: str, name: str, topic: str, cause: str) -> None:
        """Something waits in place: which part, of which group or database, at which topic."""
        self._stalled.labels(part, name, topic, cause).set(1)

    def clear_stalled(self, part: str, name: str, topic: str, cause: str) -> None:
        """It goes on."""
        self._stalled.remove(part, name, topic, cause)

    def set_lease(self, lease: str, held: bool) -> None:
        """Whether this process holds that lease now."""
        self._leases.labels(lease).set(held)

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """An HTTP request was answered; `route` is the template of its path, never the path."""
        method = method if method in _METHODS else UNKNOWN
        self._requests.labels(method, route, status).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def render(self) -> bytes:
        """All of it in the text format 0.0.4 (see CONTENT_TYPE)."""
        return generate_latest(self.registry)

    def _known(self, event_type: str) -> str:
        return event_type if event_type in self._types else UNKNOWN


class FollowupsMetrics(Metrics):
    """What only the service `followups` can tell."""

    def __init__(self, types: Collection[str] = EVENTS) -> None:
        super().__init__(types)
        self._followups = Gauge(
            "peygir_followups",
            "Follow-ups as stored.",
            ("deputy", "state"),
            registry=self.registry,
        )
        self._overdue = Gauge(
            "peygir_followups_overdue",
            "Open follow-ups that are past due, by the level reached.",
            ("deputy", "level"),
            registry=self.registry,
        )
        self._verified = Gauge(
            "peygir_followups_verified",
            "Follow-ups that somebody else confirmed as done.",
            ("deputy",),
            registry=self.registry,
        )
        self._on_time = Gauge(
            "peygir_followups_on_time",
            "Verified follow-ups that were claimed on or before their original due date.",
            ("deputy",),
            registry=self.registry,
        )
        self._extensions = Gauge(
            "peygir_followups_extensions",
            "Extensions granted, to all follow-ups together.",
            ("deputy",),
            registry=self.registry,
        )
        self._median_age = Gauge(
            "peygir_followups_open_age_median_seconds",
            "Median of the whole days since approval of open follow-ups; NaN where none is open.",
            ("deputy",),
            registry=self.registry,
        )
        self._last_sweep = Gauge(
            "peygir_last_sweep_timestamp_seconds",
            "When the last complete sweep ended.",
            ("deputy",),
            registry=self.registry,
        )

    def set_followups(self, deputy: str, state: str, count: int) -> None:
        """How many follow-ups of a deputy are in a state."""
        self._followups.labels(deputy, state).set(count)

    def set_overdue(self, deputy: str, level: int, count: int) -> None:
        """How many open follow-ups of a deputy are past due, by the level they reached."""
        self._overdue.labels(deputy, level).set(count)

    def set_scores(
        self,
        deputy: str,
        *,
        verified: int,
        on_time: int,
        extensions: int,
        median_age_days: float | None,
    ) -> None:
        """What a deputy's scorecard says besides: counts, to be divided by whoever asks."""
        age = math.nan if median_age_days is None else median_age_days * _DAY_SECONDS
        self._verified.labels(deputy).set(verified)
        self._on_time.labels(deputy).set(on_time)
        self._extensions.labels(deputy).set(extensions)
        self._median_age.labels(deputy).set(age)

    def swept(self, deputy: str, at: datetime) -> None:
        """A sweep over a deputy's follow-ups was completed at that instant of the machine."""
        self._last_sweep.labels(deputy).set(at.timestamp())


class NotifyMetrics(Metrics):
    """What only the service `notify` can tell."""

    def __init__(self, types: Collection[str] = EVENTS) -> None:
        super().__init__(types)
        self._waiting = Gauge(
            "peygir_notices_waiting",
            "Notices that the mail server has neither taken nor refused.",
            registry=self.registry,
        )
        self._notices_put_off = Gauge(
            "peygir_notices_put_off",
            "Notices that wait for somebody's trouble: their own, their recipient's, his domain's.",
            ("cause",),
            registry=self.registry,
        )
        self._mail_server_away = Gauge(
            "peygir_mail_server_away",
            "Whether the mail server takes nothing from the process that sends.",
            registry=self.registry,
        )

    def set_waiting(self, notices: int) -> None:
        """How many notices wait for an answer of the mail server."""
        self._waiting.set(notices)

    def set_troubled(self, cause: str, count: int) -> None:
        """How many of them wait for that trouble."""
        self._notices_put_off.labels(cause).set(count)

    def set_mail_server_away(self, away: bool) -> None:
        """Whether the mail server takes nothing at all."""
        self._mail_server_away.set(away)
