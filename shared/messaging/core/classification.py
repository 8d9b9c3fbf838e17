"""Failures, classified in one place: which pass by themselves, and which never do."""

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

    TRANSIENT = auto()  # load, decide and save again, as long as it takes
    PERMANENT = auto()  # a retry would fail in the same way
    DOUBTFUL = auto()  # it may be either


def classify(error: Exception) -> FailureKind:
    """Return what an error means for delivery.

    A short list of MongoDB's error codes is about the data and permanent: too large, not valid, no
    such name. A long list is about the server and transient, however long it lasts: elections,
    time limits, disk, rights. An unknown code is doubtful. If it counted as transient, one message
    could stop its partition for ever. If it counted as permanent, an unforeseen state of the server
    would turn good events into dead letters, each of which costs a person's work and its place in
    the order. So a batch with such a failure is halved at once, and a single message is retried for
    a while before it is dead-lettered. Work that cannot be dead-lettered takes it as permanent.

    A bug of this code is permanent: it fails on the same message in the same way. A flood of such
    failures pauses the topic.
    """
    if isinstance(error, PyMongoError):
        return _classify_mongo(error)
    if isinstance(error, KafkaError):
        permanent = isinstance(error, MessageSizeTooLargeError)
        return FailureKind.PERMANENT if permanent else FailureKind.TRANSIENT
    if isinstance(error, Transient | OSError | TimeoutError):
        return FailureKind.TRANSIENT
    if isinstance(error, MemoryError):  # of the process, or of one message that is too large
        return FailureKind.DOUBTFUL
    return FailureKind.PERMANENT


def conflict_in(error: PyMongoError) -> Stale | None:
    """Return the error as Stale if another writer was faster; None if it is of another kind."""
    if isinstance(error, DuplicateKeyError) or _codes(error) == {_DUPLICATE_KEY}:
        return AlreadyExists(str(error))
    if _WRITE_CONFLICT in _codes(error):
        return Stale(str(error))
    return None


def _classify_mongo(error: PyMongoError) -> FailureKind:
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
    return FailureKind.DOUBTFUL  # for example a client that is already closed


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, BulkWriteError):
        return {entry["code"] for entry in error.details.get("writeErrors", ())}
    if isinstance(error, OperationFailure) and error.code is not None:
        return {error.code}
    return set()
