"""Records with header names that are no text, as clients in other languages may send them."""

from __future__ import annotations

from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

NONE, GZIP = 0, 1


class Name(str):
    """A name that is sent as other bytes than its own, as a client in another language may."""

    __slots__ = ("sent",)
    sent: bytes

    def __new__(cls, sent: bytes) -> Name:
        name = super().__new__(cls, "name")
        name.sent = sent
        return name

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.sent


def batch_builder(compression: int = NONE) -> _DefaultRecordBatchBuilderPy:
    """aiokafka's builder of a batch, the one that takes a `Name`."""
    return _DefaultRecordBatchBuilderPy(2, compression, 0, -1, -1, -1, 10_000_000)
