"""Lets one fault after the other strike, and measures until all is steady again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.replicated.arena import Arena, off
from tests.faults.replicated.faults import FAULTS

STEADY_AGAIN_SECONDS: Final = 90.0  # after which a fault is told as one that left something behind
LEVEL_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault as it went."""

    name: str
    longest: float  # seconds that a client waited at worst, from strike to steady
    recovery: float | None  # seconds from its end until all was steady; None: it never was


class Nemesis:
    """Strikes, one fault after the other in an order drawn by a seed, when all is steady."""

    def __init__(
        self,
        arena: Arena,
        seed: int,
        names: Sequence[str],
        times: int,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._arena = arena
        self._say = say
        self._turns: dict[str, int] = {}
        self._worst = 0.0
        self.due = list(names) * times
        random.Random(f"{seed} nemesis").shuffle(self.due)
        self.struck: list[Struck] = []

    async def run(self, pause_seconds: float) -> None:
        """Strike until all have. Raises what the cluster raises where it can't be mended."""
        for name in self.due:
            await asyncio.sleep(pause_seconds)
            self._say("waiting until all copies are level")
            await off(self._arena.cluster.wait_until_level, LEVEL_SECONDS)
            self._say(name)
            self.struck.append(await self._strike(name))

    async def _strike(self, name: str) -> Struck:
        fault = FAULTS[name]
        turn = self._turns[name] = self._turns.get(name, -1) + 1
        watch = asyncio.create_task(self._longest())
        try:
            heal = await fault.strike(self._arena, turn)
            await asyncio.sleep(fault.seconds)
            await heal()
            recovery = await self._steady_again()
        finally:
            watch.cancel()
        return Struck(name, self._worst, recovery)

    async def _longest(self) -> None:
        self._worst = 0.0
        while True:
            self._worst = max(self._worst, self._arena.pulse.behind())
            await asyncio.sleep(0.1)

    async def _steady_again(self) -> float | None:
        """Seconds until all is steady, and stays so for one more."""
        healed = time.monotonic()
        steady_since: float | None = None
        while (now := time.monotonic()) < healed + STEADY_AGAIN_SECONDS:
            if not self._arena.pulse.is_steady:
                steady_since = None
            elif steady_since is None:
                steady_since = now
            elif now >= steady_since + 1.0:
                return steady_since - healed
            await asyncio.sleep(0.05)
        return None
