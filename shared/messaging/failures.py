"""Failures, sorted once: what passes by itself, and what never will work."""

from __future__ import annotations

from enum import Enum, auto

from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

_DUPLICATE_KEY = 11000
_WRITE_CONFLICT = 112
_NOT_THE_MESSAGES_FAULT = frozenset(
    {
        13,  # Unauthorized
        18,  # AuthenticationFailed
        43,  # CursorNotFound: a cursor that was left alone too long
        50,  # MaxTimeMSExpired
        237,  # CursorKilled
        239,  # SnapshotTooOld
        246,  # SnapshotUnavailable
        251,  # NoSuchTransaction
        262,  # ExceededTimeLimit
        11601,  # Interrupted
        14031,  # OutOfDiskSpace
    }
)
_RETRY_LABELS = (
    "TransientTransactionError",
    "UnknownTransactionCommitResult",
    "RetryableWriteError",
)


class Failure(Enum):
    """What to do about an error."""

    TRANSIENT = auto()  # load, decide and try again, for as long as it takes
    PERMANENT = auto()  # the same again would fail the same way


class Stale(Exception):
    """The aggregate has moved on since it was loaded, or is just being written by another."""


class AlreadyThere(Stale):
    """What was to be inserted exists: another was faster, or the decision cannot see it."""


class PositionMoved(Exception):
    """The stored position is not where this consumer thinks: it lost the partition, or slept."""


class LeaseLost(Exception):
    """Somebody else holds the lease: this process slept longer than it lasts."""


class Unsendable(Exception):
    """A record that Kafka does not take, whatever its state: too large, no such topic.

    To whoever has to write just this record it is transient: an operator can mend it.
    """


def sort(error: Exception) -> Failure:
    """Say what an error means to delivery.

    What nobody foresaw counts as permanent: it is dead-lettered with its text, and a flood of them
    stops the subscription instead of emptying the topic.
    """
    if isinstance(error, PyMongoError):
        return _sort_mongo(error)
    if isinstance(error, KafkaError):
        permanent = isinstance(error, MessageSizeTooLargeError)
        return Failure.PERMANENT if permanent else Failure.TRANSIENT
    if isinstance(error, Stale | Unsendable | OSError | TimeoutError):
        return Failure.TRANSIENT
    return Failure.PERMANENT


def stale(error: PyMongoError) -> Stale | None:
    """Say in our words that another writer was faster; None where the error is of another kind."""
    if isinstance(error, DuplicateKeyError) or _codes(error) == {_DUPLICATE_KEY}:
        return AlreadyThere(str(error))
    if _WRITE_CONFLICT in _codes(error):
        return Stale(str(error))
    return None


def _sort_mongo(error: PyMongoError) -> Failure:
    transient = (
        any(error.has_error_label(label) for label in _RETRY_LABELS)
        or isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError)
        or bool(_codes(error) & _NOT_THE_MESSAGES_FAULT)
        or (isinstance(error, BulkWriteError) and error.details.get("writeConcernErrors"))
    )
    return Failure.TRANSIENT if transient else Failure.PERMANENT


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, BulkWriteError):
        return {entry["code"] for entry in error.details.get("writeErrors", ())}
    if isinstance(error, OperationFailure) and error.code is not None:
        return {error.code}
    return set()
