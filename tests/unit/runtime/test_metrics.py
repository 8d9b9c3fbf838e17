"""The metrics that others build alerts on: names, labels, and promtool's checks."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shared.runtime.batch_histogram import BatchHistogram
from shared.runtime.metrics import Lag, Metrics
from shared.runtime.service_metrics import FollowupsMetrics
from shared.runtime.version import VERSION

KNOWN = "peygir.ResolutionApproved.v1"
OURS = "peygir.resolutions.v1.civil"

PROMISED: dict[str, set[str]] = {
    "peygir_events_consumed_total": {"type", "outcome"},
    "peygir_events_published_total": {"type"},
    "peygir_event_processing_seconds_bucket": {"type", "le"},
    "peygir_event_delay_seconds_bucket": {"type", "le"},
    "peygir_outbox_pending": set(),
    "peygir_outbox_oldest_seconds": set(),
    "peygir_dead_letters_total": {"reason"},
    "peygir_consumer_lag": {"topic", "partition"},
    "peygir_consumer_lag_seconds": {"topic", "partition"},
    "peygir_lease_held": {"lease"},
    "peygir_dependency_up": {"dependency"},
    "peygir_clock_difference_seconds": set(),
    "peygir_certificate_expiry_timestamp_seconds": {"certificate"},
    "peygir_sweep_put_off": set(),
    "peygir_build_info": {"version", "python"},
    "peygir_http_requests_total": {"method", "route", "status"},
    "peygir_http_request_seconds_bucket": {"method", "route", "le"},
    "process_resident_memory_bytes": set(),
}
OF_FOLLOWUPS: dict[str, set[str]] = {
    "peygir_followups": {"deputy", "state"},
    "peygir_followups_overdue": {"deputy", "level"},
    "peygir_followups_verified": {"deputy"},
    "peygir_followups_on_time": {"deputy"},
    "peygir_followups_extensions": {"deputy"},
    "peygir_followups_open_age_median_seconds": {"deputy"},
    "peygir_last_sweep_timestamp_seconds": {"deputy"},
}


def used(metrics: Metrics) -> Metrics:
    """Every metric with at least one series."""
    metrics.event_consumed(KNOWN, "applied")
    metrics.events_published(KNOWN)
    metrics.event_committed(KNOWN, 0.1, 0.2)
    metrics.dead_letter("conflict")
    metrics.set_outbox("followups_civil", 1, 2.0)
    metrics.set_lag("followups-civil", OURS, 0, Lag(3, 0.5))
    metrics.set_paused("followups-civil", False)
    metrics.set_lease("relay", True)
    metrics.set_dependency("kafka", True)
    metrics.set_certificate_expiry("kafka", datetime(2030, 3, 11, tzinfo=UTC))
    metrics.set_put_off("followups_civil", 0)
    metrics.request_answered("GET", "/v1/followups", 200, 0.01)
    if isinstance(metrics, FollowupsMetrics):
        metrics.set_followups("civil", "open", 4)
        metrics.set_overdue("civil", 1, 5)
        metrics.set_scores("civil", verified=3, on_time=2, extensions=1, median_age_days=6.5)
        metrics.set_scores("crisis", verified=0, on_time=0, extensions=0, median_age_days=None)
        metrics.swept("civil", datetime(2024, 3, 11, tzinfo=UTC))
    return metrics


def samples(metrics: Metrics) -> Iterator[Any]:
    for family in text_string_to_metric_families(metrics.render().decode()):
        yield from family.samples


def labels(metrics: Metrics) -> dict[str, set[str]]:
    return {sample.name: set(sample.labels) for sample in samples(metrics)}


def value(metrics: Metrics, name: str, **expected: str) -> float | None:
    for sample in samples(metrics):
        if sample.name == name and sample.labels == expected:
            return float(sample.value)
    return None


def test_names_and_labels_are_those_promised() -> None:
    shown = labels(used(FollowupsMetrics()))
    promised = PROMISED | OF_FOLLOWUPS
    assert {name: shown.get(name) for name in promised} == promised


def test_a_service_shows_only_what_concerns_it() -> None:
    shown = labels(used(Metrics()))
    assert {name: shown.get(name) for name in PROMISED} == PROMISED
    assert not shown.keys() & OF_FOLLOWUPS.keys()


def test_scores_are_counts_and_the_median_is_in_seconds() -> None:
    metrics = used(FollowupsMetrics())
    assert value(metrics, "peygir_followups_verified", deputy="civil") == 3
    assert value(metrics, "peygir_followups_on_time", deputy="civil") == 2
    assert value(metrics, "peygir_followups_extensions", deputy="civil") == 1
    age = "peygir_followups_open_age_median_seconds"
    assert value(metrics, age, deputy="civil") == 6.5 * 86_400
    none = value(metrics, age, deputy="crisis")
    assert none is not None
    assert math.isnan(none), "without an open follow-up there is no age"


def test_items_put_off_are_summed_over_databases() -> None:
    metrics = Metrics()
    for database, count in (("a", 2), ("b", 1), ("a", 0)):
        metrics.set_put_off(database, count)
    assert value(metrics, "peygir_sweep_put_off") == 1


def test_no_series_of_creation_times() -> None:
    assert not [name for name in labels(used(FollowupsMetrics())) if name.endswith("_created")]


@pytest.mark.parametrize("metrics", [Metrics, FollowupsMetrics])
def test_promtool_has_no_complaints(metrics: type[Metrics]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    result = subprocess.run(
        [promtool, "check", "metrics"],
        input=used(metrics()).render(),
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_two_processes_worth_of_metrics_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.dead_letter("conflict")
    assert value(one, "peygir_dead_letters_total", reason="conflict") == 1
    assert value(other, "peygir_dead_letters_total", reason="conflict") is None


def test_unknown_event_types_share_one_series() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.event_consumed(f"com.example.Thing{number}.v1", "dead_lettered")
        metrics.event_committed(f"com.example.Thing{number}.v1", 0.1, 0.1)
        metrics.events_published(f"com.example.Thing{number}.v1")
    types = {sample.labels["type"] for sample in samples(metrics) if "type" in sample.labels}
    assert types == {"unknown"}
    consumed = value(
        metrics, "peygir_events_consumed_total", type="unknown", outcome="dead_lettered"
    )
    assert consumed == 100


def test_unknown_methods_share_one_series() -> None:
    metrics = Metrics()
    for number in range(10):
        metrics.request_answered(f"BREW{number}", "unmatched", 405, 0.001)
    methods = {sample.labels["method"] for sample in samples(metrics) if "method" in sample.labels}
    assert methods == {"unknown"}


def test_events_are_counted_by_outcome() -> None:
    metrics = Metrics()
    metrics.event_consumed(KNOWN, "applied", 3)
    metrics.event_consumed(KNOWN, "duplicate")
    metrics.events_published(KNOWN, 7)
    assert value(metrics, "peygir_events_consumed_total", type=KNOWN, outcome="applied") == 3
    assert value(metrics, "peygir_events_consumed_total", type=KNOWN, outcome="duplicate") == 1
    assert value(metrics, "peygir_events_published_total", type=KNOWN) == 7


def test_outboxes_of_several_databases_are_summed_and_the_oldest_counts() -> None:
    metrics = Metrics()
    metrics.set_outbox("followups_civil", 10, 3.0)
    metrics.set_outbox("followups_crisis", 5, 60.0)
    assert value(metrics, "peygir_outbox_pending") == 15
    assert value(metrics, "peygir_outbox_oldest_seconds") == 60
    metrics.set_outbox("followups_crisis", 0, 0.0)
    assert value(metrics, "peygir_outbox_pending") == 10
    assert value(metrics, "peygir_outbox_oldest_seconds") == 3


def test_the_lag_of_a_lost_partition_is_forgotten() -> None:
    metrics = Metrics()
    metrics.set_lag("g", OURS, 0, Lag(5, 0.5))
    metrics.set_lag("g", OURS, 1, Lag(6, 0.5))
    metrics.forget_lag("g", OURS, 0)
    metrics.forget_lag("g", OURS, 7)
    assert value(metrics, "peygir_consumer_lag", topic=OURS, partition="0") is None
    assert value(metrics, "peygir_consumer_lag", topic=OURS, partition="1") == 6


def test_the_lag_of_a_topic_is_that_of_its_slowest_group() -> None:
    metrics = Metrics()
    metrics.set_lag("civil", OURS, 0, Lag(5, 0.5))
    metrics.set_lag("social", OURS, 0, Lag(2, 0.5))
    assert value(metrics, "peygir_consumer_lag", topic=OURS, partition="0") == 5
    metrics.forget_lag("civil", OURS, 0)
    assert value(metrics, "peygir_consumer_lag", topic=OURS, partition="0") == 2


def test_the_end_of_a_sweep_is_unix_time() -> None:
    metrics = FollowupsMetrics()
    metrics.swept("civil", datetime(2024, 3, 11, tzinfo=UTC))
    shown = value(metrics, "peygir_last_sweep_timestamp_seconds", deputy="civil")
    assert shown == 1_710_115_200


def test_build_info_names_the_version() -> None:
    (build,) = [sample for sample in samples(Metrics()) if sample.name == "peygir_build_info"]
    assert build.labels["version"] == VERSION
    assert build.value == 1


def test_a_clock_set_back_gives_no_negative_delay() -> None:
    metrics = Metrics()
    metrics.event_committed(KNOWN, 0.1, -3.0)
    assert value(metrics, "peygir_event_delay_seconds_sum", type=KNOWN) == 0


def test_a_batch_counts_as_its_events() -> None:
    one_by_one, together = Metrics(), Metrics()
    delays = (0.002, 0.05, 0.3, 90.0, 1e9)
    for delay in delays:
        one_by_one.event_committed(KNOWN, 0.25, delay)
    together.events_committed(KNOWN, 0.25, delays)

    def histograms(metrics: Metrics) -> dict[tuple[str, str | None], float]:
        return {
            (sample.name, sample.labels.get("le")): round(sample.value, 6)
            for sample in samples(metrics)
            if sample.name.startswith("peygir_event_")
        }

    assert histograms(together) == histograms(one_by_one)


def test_the_batch_histogram_renders_as_the_librarys_own() -> None:
    bounds = (0.1, 1.0, 2.5)
    amounts = (0.0, 0.1, 0.100001, 1.0, 2.0, 2.5, 3.0)
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    BatchHistogram("a_seconds", "Help.", "type", bounds, ours).observe("x", amounts)
    library = Histogram("a_seconds", "Help.", ("type",), buckets=bounds, registry=theirs)
    for amount in amounts:
        library.labels("x").observe(amount)

    def lines(registry: CollectorRegistry) -> set[bytes]:
        return {line for line in generate_latest(registry).splitlines() if b"_created" not in line}

    assert lines(ours) == lines(theirs)
