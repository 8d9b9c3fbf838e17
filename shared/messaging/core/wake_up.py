"""A bell: wakes whoever rests between two looks at what there is to do."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class WakeUp:
    """Rung by whoever brings work, heard by the one who does it; a short cut, never a promise."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def wake(self) -> None:
        """Say that there is something to do."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Wait until it is rung, `seconds` at most; a ring since the last waiting counts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()
