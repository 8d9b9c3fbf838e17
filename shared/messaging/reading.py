"""aiokafka's consumer, as this project needs it. Seen with aiokafka 0.14, each with a test:

It decodes the names of headers strictly, in the middle of handing out what was fetched. A name
that is not UTF-8, which Kafka takes, ends the read there, what was handed out so far is dropped,
and the next read begins behind it. So names are decoded forgivingly here, and reads that fail are
counted, for the reader to go back.

Where records lie unread for 0.1 s, it asks their broker for the other partitions alone. If those
are idle, as a topic of replays is, the answer takes half a second (`fetch.max.wait.ms`), and
nothing else is asked of that broker meanwhile: whoever takes longer than that over a batch gets
the next one in gusts. So `SteadyConsumer` asks for nothing while something lies unread.

What lies unread was fetched when the batch before was handed out, so it is the first that came
since, and the rest waits for one more batch to go by. So where something lies there,
`SteadyConsumer` reads it together with what came meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, Final, TypeAlias

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, KafkaError
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

_log = structlog.get_logger(__name__)

_HEADERS_SINCE: Final = 2  # the record format that brought them
_UNREAD_SECONDS: Final = 3_600.0  # for as long as records lie unread, in effect
_MEANWHILE_MS: Final = 5  # a fetch of what is there already takes less


Fetched: TypeAlias = dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]


class ForgivingConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is untyped here
    """A consumer whose reads fail for what the broker says, not for what a record holds."""

    def __init__(self, *topics: str, **options: Any) -> None:
        fetcher.MemoryRecords = _Records  # the fetcher looks it up for each answer
        super().__init__(*topics, **options)
        self.failed_reads = 0
        """How many reads failed, each of which may have dropped records of any partition."""

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Fetched:
        """Read as aiokafka does. Raises KafkaError alone, so FastStream pauses and goes on."""
        try:
            return await super().getmany(  # type: ignore[no-any-return]
                *partitions, timeout_ms=timeout_ms, max_records=max_records
            )
        except KafkaError as error:
            self.failed_reads += 1
            _log.warning("read failed", error=f"{type(error).__name__}: {error}")
            raise
        except (ValueError, LookupError, ArithmeticError, AssertionError) as error:
            self.failed_reads += 1
            _log.exception("what was read is no record")
            raise CorruptRecordException(repr(error)) from error

    def highwater(self, partition: TopicPartition) -> int | None:
        """Where a partition ends, by its last read; None where it was not read, or taken away.

        aiokafka's own fails an assertion for one that a rebalance took away meanwhile.
        """
        assigned = partition in self.assignment()
        return super().highwater(partition) if assigned else None


class SteadyConsumer(ForgivingConsumer):
    """A consumer that reads all of its partitions together, always."""

    async def start(self) -> None:
        """Connect and begin to fetch, as aiokafka does."""
        await super().start()
        self._fetcher._prefetch_backoff = _UNREAD_SECONDS

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Fetched:
        """Read what lies there and what came meanwhile; where nothing does, wait as aiokafka does.

        Raises KafkaError, and ValueError where partitions are named: what lies unread in others
        would keep them waiting for ever.
        """
        if partitions:
            raise ValueError("a steady consumer reads all of its partitions")
        found = await super().getmany(timeout_ms=0, max_records=max_records)
        if not found:
            return await super().getmany(timeout_ms=timeout_ms, max_records=max_records)
        left = None if max_records is None else max_records - sum(map(len, found.values()))
        if left == 0:
            return found
        with suppress(KafkaError):  # it is counted, and comes again where it is not over
            since = await super().getmany(timeout_ms=_MEANWHILE_MS, max_records=left)
            for partition, records in since.items():
                found.setdefault(partition, []).extend(records)
        return found


class _Records(_MemoryRecordsPy):  # type: ignore[misc]  # final for type checkers alone
    """The batches of one answer; each is decoded by aiokafka, and where that fails, forgivingly."""

    def next_batch(self, *options: int) -> Any:
        raw = self._next_slice
        batch = super().next_batch(*options)
        return _Batch(batch, raw) if batch is not None and batch.magic >= _HEADERS_SINCE else batch


class _Batch:
    """A batch that goes on forgivingly where aiokafka's own decoder does not."""

    def __init__(self, strict: Any, raw: memoryview | None) -> None:
        self._strict = strict
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strict, name)

    def __next__(self) -> Any:
        return next(self._strict)

    def __iter__(self) -> Iterator[Any]:
        handed_out = 0
        try:
            for record in self._strict:
                yield record
                handed_out += 1
        except UnicodeDecodeError:
            yield from islice(_ForgivingBatch(self._raw), handed_out, None)


class _ForgivingBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final for type checkers alone
    """Decodes a name that is not UTF-8 with its wrong bytes written out, as in `na\\xffme`."""

    def __iter__(self) -> Any:
        super().__iter__()  # decompresses
        self._buffer: bytes = _ForgivingBytes(self._buffer)
        return self


class _ForgivingBytes(bytes):
    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return part if isinstance(part, int) else _ForgivingBytes(part)

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)
