"""Metrics are read back, whatever their labels contain."""

from __future__ import annotations

from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families

from shared.runtime.service_metrics import FollowupsMetrics
from tests.unit.followups.examples import unhurried
from tests.unit.written.any_text import ANY_TEXT

LABELS = ("part", "name", "topic", "cause")


@unhurried
@given(ANY_TEXT)
def test_any_label_is_read_back(label: str) -> None:
    text = label.encode(errors="replace").decode()  # labels never contain surrogates
    metrics = FollowupsMetrics()
    metrics.set_stalled(text, text, text, text)
    metrics.set_followups(text, text, 3)
    metrics.event_consumed(text, "applied")
    metrics.request_answered(text, text, 200, 0.1)
    found = [
        (sample.name, sample.labels)
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    ]
    assert ("peygir_stalled", dict.fromkeys(LABELS, text)) in found
    assert ("peygir_followups", {"deputy": text, "state": text}) in found
    assert ("peygir_events_consumed_total", {"type": "unknown", "outcome": "applied"}) in found
