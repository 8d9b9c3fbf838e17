"""The bell that wakes whoever rests."""

from __future__ import annotations

import asyncio
import time

from shared.messaging.core.wake_up import WakeUp

LONG, SHORT = 60.0, 0.02


async def test_it_wakes_whoever_waits() -> None:
    bell = WakeUp()
    waiting = asyncio.create_task(bell.wait(LONG))
    await asyncio.sleep(0)
    bell.ring()
    async with asyncio.timeout(LONG / 2):
        await waiting


async def test_a_ring_during_the_work_counts_once() -> None:
    bell = WakeUp()
    bell.ring()
    bell.ring()
    async with asyncio.timeout(LONG / 2):
        await bell.wait(LONG)
    begun = time.monotonic()
    await bell.wait(SHORT)
    assert time.monotonic() - begun >= SHORT, "it was heard already"
