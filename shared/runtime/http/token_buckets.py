"""Token buckets by key: a sender may do so much at once, and so much more each second."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Level:
    """What a bucket holds after a request was counted, or was found to be too much."""

    left: int  # whole requests that may follow at once
    full_in: int  # seconds until it is full, rounded up
    wait: int  # seconds until the next request is allowed, rounded up; 0 if this one is


class TokenBuckets:
    """Buckets of `burst` tokens that gain `rate` tokens per second; a request takes one.

    The `most` buckets that were used last are remembered. A forgotten one counts as full: that is
    right for one that rested, and for an attacker who comes with more keys no more than he could
    do with new keys anyway.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        most: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate
        self.burst = burst
        self._most = most
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str) -> Level:
        """Count a request, unless it is one too many."""
        tokens = self._tokens(key)
        if tokens >= 1:
            self._put(key, tokens - 1)
            return self._level(tokens - 1, 0)
        self._put(key, tokens)
        return self._level(tokens, math.ceil((1 - tokens) / self.rate))

    def give_back(self, key: str) -> None:
        """Take back the counting of a request."""
        if key in self._buckets:
            self._put(key, min(self._tokens(key) + 1, self.burst))

    def _tokens(self, key: str) -> float:
        if key not in self._buckets:
            return float(self.burst)
        tokens, at = self._buckets[key]
        return min(tokens + (self._monotonic() - at) * self.rate, float(self.burst))

    def _put(self, key: str, tokens: float) -> None:
        self._buckets[key] = tokens, self._monotonic()
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)

    def _level(self, tokens: float, wait: int) -> Level:
        full_in = math.ceil((self.burst - tokens) / self.rate)
        return Level(int(tokens), full_in, wait)
