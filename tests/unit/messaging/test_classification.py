"""Which errors are transient, which are conflicts with another writer, and which are permanent."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    RequestTimedOutError,
)
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    CursorNotFound,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidName,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)
from pymongo.helpers_shared import _NOT_PRIMARY_CODES, _RETRYABLE_ERROR_CODES, _SHUTDOWN_CODES

from shared.messaging.core.classification import FailureKind, classify, conflict_in
from shared.messaging.core.errors import AlreadyExists, LeaseLost, PositionMoved, Stale, Unsendable
from shared.messaging.core.server_errors import OF_THE_DATA, OF_THE_SERVER

SERVER_CATEGORIES: Mapping[str, tuple[int, ...]] = {
    "NetworkError": (6, 7, 89, 317, 384, 9001),
    "NetworkTimeoutError": (89, 202),
    "Interruption": (24, 50, 237, 262, 279, 281, 282, 290, 355, 453, 11600, 11601, 11602, 46841),
    "NotPrimaryError": (189, 10107, 11602, 13435, 13436),
    "ShutdownError": (91, 333, 11600),
    "CancellationError": (90, 91, 310, 312, 333, 355, 11600, 46841),
    "ExceededTimeLimitError": (50, 202, 262, 290, 407),
    "SnapshotError": (239, 246, 250, 272),
    "WriteConcernError": (64, 75, 79, 100),
    "RetriableError": (6, 7, 89, 91, 134, 189, 262, 317, 358, 384, 402, 406, 407, 412, 453, 462),
    "RetriableError, of many digits": (9001, 10107, 11600, 11602, 13435, 13436, 50915, 91331),
    "RetriableError, of more": (10045600,),
    "CloseConnectionError": (303, 372, 398),
    "CursorInvalidatedError": (43, 96, 175, 237, 314),
    "SystemOverloadedError": (433, 449, 450, 462),
    "StaleShardVersionError": (150, 13388),
    "TwoPhaseDecisionAckError": (225, 251, 356),
}
"""Categories of the server's error codes that are not about the data (MongoDB 6.0 to 8)."""

DATA: Mapping[str, tuple[int, ...]] = {
    "ValidationError": (15, 22, 378),
    "IDLParseError": (40413, 40414, 40415),
    "too large": (257, 10334, 17419, 17420),
    "document": (52, 53, 56, 57, 66, 121, 171, 11000),
    "namespace": (73,),
    "query": (2, 9, 14),
}


def answered(code: int) -> OperationFailure:
    return OperationFailure("answered by the server", code)


def labelled(label: str) -> OperationFailure:
    return OperationFailure("answered by the server", 1, {"errorLabels": [label]})


def bulk(*codes: int, concern: bool = False) -> BulkWriteError:
    concerns = [{"code": 64, "errmsg": "waiting for replication timed out"}] if concern else []
    return BulkWriteError(
        {"writeErrors": [{"code": code} for code in codes], "writeConcernErrors": concerns}
    )


TRANSIENT: list[Exception] = [
    AutoReconnect("connection closed"),
    NetworkTimeout("timed out"),
    NotPrimaryError("not primary"),
    ServerSelectionTimeoutError("nobody there"),
    WaitQueueTimeoutError("all connections are in use"),
    ProtocolError("the answer broke off"),
    ExecutionTimeout("operation exceeded time limit", 50),
    CursorNotFound("left alone too long", 43),
    WTimeoutError("waiting for replication timed out", 64),
    WriteConcernError("not enough members", 100),
    WriteConcernError("of a kind that is yet to come", 99_999),
    *map(labelled, ("TransientTransactionError", "UnknownTransactionCommitResult")),
    *map(labelled, ("RetryableWriteError", "RetryableError", "SystemOverloadedError")),
    bulk(concern=True),
    bulk(290),
    KafkaConnectionError("no broker"),
    RequestTimedOutError(),
    NotLeaderForPartitionError(),
    Stale("moved on"),
    AlreadyExists("there"),
    Unsendable("too large"),
    ConnectionRefusedError(),
    TimeoutError(),
]
PERMANENT: list[Exception] = [
    DuplicateKeyError("there", 11000),
    bulk(11000),
    bulk(121),
    DocumentTooLarge("17 MB"),
    InvalidName("a name with a dollar sign"),
    MessageSizeTooLargeError(),
    PositionMoved("elsewhere"),
    LeaseLost("over"),
    ValueError("nobody foresaw it"),
    KeyError("neither this"),
]
DOUBTFUL: list[Exception] = [
    OperationFailure("it gives no code"),
    answered(1),  # InternalError
    answered(8),  # UnknownError
    answered(5_678_901),  # the number of an assertion of the server
    bulk(1),
    InvalidOperation("the client is closed: the process ends"),
    ConfigurationError("not with this server"),
    MemoryError(),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_transient_errors(error: Exception) -> None:
    assert classify(error) is FailureKind.TRANSIENT


@pytest.mark.parametrize("error", PERMANENT, ids=repr)
def test_permanent_errors(error: Exception) -> None:
    assert classify(error) is FailureKind.PERMANENT


@pytest.mark.parametrize("error", DOUBTFUL, ids=repr)
def test_unforeseen_errors_of_the_database_are_doubtful(error: Exception) -> None:
    assert classify(error) is FailureKind.DOUBTFUL


@pytest.mark.parametrize("kind", SERVER_CATEGORIES)
def test_categories_that_are_not_about_the_data_are_transient(kind: str) -> None:
    for code in SERVER_CATEGORIES[kind]:
        assert classify(answered(code)) is FailureKind.TRANSIENT, code
        assert classify(bulk(code)) is FailureKind.TRANSIENT, code


def test_codes_that_the_driver_retries_are_transient() -> None:
    for code in _NOT_PRIMARY_CODES | _RETRYABLE_ERROR_CODES | _SHUTDOWN_CODES:
        assert classify(answered(code)) is FailureKind.TRANSIENT, code


@pytest.mark.parametrize("code", [13, 18, 391, 402, 8000, 14031])
def test_disk_quota_and_permissions_are_transient(code: int) -> None:
    assert classify(answered(code)) is FailureKind.TRANSIENT


@pytest.mark.parametrize("kind", DATA)
def test_codes_about_the_data_are_permanent(kind: str) -> None:
    for code in DATA[kind]:
        assert classify(answered(code)) is FailureKind.PERMANENT, code


@given(st.integers(1, 20_000) | st.integers(100_000, 12_000_000), st.sampled_from(["", "bulk"]))
def test_only_known_codes_about_the_data_are_permanent(code: int, way: str) -> None:
    error = bulk(code) if way else answered(code)
    assert (classify(error) is FailureKind.PERMANENT) is (code in OF_THE_DATA)


def test_no_code_is_in_both_lists() -> None:
    assert not OF_THE_SERVER & OF_THE_DATA


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DuplicateKeyError("there", 11000), AlreadyExists),
        (bulk(11000), AlreadyExists),
        (bulk(11000, 11000), AlreadyExists),
        (bulk(11000, 112), Stale),
        (bulk(112), Stale),
        (OperationFailure("write conflict", 112), Stale),
    ],
    ids=repr,
)
def test_conflicts_with_another_writer_become_stale(error: PyMongoError, kind: type[Stale]) -> None:
    assert type(conflict_in(error)) is kind


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection closed"),
        OperationFailure("bad query", 2),
        bulk(11000, 2),
        bulk(concern=True),
        WriteConcernError("not replicated", 64),
    ],
    ids=repr,
)
def test_other_errors_of_the_driver_are_no_conflicts(error: PyMongoError) -> None:
    assert conflict_in(error) is None
