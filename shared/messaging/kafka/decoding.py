"""Decoding of what a broker answers, so that one odd record does not stop the others.

aiokafka 0.14 decodes the names of headers strictly, in the middle of handing out what was fetched.
A name that is not UTF-8, which Kafka accepts, ends the read there. So names are decoded forgivingly
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException, KafkaError
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

_HEADERS_SINCE: Final = 2  # the record format that brought them


class Unreadable(CorruptRecordException):  # type: ignore[misc]  # aiokafka is untyped here
    """What a broker sent of a partition is no record; the first argument is the partition."""


class NamedPartitionRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka is untyped here
    """What was fetched of a partition; an error in it names the partition."""

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except StopIteration:
            raise
        except (KafkaError, ValueError, LookupError, ArithmeticError, AssertionError) as error:
            raise Unreadable(self._tp, repr(error)) from error


class ForgivingRecords(_MemoryRecordsPy):  # type: ignore[misc]  # final only for type checkers
    """The batches of one answer, each decoded by aiokafka, and if that fails, forgivingly."""

    def next_batch(self, *options: int) -> Any:
        raw = self._next_slice
        batch = super().next_batch(*options)
        return _Batch(batch, raw) if batch is not None and batch.magic >= _HEADERS_SINCE else batch


class _Batch:
    """A batch that goes on forgivingly if aiokafka's own decoder fails."""

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


class _ForgivingBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final only for type checkers
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
