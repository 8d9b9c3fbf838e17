"""Which errors pass by themselves, which are another writer's, and which are for good."""

from __future__ import annotations

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    RequestTimedOutError,
)
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WTimeoutError,
)

from shared.messaging.failures import (
    AlreadyThere,
    Failure,
    LeaseLost,
    PositionMoved,
    Stale,
    Unsendable,
    sort,
    stale,
)


def labelled(label: str) -> OperationFailure:
    return OperationFailure("told so by the server", 1, {"errorLabels": [label]})


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
    ExecutionTimeout("operation exceeded time limit", 50),
    WTimeoutError("waiting for replication timed out", 64),
    *(
        OperationFailure("not the message's fault", code)
        for code in (13, 18, 50, 246, 251, 262, 14031)
    ),
    labelled("TransientTransactionError"),
    labelled("UnknownTransactionCommitResult"),
    labelled("RetryableWriteError"),
    bulk(concern=True),
    KafkaConnectionError("no broker"),
    RequestTimedOutError(),
    NotLeaderForPartitionError(),
    Stale("moved on"),
    AlreadyThere("there"),
    Unsendable("too large"),
    ConnectionRefusedError(),
    TimeoutError(),
]
PERMANENT: list[Exception] = [
    OperationFailure("bad query", 2),
    OperationFailure("bad query"),
    DuplicateKeyError("there", 11000),
    bulk(11000),
    DocumentTooLarge("17 MB"),
    MessageSizeTooLargeError(),
    PositionMoved("elsewhere"),
    LeaseLost("over"),
    ValueError("nobody foresaw it"),
    KeyError("neither this"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_what_passes_by_itself_is_waited_out(error: Exception) -> None:
    assert sort(error) is Failure.TRANSIENT


@pytest.mark.parametrize("error", PERMANENT, ids=repr)
def test_what_would_fail_the_same_way_again_is_not(error: Exception) -> None:
    assert sort(error) is Failure.PERMANENT


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DuplicateKeyError("there", 11000), AlreadyThere),
        (bulk(11000), AlreadyThere),
        (bulk(11000, 11000), AlreadyThere),
        (bulk(11000, 112), Stale),
        (bulk(112), Stale),
        (OperationFailure("write conflict", 112), Stale),
    ],
    ids=repr,
)
def test_another_writers_haste_is_said_in_our_words(error: PyMongoError, kind: type[Stale]) -> None:
    assert type(stale(error)) is kind


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
def test_other_errors_of_the_driver_stay_what_they_are(error: PyMongoError) -> None:
    assert stale(error) is None
