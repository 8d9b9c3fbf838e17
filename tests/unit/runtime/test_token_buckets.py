"""Token buckets: what a sender may do at once, and what each second brings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.http.token_buckets import TokenBuckets


class Time:
    """A clock that stands still until it is moved (seconds)."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_admitted_and_then_the_rate() -> None:
    time = Time()
    buckets = TokenBuckets(rate=2, burst=3, most=10, monotonic=time)
    levels = [buckets.take("a") for _ in range(4)]
    assert [level.left for level in levels] == [2, 1, 0, 0]
    assert [level.wait for level in levels] == [0, 0, 0, 1]
    assert levels[2].full_in == 2
    time.now += 0.5
    assert buckets.take("a").wait == 0
    assert buckets.take("a").wait == 1


def test_one_sender_does_not_use_up_another_ones_rate() -> None:
    buckets = TokenBuckets(rate=1, burst=1, most=10, monotonic=Time())
    assert buckets.take("a").wait == 0
    assert buckets.take("a").wait == 1
    assert buckets.take("b").wait == 0


def test_what_is_given_back_was_not_counted() -> None:
    buckets = TokenBuckets(rate=1, burst=1, most=10, monotonic=Time())
    for _ in range(5):
        assert buckets.take("a").wait == 0
        buckets.give_back("a")
    buckets.give_back("a")
    assert buckets.take("a").wait == 0
    assert buckets.take("a").wait == 1


def test_the_bucket_that_rested_longest_is_forgotten() -> None:
    buckets = TokenBuckets(rate=1, burst=1, most=2, monotonic=Time())
    for key in ("a", "b", "a", "c"):
        buckets.take(key)
    assert len(buckets) == 2
    assert buckets.take("a").wait == 1
    assert buckets.take("b").wait == 0


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 3), max_size=60),
)
def test_nobody_gets_more_than_a_burst_and_the_rate_in_any_span(
    rate: float, burst: int, pauses: list[float]
) -> None:
    time = Time()
    buckets = TokenBuckets(rate, burst, most=1, monotonic=time)
    instants = []  # of admitted requests
    for pause in pauses:
        time.now += pause
        if buckets.take("a").wait == 0:
            instants.append(time.now)
    for start, first in enumerate(instants):
        for admitted, last in enumerate(instants[start:], 1):
            assert admitted <= burst + (last - first) * rate + 1e-6


def test_a_long_rest_gives_no_more_than_a_burst() -> None:
    time = Time()
    buckets = TokenBuckets(rate=1, burst=2, most=1, monotonic=time)
    buckets.take("a")
    time.now += 1_000
    assert [buckets.take("a").wait for _ in range(3)] == [0, 0, 1]


@given(rate=st.floats(0.1, 100), burst=st.integers(1, 50), asked=st.integers(1, 60))
def test_whoever_waits_as_long_as_was_said_is_admitted(rate: float, burst: int, asked: int) -> None:
    time = Time()
    buckets = TokenBuckets(rate, burst, most=1, monotonic=time)
    levels = [buckets.take("a") for _ in range(asked)]
    time.now += levels[-1].wait
    assert buckets.take("a").wait == 0 or levels[-1].wait == 0
    assert all(0 <= level.left < burst for level in levels)


@given(st.lists(st.text(max_size=3), max_size=300))
def test_memory_is_bounded_whoever_comes(keys: list[str]) -> None:
    buckets = TokenBuckets(rate=1, burst=2, most=5, monotonic=Time())
    for key in keys:
        buckets.take(key)
        assert len(buckets) <= 5
