"""Waiting out what passes by itself: with backoff, jitter, and a word in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_exponential_jitter,
)

from shared.messaging.core.classification import FailureKind, classify
from shared.runtime.clocks import MachineClock

_log = structlog.get_logger(__name__)

_FIRST_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 2.0

START_SECONDS: Final = 0.5
"""The longest pause of what keeps a process from starting: it is wanted soon after its servers."""


def is_transient(error: Exception) -> bool:
    """Whether a failure passes by itself, or by what an operator does."""
    return classify(error) is FailureKind.TRANSIENT


def retry_transient(
    what: str,
    clock: MachineClock,
    *,
    during: Callable[[], None] = lambda: None,
    longest_seconds: float = _LONGEST_SECONDS,
    helps: Callable[[Exception], bool] = is_transient,
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
