"""Samples for inspection: what is drawn hangs on a seed and on nothing that anybody can choose.

Each follow-up has a rank, HMAC-SHA256 of its id under the seed (RFC 2104); the lowest are drawn.
So the same seed draws the same again wherever, in whatever order and in however many parts, and
whoever comes to the population later takes a place only where his own rank is low enough.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import unicodedata
from collections.abc import Iterable

_DIGEST_BITS = 256


class SampleDraw:
    """A draw under way: told of ids as they come by, it holds no more than it draws."""

    def __init__(self, seed: str, size: int) -> None:
        self._key = unicodedata.normalize("NFC", seed).encode()
        self._size = size
        self._lowest: list[tuple[int, str]] = []  # ranks negated: the highest stands first
        self._sum = 0
        self.population = 0

    def look_at(self, ids: Iterable[str]) -> None:
        """Let these take part, each id once in all."""
        for id_ in ids:
            raw = id_.encode()
            self.population += 1
            self._sum += int.from_bytes(hashlib.sha256(raw).digest())
            self._enter((-int.from_bytes(hmac.digest(self._key, raw, "sha256")), id_))

    def take_in(self, other: SampleDraw) -> None:
        """Let those take part that another draw under this seed has looked at."""
        self.population += other.population
        self._sum += other._sum
        for entry in other._lowest:
            self._enter(entry)

    def _enter(self, entry: tuple[int, str]) -> None:
        if len(self._lowest) < self._size:
            heapq.heappush(self._lowest, entry)
        else:
            heapq.heappushpop(self._lowest, entry)

    @property
    def drawn(self) -> list[str]:
        """The ids that are drawn so far, the lowest rank first."""
        return [id_ for _, id_ in sorted(self._lowest, reverse=True)]

    @property
    def digest(self) -> str:
        """What tells one population from another: the sum of its ids' SHA-256, as hexadecimal.

        It hangs on no order. It is for comparing two draws, not against whoever forges one.
        """
        return f"{self._sum % (1 << _DIGEST_BITS):064x}"
