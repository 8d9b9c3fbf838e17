"""A batch as it is worked on: what could be read of each record, and what was decided of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from shared.contracts.envelope import Unreadable, read
from shared.contracts.events import Invalid, UnknownType, parse
from shared.messaging.core.model import Deferred, Message, Origin, Outcome, Record, Refusal, Verdict
from shared.messaging.inbound.deadletters import DeadLetters

_BYTES_A_PART: Final = 8_000_000


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A record with what could be read of it: a message, or a verdict without reading on."""

    record: Record
    content: Message | Verdict
    waited: Deferred | None = None  # where it is offered again

    @property
    def where(self) -> str:
        """Its place, for people."""
        return f"{self.record.topic}/{self.record.partition}/{self.record.offset}"


Judged: TypeAlias = tuple[BatchItem, Verdict]
"""A record with what becomes of it."""


class RecordReader:
    """Reads records for one group."""

    def __init__(self, topics: Collection[str], dead_letters: DeadLetters) -> None:
        self._topics = frozenset(topics)
        self._dead_letters = dead_letters

    def item(self, record: Record, waited: Deferred | None = None) -> BatchItem:
        """A record as it is worked on. Raises nothing."""
        return BatchItem(record, self._content(record, waited is not None), waited)

    def _content(self, record: Record, deferred: bool) -> Message | Verdict:
        first = self._dead_letters.origin(record)
        if first.topic != record.topic and first.topic not in self._topics:
            return Outcome.IGNORED  # a replay meant for another group
        try:
            event = read(record.headers, record.value)
            origin = Origin(record.topic, record.partition, record.offset)
            data, at = parse(event), record.timestamp
            return Message(origin, event, data, first.topic, deferred, at)
        except Unreadable as error:
            return Refusal(error.reason, error.detail)
        except UnknownType as error:
            return Refusal("unknown-type", str(error))
        except Invalid as error:
            return Refusal("invalid", str(error))


def parts_of(items: Sequence[BatchItem]) -> Iterator[list[BatchItem]]:
    """Cut a batch from its end into parts that a transaction takes in its time; the first last."""
    part: list[BatchItem] = []
    size = 0
    for item in reversed(items):
        bytes_ = len(item.record.value or b"")
        if part and size + bytes_ > _BYTES_A_PART:
            yield part[::-1]
            part, size = [], 0
        part.append(item)
        size += bytes_
    yield part[::-1]
