"""Shows why a batch does not go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from shared.messaging.core.errors import HistoryChanged
from shared.messaging.core.stalls import StallCause, StalledPart, Stalls, cause_of
from shared.runtime.clocks import MachineClock

_SHOWN_AFTER_SECONDS: Final = 1.0  # a shorter wait is no stall
_SILENT_AFTER_SECONDS: Final = 5.0  # longer than a part of a batch takes


class StallReporter:
    """Notes for one group why its batch waits: after one second of failures, or after five seconds
    without any answer."""

    def __init__(self, group: str, stalls: Stalls, *, clock: MachineClock) -> None:
        self._part = StalledPart("consumer", group)
        self._stalls = stalls
        self._clock = clock
        self._shown_from = 0.0  # monotonic

    def note(self, error: Exception) -> None:
        """Note why the batch waits, until a part succeeds."""
        cause = StallCause.ANOTHER_HISTORY if isinstance(error, HistoryChanged) else cause_of(error)
        self._stalls.note(self._part, cause)
        self._stalls.note_right(self._part, error)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Surround all attempts at one part; the stall is over at the end."""
        self._shown_from = self._clock.monotonic() + _SHOWN_AFTER_SECONDS
        try:
            yield
        finally:
            self._stalls.note(self._part, None)
            self._stalls.note_right(self._part, None)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Surround one attempt; a partition that takes nothing makes it wait without an error."""
        silent = asyncio.get_running_loop().call_later(
            _SILENT_AFTER_SECONDS, self._stalls.note, self._part, StallCause.NO_ANSWER
        )
        try:
            yield
        except Exception as error:
            if self._clock.monotonic() >= self._shown_from:
                self.note(error)
            raise
        finally:
            silent.cancel()
