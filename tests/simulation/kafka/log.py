"""One partition: its records, who wrote them, and how far readers may read."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from aiokafka.errors import (
    DuplicateSequenceNumber,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    TopicAuthorizationFailedError,
    UnknownError,
)

Headers = Sequence[tuple[str, bytes]]

_REMEMBERED: Final = 5  # batches of a producer that a broker knows again


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as a producer hands it over."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def size(self) -> int:
        """Bytes, as the log counts them, more or less."""
        size = len(self.key or b"") + len(self.value or b"") + 12
        return size + sum(len(name) + len(raw or b"") + 2 for name, raw in self.headers)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in the log; a marker has no content."""

    timestamp: int  # Unix milliseconds
    raw: Raw | None
    producer: int  # -1: none that is numbered
    sequence: int  # of its batch
    transactional: bool = False
    marker: Literal["commit", "abort"] | None = None


@dataclass(slots=True)
class _Known:
    """What a broker knows of a producer: its latest batches, by first sequence and offset."""

    batches: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    """First sequence, last sequence, first offset."""


class Partition:
    """The log of one partition, and its leader's rules."""

    def __init__(self, topic: str, number: int, largest_batch: int) -> None:
        self.topic = topic
        self.number = number
        self.largest_batch = largest_batch
        self.start = 0
        self.log: list[Entry] = []
        self.high = 0  # the high watermark
        self.leader = True
        self.enough_replicas = True
        self.allowed = True
        self.broken = False  # answers UNKNOWN_SERVER_ERROR
        self.term = 0
        self.due: dict[int, float] = {}  # when all replicas in sync have the log up to an offset
        self.open: dict[int, int] = {}  # transactional producer -> its first offset
        self.aborted: list[tuple[int, int, int]] = []  # producer, first offset, marker
        self._producers: dict[int, _Known] = {}

    @property
    def end(self) -> int:
        return self.start + len(self.log)

    @property
    def stable(self) -> int:
        """The last stable offset: before the first transaction that is open."""
        return min(self.high, *self.open.values()) if self.open else self.high

    def entry(self, offset: int) -> Entry:
        """What stands at an offset."""
        return self.log[offset - self.start]

    # -- writing ------------------------------------------------------------------------------

    def append(
        self, batch: Sequence[Raw], producer: int, sequence: int, now: int, *, transactional: bool
    ) -> int:
        """Append a batch; return its first offset, or that of its first coming.

        Raises what the broker answers.
        """
        self._check(batch)
        known = self._producers.get(producer)
        last = sequence + len(batch) - 1
        if producer >= 0 and known is not None and known.batches:
            for first, end, offset in known.batches:
                if first == sequence and end == last:
                    return offset
            if sequence <= known.batches[-1][1]:
                raise DuplicateSequenceNumber
            if sequence != known.batches[-1][1] + 1:
                raise OutOfOrderSequenceNumber
        offset = self.end
        self.log += [Entry(now, raw, producer, sequence, transactional) for raw in batch]
        if producer >= 0:
            known = self._producers.setdefault(producer, _Known())
            known.batches.append((sequence, last, offset))
        if transactional:
            self.open.setdefault(producer, offset)
        return offset

    def _check(self, batch: Sequence[Raw]) -> None:
        if not self.leader:
            raise NotLeaderForPartitionError
        if not self.allowed:
            raise TopicAuthorizationFailedError(self.topic)
        if self.broken:
            raise UnknownError
        if 61 + sum(raw.size for raw in batch) > self.largest_batch:
            raise MessageSizeTooLargeError
        if not self.enough_replicas:
            raise NotEnoughReplicasError

    def mark(self, producer: int, kind: Literal["commit", "abort"], now: int) -> None:
        """End a producer's transaction here."""
        first = self.open.pop(producer, None)
        if first is None:
            return
        if kind == "abort":
            self.aborted.append((producer, first, self.end))
        self.log.append(Entry(now, None, producer, -1, True, kind))

    def replicated(self, end: int, term: int) -> bool:
        """Note that all replicas in sync have the log up to there; False where it is not so."""
        if term != self.term:
            return False
        self.high = max(self.high, min(end, self.end))
        return True

    # -- what befalls it ----------------------------------------------------------------------

    def lead_anew(self, keep: int) -> None:
        """Another leader, which has the log up to an offset at least at the high watermark."""
        self.term += 1
        while self.high < keep < self.end and self._are_one_batch(keep - 1, keep):
            keep -= 1
        self.cut(max(keep, self.high))
        self.high = self.end

    def _are_one_batch(self, one: int, other: int) -> bool:
        before, after = self.entry(one), self.entry(other)
        named = before.producer >= 0 and before.marker is None is after.marker
        return named and (before.producer, before.sequence) == (after.producer, after.sequence)

    def cut(self, end: int) -> None:
        """Lose everything from an offset on."""
        del self.log[max(0, end - self.start) :]
        self.high = min(self.high, self.end)
        self._producers.clear()
        self.due = {}
        self.open = {}
        self.aborted = [one for one in self.aborted if one[2] < self.end]
        index = 0
        while index < len(self.log):
            entry = self.log[index]
            first = index
            while (
                index < len(self.log)
                and self.log[index].producer == entry.producer
                and self.log[index].sequence == entry.sequence
                and self.log[index].marker == entry.marker
            ):
                index += 1
            self._learn(entry, self.start + first, index - first)

    def _learn(self, entry: Entry, offset: int, count: int) -> None:
        if entry.marker is not None:
            self.open.pop(entry.producer, None)
        elif entry.producer >= 0:
            known = self._producers.setdefault(entry.producer, _Known())
            known.batches.append((entry.sequence, entry.sequence + count - 1, offset))
            if entry.transactional:
                self.open.setdefault(entry.producer, offset)

    # -- reading ------------------------------------------------------------------------------

    def read(
        self, position: int, most: int, *, committed: bool
    ) -> tuple[list[tuple[int, Entry]], int]:
        """The next records, and where a reader stands behind them."""
        end = self.stable if committed else self.high
        found: list[tuple[int, Entry]] = []
        while position < end:
            entry = self.log[position - self.start]
            if entry.marker is None and not (committed and self._is_aborted(position, entry)):
                if len(found) == most:
                    break
                found.append((position, entry))
            position += 1
            if len(found) == most:
                break
        return found, position

    def _is_aborted(self, offset: int, entry: Entry) -> bool:
        return entry.transactional and any(
            producer == entry.producer and first <= offset < marker
            for producer, first, marker in self.aborted
        )
