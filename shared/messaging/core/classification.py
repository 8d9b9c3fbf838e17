"""Failures, classified once: what passes by itself, and what never will work."""

from __future__ import annotations

from enum import Enum, auto

from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from pymongo.errors import (
    BulkWriteError,
    CollectionInvalid,
    ConnectionFailure,
    DuplicateKeyError,
    InvalidName,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    WriteConcernError,
)

from shared.messaging.core.errors import AlreadyExists, Stale
from shared.messaging.core.server_errors import OF_THE_DATA, OF_THE_SERVER
from shared.runtime.errors import Transient

_DUPLICATE_KEY = 11000
_WRITE_CONFLICT = 112
_RETRY_LABELS = (
    "TransientTransactionError",
    "UnknownTransactionCommitResult",
    "RetryableWriteError",
    "RetryableError",
    "SystemOverloadedError",
)


class FailureKind(Enum):
    """What to do about an error."""

    TRANSIENT = auto()  # load, decide and try again, for as long as it takes
    PERMANENT = auto()  # the same again would fail the same way
    DOUBTFUL = auto()  # it may be either


def classify(error: Exception) -> FailureKind:
    """Say what an error means to delivery.

    Of what MongoDB answers, a short list tells of the data and is permanent: too large, not valid,
    no such name. A long one tells of the server and is transient, whatever that lasts: elections,
    time limits, disk, rights. A code that nobody foresaw is doubtful. Taken for transient, one
    message may hold its partition up for ever; taken for permanent, a state of the server that
    nobody foresaw makes dead letters of good events, each of which costs a person's work and its
    place in the order. So whoever has such a failure halves what he has in hand at once, and waits
    a while with a single message before he gives it up; where there is nothing to give up, it
    counts as permanent.

    A fault of our own code is permanent: it fails on the same message the same way. A flood of them
    closes the topic instead of emptying it.
    """
    if isinstance(error, PyMongoError):
        return _sort_mongo(error)
    if isinstance(error, KafkaError):
        permanent = isinstance(error, MessageSizeTooLargeError)
        return FailureKind.PERMANENT if permanent else FailureKind.TRANSIENT
    if isinstance(error, Transient | OSError | TimeoutError):
        return FailureKind.TRANSIENT
    if isinstance(error, MemoryError):  # of this process, or of one message that is too much
        return FailureKind.DOUBTFUL
    return FailureKind.PERMANENT


def conflict_in(error: PyMongoError) -> Stale | None:
    """Say in our words that another writer was faster; None where the error is of another kind."""
    if isinstance(error, DuplicateKeyError) or _codes(error) == {_DUPLICATE_KEY}:
        return AlreadyExists(str(error))
    if _WRITE_CONFLICT in _codes(error):
        return Stale(str(error))
    return None


def _sort_mongo(error: PyMongoError) -> FailureKind:
    codes = _codes(error)
    transient = (
        any(error.has_error_label(label) for label in _RETRY_LABELS)
        or isinstance(error, ConnectionFailure | ProtocolError | WriteConcernError)
        or bool(codes & OF_THE_SERVER)
        or (isinstance(error, BulkWriteError) and error.details.get("writeConcernErrors"))
    )
    if transient:
        return FailureKind.TRANSIENT
    if codes & OF_THE_DATA or isinstance(error, InvalidName | CollectionInvalid):
        return FailureKind.PERMANENT
    return FailureKind.DOUBTFUL  # a client that is closed already, for one


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, BulkWriteError):
        return {entry["code"] for entry in error.details.get("writeErrors", ())}
    if isinstance(error, OperationFailure) and error.code is not None:
        return {error.code}
    return set()
