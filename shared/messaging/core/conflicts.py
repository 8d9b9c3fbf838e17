"""Two writers of one aggregate: the second decides once more, on what the first has left."""

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

_FRESH_DECISIONS: Final = 8
_SHORT_SECONDS: Final = 0.01
_LONG_SECONDS: Final = 0.1

R = TypeVar("R")


async def retry_on_conflict(work: Callable[[], Awaitable[R]]) -> R:
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
