"""How long to wait before the next try. Times in seconds."""

from __future__ import annotations

from typing import Final

LONGEST_WAIT_SECONDS: Final = 900.0


def wait_seconds(tries: int, first: float) -> float:
    """How long to wait after `tries` tries (from 1): doubled each time, at most 15 minutes."""
    return float(min(first * 2 ** min(tries - 1, 30), LONGEST_WAIT_SECONDS))
