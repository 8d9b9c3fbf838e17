"""Two writers of one aggregate: the second decides again, on the state that the first saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from shared.messaging.core.errors import Stale

_MOST_TRIES: Final = 8
_FIRST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.1

R = TypeVar("R")


async def retry_on_conflict(work: Callable[[], Awaitable[R]]) -> R:
    """Load, decide and save; if another writer was faster, do all of it again.

    Between two tries it waits for some random hundredths of a second, since the transaction of the
    other writer conflicts until it has ended. Raises Stale if others were faster every time.
    """
    return await AsyncRetrying(
        retry=retry_if_exception_type(Stale),
        stop=stop_after_attempt(_MOST_TRIES),
        wait=wait_random_exponential(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS),
        reraise=True,
    )(work)
