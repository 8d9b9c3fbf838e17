"""Scheduled work follows the simulated time, which is set and does not run."""

from __future__ import annotations

from collections.abc import Iterable

from shared.messaging.core.retrying import retry_transient
from shared.messaging.core.wake_up import WakeUp
from shared.runtime.clocks import MachineClock
from shared.runtime.simulation import SimulatedDomainClock


async def follow_clock(
    clock: SimulatedDomainClock, wake_ups: Iterable[WakeUp], machine: MachineClock
) -> None:
    """Wake all scheduled work each time the simulated time is set, until cancelled."""
    async for attempt in retry_transient("simulated", machine):
        with attempt:
            async for _ in clock.moves():
                for wake_up in wake_ups:
                    wake_up.wake()
