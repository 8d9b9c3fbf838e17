"""Failures that may be a message's own: how long they are waited out before that is believed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from shared.messaging.core.classification import FailureKind, classify
from shared.messaging.core.errors import AlreadyExists
from shared.runtime.clocks import MachineClock

_FRESH_DECISIONS: Final = 5
_BELIEVED_AFTER_SECONDS: Final = 60.0


class Collision(Exception):
    """A message collides with something that deciding about it anew does not see."""


class DoubtfulFailures:
    """What is held against a part of a batch over its attempts.

    A collision says that a decision was made on data older than what stands in its way: what the
    primary holds, decisions see once a majority does, and that may take as long as a majority
    lags. So no number of collisions and no time is proof. Only a decision that was made after the
    majority had caught up with the collision before, and collides all the same, counts; five of
    them, since a primary that is fresh may trail once more.

    Of a failure that nobody foresaw, with a single message in hand, a minute is waited out.
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

    async def collided(self, error: AlreadyExists) -> None:
        """Hold a collision against the part, and let the next decision see what it met.

        Raises Collision where it is believed, and what keeps the majority from catching up.
        """
        self._collisions += self._has_caught_up
        if self._collisions == _FRESH_DECISIONS:
            raise Collision(str(error)) from error
        self._has_caught_up = False
        await self._catch_up()
        self._has_caught_up = True

    def helps(self, error: Exception) -> bool:
        """Whether waiting may help against a failure."""
        kind = classify(error)
        if kind is not FailureKind.DOUBTFUL or not self._alone:
            return kind is FailureKind.TRANSIENT
        now = self._clock.monotonic()
        if self._doubtful_since is None:
            self._doubtful_since = now
        return now < self._doubtful_since + _BELIEVED_AFTER_SECONDS
