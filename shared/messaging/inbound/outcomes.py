"""Counting and logging of what was saved."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import nullcontext

import structlog

from shared.messaging.core.model import Defer, Message, Outcome, Refusal
from shared.messaging.inbound.batches import BatchItem, Judged
from shared.messaging.inbound.verdicts import outcome_of
from shared.runtime.clocks import MachineClock
from shared.runtime.logs import bind_event
from shared.runtime.metrics import UNKNOWN, Metrics

_log = structlog.get_logger(__name__)


class OutcomeMetrics:
    """Counts for one group."""

    def __init__(self, group: str, *, metrics: Metrics, clock: MachineClock) -> None:
        self._group = group
        self._metrics = metrics
        self._clock = clock

    def note(self, judged: Sequence[Judged], started: float) -> None:
        """Count the verdicts; `started` is when the batch was read (monotonic seconds)."""
        now, seconds = self._clock.now().timestamp(), self._clock.monotonic() - started
        outcomes: Counter[tuple[str, Outcome]] = Counter()
        delays: dict[str, list[float]] = defaultdict(list)
        for item, verdict in judged:
            type_ = item.content.event.type if isinstance(item.content, Message) else UNKNOWN
            if not item.deferred:
                delays[type_].append(now - item.record.timestamp / 1000)
            if not (item.deferred and isinstance(verdict, Defer)):
                outcomes[type_, outcome_of(verdict)] += 1
            if isinstance(verdict, Refusal):
                self._metrics.dead_letter(verdict.reason)
                self._log_refusal(item, verdict)
        for (type_, outcome), count in outcomes.items():
            self._metrics.event_consumed(type_, outcome.value, count)
        for type_, delayed in delays.items():
            self._metrics.events_committed(type_, seconds, delayed)

    def _log_refusal(self, item: BatchItem, refusal: Refusal) -> None:
        event = item.content.event if isinstance(item.content, Message) else None
        with bind_event(event.id, event.traceparent) if event else nullcontext():
            _log.warning(
                "dead-lettered",
                group=self._group,
                origin=item.place,
                reason=refusal.reason,  # the detail quotes the event: it is in the dead letter
            )
