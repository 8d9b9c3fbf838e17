"""The errors that the driver gives, built as it builds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
)

TRANSIENT: Final = "TransientTransactionError"
UNKNOWN: Final = "UnknownTransactionCommitResult"
RETRYABLE: Final = "RetryableWriteError"

NAMES: Final[Mapping[int, str]] = {
    43: "CursorNotFound",
    112: "WriteConflict",
    189: "PrimarySteppedDown",
    239: "SnapshotTooOld",
    251: "NoSuchTransaction",
    290: "TransactionExceededLifetimeLimitSeconds",
    11600: "InterruptedAtShutdown",
    11602: "InterruptedDueToReplStateChange",
    10107: "NotWritablePrimary",
}


def labelled(error: PyMongoError, *labels: str) -> PyMongoError:
    """An error with labels, as the server or the driver puts them on."""
    for label in labels:
        error._add_error_label(label)
    return error


def failure(code: int, *labels: str, message: str = "") -> OperationFailure:
    """What the server answers where an operation fails."""
    name = NAMES.get(code, "UnknownError")
    details = {
        "ok": 0.0,
        "errmsg": message or name,
        "code": code,
        "codeName": name,
        "errorLabels": list(labels),
    }
    return OperationFailure(message or name, code, details)


def conflict() -> OperationFailure:
    """Another transaction was faster."""
    told = "WriteConflict error: this operation conflicted with another operation."
    return failure(112, TRANSIENT, message=told)


def no_such_transaction() -> OperationFailure:
    """The server has aborted the transaction, or never heard of it."""
    return failure(251, TRANSIENT, message="Transaction has been aborted.")


def too_long() -> OperationFailure:
    """The transaction ran out while one of its operations was at work."""
    return failure(290, message="operation was interrupted: transaction has exceeded its lifetime")


def duplicate(namespace: str, index: str, key: Any) -> DuplicateKeyError:
    """A unique index holds the key already."""
    told = f"E11000 duplicate key error collection: {namespace} index: {index} dup key: {key}"
    details = {"index": 0, "code": 11000, "errmsg": told, "keyValue": key}
    return DuplicateKeyError(told, 11000, details)


def bulk(
    write_errors: list[dict[str, Any]], counts: Mapping[str, int] | None = None
) -> BulkWriteError:
    """Some writes of a bulk have failed."""
    details: dict[str, Any] = {
        "writeErrors": write_errors,
        "writeConcernErrors": [],
        "nInserted": 0,
        "nUpserted": 0,
        "nMatched": 0,
        "nModified": 0,
        "nRemoved": 0,
        "upserted": [],
        **(counts or {}),
    }
    return BulkWriteError(details)


def lost_connection() -> AutoReconnect:
    """The connection was closed in the middle of an operation."""
    return AutoReconnect("127.0.0.1:27117: connection closed")


def not_primary() -> NotPrimaryError:
    """The member that was asked is none any more."""
    details = {"ok": 0.0, "errmsg": "not primary", "code": 10107, "codeName": NAMES[10107]}
    return NotPrimaryError("not primary", details)
