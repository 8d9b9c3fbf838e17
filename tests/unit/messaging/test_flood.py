"""When refusals are a flood."""

from __future__ import annotations

from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messaging.inbound.flood import FloodGate, FloodGauge, FloodLimit, Pauses
from shared.runtime.clocks import MachineClock
from shared.runtime.metrics import Metrics

unhurried = settings(deadline=None)  # a shared machine may be slow

limits = st.builds(
    FloodLimit, st.integers(1, 20), st.floats(0.01, 0.99, allow_nan=False), st.integers(1, 10)
)


@unhurried
@given(limits, st.lists(st.booleans(), max_size=60))
def test_the_gauge_agrees_with_a_count_of_the_last_events(
    limit: FloodLimit, refusals: list[bool]
) -> None:
    gauge = FloodGauge(limit)
    for n, refused in enumerate(refusals, 1):
        gauge.count(refused=refused)
        last = refusals[:n][-limit.window :]
        refused_of_last = last.count(True)
        many = refused_of_last > limit.share * len(last)
        assert gauge.is_over is (many and refused_of_last >= limit.least)


def test_by_default_a_fifth_of_a_thousand_and_two_hundred_at_least() -> None:
    gauge = FloodGauge(FloodLimit())
    for _ in range(199):
        gauge.count(refused=True)
    assert not gauge.is_over
    gauge.count(refused=True)
    assert gauge.is_over
    for _ in range(800):
        gauge.count(refused=False)
    assert not gauge.is_over, "200 of 1000 are a fifth, not over it"


@unhurried
@given(
    limits,
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=40),
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=40),
)
def test_predictions_of_a_gate_agree_with_its_gauges(
    limit: FloodLimit, before: list[tuple[str, bool]], coming: list[tuple[str, bool]]
) -> None:
    gate = FloodGate(
        "readers",
        "ab",
        limit,
        cast(Pauses, None),
        metrics=Metrics(),
        clock=cast(MachineClock, None),
    )
    gauges = {topic: FloodGauge(limit) for topic in "ab"}
    for topic, refused in before:
        gate.count(topic, refused=refused)
        gauges[topic].count(refused=refused)
    predicted = gate.predict(coming)
    assert gate.predict(coming) == predicted, "nothing is counted"
    expected: dict[str, int] = {}
    refusing = {topic for topic, refused in coming if refused}
    for number, (topic, refused) in enumerate(coming):
        gauges[topic].count(refused=refused)
        if gauges[topic].is_over and topic in refusing:
            expected.setdefault(topic, number)
    assert predicted == expected
