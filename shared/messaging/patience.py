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

from shared.messaging.failures import Failure, sort
from shared.runtime.clocks import MachineClock

_log = structlog.get_logger(__name__)

_FIRST_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 5.0


def patient(
    what: str, clock: MachineClock, *, during: Callable[[], None] = lambda: None
) -> AsyncRetrying:
    """Build a retry that tries `what` again for as long as its failure is transient.

    `during` is called before each wait. Everything else is raised as it is.
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
        retry=retry_if_exception(_is_transient),
        wait=wait_exponential_jitter(
            initial=_FIRST_SECONDS, max=_LONGEST_SECONDS, jitter=_FIRST_SECONDS
        ),
        sleep=clock.sleep,
        before_sleep=note,
        reraise=True,
    )


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, Exception) and sort(error) is Failure.TRANSIENT
