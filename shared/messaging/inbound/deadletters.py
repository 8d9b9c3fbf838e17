"""Dead letters: records that could not be read or applied, kept whole, with the reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from shared.contracts.envelope import CloudEvent, glimpse, rfc3339, write
from shared.contracts.events.rejections import EventRejected
from shared.contracts.topics import Topics
from shared.messaging.core.model import Origin, Record, Refusal, event_id
from shared.messaging.kafka.batches import OutgoingRecord
from shared.messaging.kafka.publisher import Publisher, TooLarge
from shared.runtime.clocks import MachineClock
from shared.runtime.safe_text import one_line

TYPE: Final = "x-error-type"
ERROR: Final = "x-error"
TOPIC: Final = "x-origin-topic"
PARTITION: Final = "x-origin-partition"
OFFSET: Final = "x-origin-offset"
ATTEMPTS: Final = "x-attempts"
FAILED_AT: Final = "x-failed-at"
NOTES: Final = frozenset({TYPE, ERROR, TOPIC, PARTITION, OFFSET, ATTEMPTS, FAILED_AT})
"""The headers that a dead letter has after the original ones."""

REPLAY_ID: Final = "replay_id"
"""A header of a replayed dead letter: the id of this replay."""

_LONGEST_ERROR: Final = 2_000  # characters; the header must fit into the 64 KiB reserved for it
_LONGEST_ID: Final = 100  # characters
_MANY: Final = 2**53  # no partition, offset or attempt reaches it, and JSON holds all below
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that this service cannot apply, and why."""

    record: Record
    refusal: Refusal
    attempts: int


class Extent(Enum):
    """How much of a record its dead letter holds; the text says what does not fit."""

    WHOLE = ""
    WITHOUT_VALUE = "the value fits in no dead letter and stays at its origin; "
    NOTES_ALONE = "key, headers and value fit in no dead letter and stay at their origin; "


_LESS: Final[Mapping[Extent, Extent]] = {
    Extent.WHOLE: Extent.WITHOUT_VALUE,
    Extent.WITHOUT_VALUE: Extent.NOTES_ALONE,
}


def first_origin(record: Record) -> Origin:
    """The first origin of a record: a replayed dead letter has it in its headers."""
    headers = dict(record.headers)
    try:
        first = Origin(headers[TOPIC].decode(), int(headers[PARTITION]), int(headers[OFFSET]))
        if not (0 <= first.partition < _MANY and 0 <= first.offset < _MANY):
            raise ValueError(first)
    except (AttributeError, KeyError, TypeError, ValueError):  # missing, null or no origin
        return Origin(record.topic, record.partition, record.offset)
    return first


def attempts_of(headers: Sequence[tuple[str, bytes]]) -> int:
    """How often a dead letter was tried; 0 if its headers do not say it."""
    try:
        return min(max(0, int(dict(headers)[ATTEMPTS])), _MANY)
    except (KeyError, TypeError, ValueError):
        return 0


