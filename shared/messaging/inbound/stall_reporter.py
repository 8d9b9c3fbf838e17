"""How a batch that waits in place shows itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from shared.messaging.core.errors import HistoryChanged
from shared.messaging.core.stalls import StallCause, StalledPart, Stalls, cause_of
from shared.runtime.clocks import MachineClock

_SHOWN_AFTER_SECONDS: Final = 1.0  # what waits shorter is no stall
_SILENT_AFTER_SECONDS: Final = 5.0  # longer than a part of a batch takes


class StallReporter:
    """Notes for one group why its batch waits: from the second second of failures on, or from the
    fifth second without any answer."""

    def __init__(self, group: str, stalls: Stalls, *, clock: MachineClock) -> None:
        self._what = StalledPart("consumer", group)
        self._stalls = stalls
        self._clock = clock
        self._shown_from = 0.0  # monotonic

    def note(self, error: Exception) -> None:
        """Note what is waited for, until a part goes through."""
        cause = StallCause.ANOTHER_HISTORY if isinstance(error, HistoryChanged) else cause_of(error)
        self._stalls.note(self._what, cause)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """All attempts at one part; afterwards nothing waits any more."""
        self._shown_from = self._clock.monotonic() + _SHOWN_AFTER_SECONDS
        try:
            yield
        finally:
            self._stalls.note(self._what, None)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """One attempt: a partition that takes nothing lets whoever sends to it wait in silence."""
        silent = asyncio.get_running_loop().call_later(
            _SILENT_AFTER_SECONDS, self._stalls.note, self._what, StallCause.NO_ANSWER
        )
        try:
            yield
        except Exception as error:
            if self._clock.monotonic() >= self._shown_from:
                self.note(error)
            raise
        finally:
            silent.cancel()
