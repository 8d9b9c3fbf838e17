"""A Prometheus histogram that observes a whole batch at once.

The library's own takes 1.6 microseconds per observation here: 6 % of a core for two histograms
at 20,000 events per second. This one takes a tenth of that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class BatchHistogram(Collector):
    """A histogram with one label. For a process that observes and renders in one thread."""

    def __init__(
        self, name: str, help_text: str, label: str, bounds: Sequence[float], to: CollectorRegistry
    ) -> None:
        self._name, self._help, self._label = name, help_text, label
        self._bounds = tuple(float(bound) for bound in bounds)
        self._edges = [*map(floatToGoString, self._bounds), "+Inf"]
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        to.register(self)

    def observe(self, label_value: str, amounts: Sequence[float]) -> None:
        """Observe each of the amounts."""
        counts = self._of(label_value)
        for amount in amounts:
            counts[bisect_left(self._bounds, amount)] += 1
        self._sums[label_value] += sum(amounts)

    def observe_same(self, label_value: str, amount: float, times: int) -> None:
        """Observe one amount so many times."""
        self._of(label_value)[bisect_left(self._bounds, amount)] += times
        self._sums[label_value] += amount * times

    def describe(self) -> Iterator[HistogramMetricFamily]:
        yield HistogramMetricFamily(self._name, self._help, labels=[self._label])

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._help, labels=[self._label])
        for label_value, counts in self._counts.items():
            so_far, buckets = 0, []
            for edge, count in zip(self._edges, counts, strict=True):
                so_far += count
                buckets.append((edge, float(so_far)))
            family.add_metric([label_value], buckets, self._sums[label_value])
        yield family

    def _of(self, label_value: str) -> list[int]:
        if label_value not in self._counts:
            self._counts[label_value] = [0] * len(self._edges)
            self._sums[label_value] = 0.0
        return self._counts[label_value]