class DeadLetters:
    """Writes the dead letters of one service, and rejections for the senders of bad events."""

    def __init__(
        self,
        *,
        service: str,
        source: str,
        topics: Topics,
        publisher: Publisher,
        clock: MachineClock,
    ) -> None:
        self._service = service
        self._topic = topics.deadletter(service)
        self.replay = topics.replay(service)
        self._rejections = topics.rejections
        self._source = source
        self._publisher = publisher
        self._clock = clock

    def origin(self, record: Record) -> Origin:
        """The first origin of a record; only one from the replay topic may name another."""
        if record.topic == self.replay:
            return first_origin(record)
        return Origin(record.topic, record.partition, record.offset)

    def replay_id(self, record: Record) -> str | None:
        """The id of the replay that brought a record; None if none did."""
        raw = dict(record.headers).get(REPLAY_ID) if record.topic == self.replay else None
        return raw.decode(errors="replace")[:_LONGEST_ID] if raw else None

    async def forward(self, records: Sequence[tuple[Record, str]]) -> Sequence[Exception | None]:
        """Write each record to its topic, without the headers that a replay has added.

        Return one entry per record: why Kafka did not acknowledge it, or None if it did.
        """
        added = {*NOTES, REPLAY_ID}
        return await self._send(
            [
                OutgoingRecord(topic, record.key, record.value, self._without(added, record))
                for record, topic in records
            ]
        )

    async def send(self, letters: Sequence[DeadLetter]) -> Sequence[Exception | None]:
        """Write dead letters; return per letter why Kafka did not acknowledge it, else None.

        Of a record that was sent compressed and is too large for a dead letter, only as much is
        written as fits.
        """
        now = self._clock.now()
        failed: list[Exception | None] = [None] * len(letters)
        extents = [Extent.WHOLE] * len(letters)
        left: Sequence[int] = range(len(letters))
        while left:
            answers = await self._send([self._letter(letters[n], now, extents[n]) for n in left])
            for number, answer in zip(left, answers, strict=True):
                failed[number] = answer
            too_large = [
                number
                for number in left
                if isinstance(failed[number], TooLarge) and extents[number] in _LESS
            ]
            for number in too_large:
                extents[number] = _LESS[extents[number]]
            # A letter that waits for one before it is sent with the next try, if there is one.
            left = [number for number in left if failed[number] is not None] if too_large else ()
        return failed

    async def reject(self, letters: Sequence[DeadLetter]) -> Sequence[Exception | None]:
        """Write rejections; return per letter why Kafka did not acknowledge it, else None."""
        now = self._clock.now()
        return await self._send([self._rejection(letter, now) for letter in letters])

    async def _send(self, records: Sequence[OutgoingRecord]) -> Sequence[Exception | None]:
        answers = await self._publisher.send(records)
        return [answer if isinstance(answer, Exception) else None for answer in answers]

    def _letter(self, letter: DeadLetter, now: datetime, extent: Extent) -> OutgoingRecord:
        record, origin = letter.record, self.origin(letter.record)
        replayed = record.topic == self.replay
        before = attempts_of(record.headers) if replayed else 0
        notes: Mapping[str, str] = {
            TYPE: letter.refusal.reason,
            ERROR: _shortened(extent.value + letter.refusal.detail),
            TOPIC: origin.topic,
            PARTITION: str(origin.partition),
            OFFSET: str(origin.offset),
            ATTEMPTS: str(before + letter.attempts),
            FAILED_AT: rfc3339(now),
        }
        headers = [(name, text.encode()) for name, text in notes.items()]
        if extent is Extent.NOTES_ALONE:
            return OutgoingRecord(self._topic, None, None, headers)
        kept = self._without(NOTES, record)
        value = record.value if extent is Extent.WHOLE else None
        return OutgoingRecord(self._topic, record.key, value, [*kept, *headers])

    def _without(self, added: Collection[str], record: Record) -> list[tuple[str, bytes]]:
        """The headers of a record, without `added` if a replay has brought it."""
        replayed = record.topic == self.replay
        return [(name, raw) for name, raw in record.headers if not (replayed and name in added)]

    def _rejection(self, letter: DeadLetter, now: datetime) -> OutgoingRecord:
        record, origin = letter.record, self.origin(letter.record)
        seen = glimpse(record.headers, record.value)
        data = EventRejected(
            id=seen.id,
            type=seen.type,
            source=seen.source,
            subject=seen.subject,
            topic=origin.topic,
            partition=origin.partition,
            offset=origin.offset,
            reason=letter.refusal.reason,
            detail=_shortened(letter.refusal.detail),
            service=self._service,
        )
        place = f"{origin.partition}|{origin.offset}|{letter.refusal.reason}"
        headers, value = write(
            CloudEvent(
                id=event_id(EventRejected.TYPE, origin.topic, place),
                source=self._source,
                type=EventRejected.TYPE,
                data=data.to_json(),
                subject=seen.id,
                time=now,
                dataschema=EventRejected.DATASCHEMA,
                traceparent=seen.traceparent,
            )
        )
        key = seen.source or _UNKNOWN
        return OutgoingRecord(self._rejections, key.encode(), value, headers)


def _shortened(detail: str) -> str:
    """As much of a text as fits, on one line of printable characters."""
    return one_line(detail[:_LONGEST_ERROR])
