"""A batch in work: what was read of each record, and the verdict on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, get_args

from shared.contracts.envelope import Unreadable, UnreadableReason, read
from shared.contracts.events import Invalid, UnknownType, parse
from shared.messaging.core.model import Deferred, Message, Origin, Outcome, Record, Refusal, Verdict
from shared.messaging.core.sources import FORBIDDEN, SourceRule
from shared.messaging.inbound.deadletters import DeadLetters

_PART_BYTES: Final = 8_000_000

REASONS: Final = (*get_args(UnreadableReason), "unknown-type", "invalid", "failed", FORBIDDEN)
"""Why any service refuses an event; its handlers have reasons of their own."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A record with the message in it, or with a verdict if it needs no handler."""

    record: Record
    content: Message | Verdict
    deferred: Deferred | None = None  # the stored message, if it is offered again

    @property
    def place(self) -> str:
        """Topic, partition and offset, for people."""
        return f"{self.record.topic}/{self.record.partition}/{self.record.offset}"


Judged: TypeAlias = tuple[BatchItem, Verdict]
"""A record with the verdict on it."""


class RecordReader:
    """Reads records for one group."""

    def __init__(
        self,
        topics: Collection[str],
        dead_letters: DeadLetters,
        rule: SourceRule | None = None,
    ) -> None:
        """`rule`: which sources are believed; None if all are."""
        self._topics = frozenset(topics)
        self._dead_letters = dead_letters
        self._rule = rule

    def item(self, record: Record, deferred: Deferred | None = None) -> BatchItem:
        """Read a record. Raises nothing: what cannot be read gets a Refusal."""
        return BatchItem(record, self._content(record, deferred is not None), deferred)

    def _content(self, record: Record, deferred: bool) -> Message | Verdict:
        first = self._dead_letters.origin(record)
        if first.topic != record.topic and first.topic not in self._topics:
            return Outcome.IGNORED  # a replay meant for another group
        try:
            event = read(record.headers, record.value)
            origin = Origin(record.topic, record.partition, record.offset)
            data, at = parse(event), record.timestamp
            if self._rule is not None and not deferred:  # what waits was judged when it came
                replayed = record.topic == self._dead_letters.replay
                if refusal := self._rule.refusal(record, event, data, replayed=replayed):
                    return refusal
            return Message(origin, event, data, first.topic, deferred, at)
        except Unreadable as error:
            return Refusal(error.reason, error.detail)
        except UnknownType as error:
            return Refusal("unknown-type", str(error))
        except Invalid as error:
            return Refusal("invalid", str(error))


def parts_of(items: Sequence[BatchItem]) -> Iterator[list[BatchItem]]:
    """Cut a batch into parts that fit into a transaction's time; the last part comes first."""
    part: list[BatchItem] = []
    size = 0
    for item in reversed(items):
        bytes_ = len(item.record.value or b"")
        if part and size + bytes_ > _PART_BYTES:
            yield part[::-1]
            part, size = [], 0
        part.append(item)
        size += bytes_
    yield part[::-1]
