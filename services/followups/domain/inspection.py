"""Samples for inspection: the draw depends only on a seed, and on nothing that anybody can choose.

Each follow-up has a rank, the HMAC-SHA256 of its id under the seed (RFC 2104); the lowest ranks are
drawn. So the same seed always draws the same sample, in any order and in any number of parts. A
follow-up that is added to the population later enters the sample only if its rank is low enough.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import unicodedata
from collections.abc import Iterable

_DIGEST_BITS = 256


class SampleDraw:
    """A draw in progress: it sees all ids, but keeps only those that are drawn so far."""

    def __init__(self, seed: str, size: int) -> None:
        self._key = unicodedata.normalize("NFC", seed).encode()
        self._size = size
        self._lowest: list[tuple[int, str]] = []  # with negated ranks: the highest rank is first
        self._sum = 0
        self.population = 0

    def look_at(self, ids: Iterable[str]) -> None:
        """Add ids to the population; each id may be added only once."""
        for id_ in ids:
            raw = id_.encode()
            self.population += 1
            self._sum += int.from_bytes(hashlib.sha256(raw).digest())
            self._enter((-int.from_bytes(hmac.digest(self._key, raw, "sha256")), id_))

    def take_in(self, other: SampleDraw) -> None:
        """Add the population of another draw with the same seed."""
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
        """The sum of the SHA-256 of all ids of the population, in hexadecimal.

        It does not depend on the order. It shows whether two draws had the same population; it is
        no protection against forgery.
        """
        return f"{self._sum % (1 << _DIGEST_BITS):064x}"
