"""Retries of transient failures, with backoff, jitter and a line in the log."""

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
from shared.runtime.refused_rights import refusal

_log = structlog.get_logger(__name__)

_FIRST_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 2.0

START_SECONDS: Final = 0.5
"""The longest pause at the start: a process should be ready soon after its servers."""


def is_transient(error: Exception) -> bool:
    """Whether a failure passes by itself, or once an operator has repaired its cause."""
    return classify(error) is FailureKind.TRANSIENT


def retry_transient(
    what: str,
    clock: MachineClock,
    *,
    during: Callable[[], None] = lambda: None,
    longest_seconds: float = _LONGEST_SECONDS,
    should_retry: Callable[[Exception], bool] = is_transient,
) -> AsyncRetrying:
    """Build a retry without an end: `what` is tried again as long as `should_retry` says so.

    `during` is called before each pause; the pauses grow up to `longest_seconds`. Any other failure
    is raised as it is.
    """

    def note(state: RetryCallState) -> None:
        during()
        error = state.outcome.exception() if state.outcome else None
        refused = None if error is None else refusal(error)
        _log.warning(
            "waiting",
            what=what,
            tries=state.attempt_number,
            error=refused or f"{type(error).__name__}: {error}",
        )

    return AsyncRetrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, Exception) and should_retry(error)
        ),
        wait=wait_exponential_jitter(
            multiplier=_FIRST_SECONDS, max=longest_seconds, jitter=_FIRST_SECONDS
        ),
        sleep=clock.sleep,
        before_sleep=note,
        reraise=True,
    )
