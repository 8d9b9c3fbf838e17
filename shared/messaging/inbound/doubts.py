"""Failures that one message may have caused: how long they are retried before it is given up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from shared.messaging.core.classification import FailureKind, classify
from shared.messaging.core.errors import AlreadyExists
from shared.runtime.clocks import MachineClock

_FRESH_DECISIONS: Final = 5
_GIVE_UP_SECONDS: Final = 60.0


class Collision(Exception):
    """A message collides with something that a new decision about it does not see."""


class DoubtfulFailures:
    """The doubtful failures of one part of a batch, over its attempts.

    A collision means that a decision was made on old data: decisions see what the primary holds
    only once a majority holds it, and a majority may lag for any time. So neither the number of
    collisions nor the time proves anything. What counts is a decision that was made after the
    majority had caught up with the collision before, and collides all the same. Five of them are
    proof, not one, since a primary that was just elected may lag once more.

    An unforeseen failure of a single message is retried for a minute.
    """

    def __init__(
        self, catch_up: Callable[[], Awaitable[None]], clock: MachineClock, *, alone: bool
    ) -> None:
        """`catch_up` waits until a majority has what the primary holds."""
        self._catch_up = catch_up
        self._clock = clock
        self._alone = alone
        self._doubtful_since: float | None = None  # monotonic
        self._has_caught_up = False
        self._collisions = 0

    async def note_collision(self, error: AlreadyExists) -> None:
        """Count a collision, and wait until the next decision can see what it collided with.

        Raises Collision if these are enough, and what keeps the majority from catching up.
        """
        self._collisions += self._has_caught_up
        if self._collisions == _FRESH_DECISIONS:
            raise Collision(str(error)) from error
        self._has_caught_up = False
        await self._catch_up()
        self._has_caught_up = True

    def should_retry(self, error: Exception) -> bool:
        """Whether a retry may succeed after this failure."""
        kind = classify(error)
        if kind is not FailureKind.DOUBTFUL or not self._alone:
            return kind is FailureKind.TRANSIENT
        now = self._clock.monotonic()
        if self._doubtful_since is None:
            self._doubtful_since = now
        return now < self._doubtful_since + _GIVE_UP_SECONDS
