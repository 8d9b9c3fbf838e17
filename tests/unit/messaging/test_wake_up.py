"""Wake-ups of tasks that pause."""

from __future__ import annotations

import asyncio
import time

from shared.messaging.core.wake_up import WakeUp

LONG, SHORT = 60.0, 0.02


async def test_it_ends_a_wait() -> None:
    wake_up = WakeUp()
    waiting = asyncio.create_task(wake_up.wait(LONG))
    await asyncio.sleep(0)
    wake_up.wake()
    async with asyncio.timeout(LONG / 2):
        await waiting


async def test_calls_during_the_work_count_once() -> None:
    wake_up = WakeUp()
    wake_up.wake()
    wake_up.wake()
    async with asyncio.timeout(LONG / 2):
        await wake_up.wait(LONG)
    begun = time.monotonic()
    await wake_up.wait(SHORT)
    assert time.monotonic() - begun >= SHORT, "the call was used already"
