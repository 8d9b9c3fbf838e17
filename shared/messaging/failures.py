"""Failures, sorted once: what passes by itself, and what never will work."""

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

from shared.messaging.servererrors import OF_THE_DATA, OF_THE_SERVER

_DUPLICATE_KEY = 11000
_WRITE_CONFLICT = 112
_RETRY_LABELS = (
    "TransientTransactionError",
    "UnknownTransactionCommitResult",
    "RetryableWriteError",
    "RetryableError",
    "SystemOverloadedError",
)


class Failure(Enum):
    """What to do about an error."""

    TRANSIENT = auto()  # load, decide and try again, for as long as it takes
    PERMANENT = auto()  # the same again would fail the same way
    DOUBTFUL = auto()  # it may be either


class Stale(Exception):
    """The aggregate has moved on since it was loaded, or is just being written by another."""


class AlreadyThere(Stale):
    """What was to be inserted exists: another was faster, or the decision cannot see it."""


class NotLevel(PyMongoError):
    """A database may not hold yet what its own topics do: as good as one that does not answer."""


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
        return Failure.PERMANENT if permanent else Failure.TRANSIENT
    if isinstance(error, Stale | Unsendable | OSError | TimeoutError):
        return Failure.TRANSIENT
    if isinstance(error, MemoryError):  # of this process, or of one message that is too much
        return Failure.DOUBTFUL
    return Failure.PERMANENT


def stale(error: PyMongoError) -> Stale | None:
    """Say in our words that another writer was faster; None where the error is of another kind."""
    if isinstance(error, DuplicateKeyError) or _codes(error) == {_DUPLICATE_KEY}:
        return AlreadyThere(str(error))
    if _WRITE_CONFLICT in _codes(error):
        return Stale(str(error))
    return None


def _sort_mongo(error: PyMongoError) -> Failure:
    codes = _codes(error)
    transient = (
        any(error.has_error_label(label) for label in _RETRY_LABELS)
        or isinstance(error, NotLevel | ConnectionFailure | ProtocolError | WriteConcernError)
        or bool(codes & OF_THE_SERVER)
        or (isinstance(error, BulkWriteError) and error.details.get("writeConcernErrors"))
    )
    if transient:
        return Failure.TRANSIENT
    if codes & OF_THE_DATA or isinstance(error, InvalidName | CollectionInvalid):
        return Failure.PERMANENT
    return Failure.DOUBTFUL  # a client that is closed already, for one


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, BulkWriteError):
        return {entry["code"] for entry in error.details.get("writeErrors", ())}
    if isinstance(error, OperationFailure) and error.code is not None:
        return {error.code}
    return set()
