"""Waiting out what passes by itself: with backoff, jitter, and a word in the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
    wait_random_exponential,
)

from shared.messaging.failures import Failure, Stale, sort
from shared.runtime.clocks import MachineClock

_log = structlog.get_logger(__name__)

_FIRST_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 2.0

START_SECONDS: Final = 0.5
"""The longest pause of what keeps a process from starting: it is wanted soon after its servers."""

_FRESH_DECISIONS: Final = 8
_SHORT_SECONDS: Final = 0.01
_LONG_SECONDS: Final = 0.1

R = TypeVar("R")


def passes(error: Exception) -> bool:
    """Whether a failure passes by itself, or by what an operator does."""
    return sort(error) is Failure.TRANSIENT


def patient(
    what: str,
    clock: MachineClock,
    *,
    during: Callable[[], None] = lambda: None,
    longest_seconds: float = _LONGEST_SECONDS,
    helps: Callable[[Exception], bool] = passes,
) -> AsyncRetrying:
    """Build a retry that tries `what` again for as long as waiting helps: its failure passes.

    `during` is called before each wait; the waits grow up to `longest_seconds`. Whoever knows more
    of a failure than its kind says with `helps` whether to wait. Everything else is raised as it
    is.
    """

    def note(state: RetryCallState) -> None:
        during()
        error = state.outcome.exception() if state.outcome else None
        _log.warning(
            "waiting",
            what=what,
            tries=state.attempt_number,
            error=f"{type(error).__name__}: {error}",
        )

    return AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, Exception) and helps(error)),
        wait=wait_exponential_jitter(
            multiplier=_FIRST_SECONDS, max=longest_seconds, jitter=_FIRST_SECONDS
        ),
        sleep=clock.sleep,
        before_sleep=note,
        reraise=True,
    )


async def anew(work: Callable[[], Awaitable[R]]) -> R:
    """Load, decide and save; where somebody else was faster, do all of it again.

    Between two tries it waits some random hundredths of a second, since another's transaction is
    in the way until that has ended. Raises Stale where others were faster every time.
    """
    return await AsyncRetrying(
        retry=retry_if_exception_type(Stale),
        stop=stop_after_attempt(_FRESH_DECISIONS),
        wait=wait_random_exponential(_SHORT_SECONDS, _LONG_SECONDS),
        reraise=True,
    )(work)
