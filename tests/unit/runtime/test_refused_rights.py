"""What is said of a login or a command that MongoDB refuses."""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect, OperationFailure, ServerSelectionTimeoutError

from shared.messaging.core.classification import FailureKind, classify
from shared.messaging.core.stalls import StallCause, StalledPart, Stalls, cause_of
from shared.runtime.metrics import Metrics
from shared.runtime.refused_rights import refused_right, untrusted_certificate

_FIND = OperationFailure(
    'not authorized on followups_crisis to execute command { find: "commits", filter: { by: '
    '"رضا" }, lsid: { id: UUID("…") }, $db: "followups_crisis" }',
    13,
)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (_FIND, "the right to find in followups_crisis.commits is missing: "),
        (
            OperationFailure(
                "not authorized on admin to execute command { killSessions: [ { id: UUID() } ] }",
                13,
            ),
            "the right to killSessions in admin is missing: ",
        ),
        (OperationFailure("Command find requires authentication", 13), "MongoDB asks for a user: "),
        (OperationFailure("not allowed", 13), "MongoDB refuses a command to this user: "),
        (OperationFailure("Authentication failed.", 18), "MongoDB does not accept the user or "),
    ],
)
def test_a_refusal_names_the_right_and_the_place(error: OperationFailure, said: str) -> None:
    line = refused_right(error)
    assert line is not None
    assert line.startswith(said)
    assert "رضا" not in line
    assert "\n" not in line
    assert classify(error) is FailureKind.TRANSIENT  # it waits until an operator grants it
    assert cause_of(error) is StallCause.NO_RIGHT


@pytest.mark.parametrize(
    "error",
    [OperationFailure("E11000", 11000), AutoReconnect("away"), ValueError("not authorized")],
)
def test_other_errors_are_no_refusal(error: Exception) -> None:
    assert refused_right(error) is None
    assert cause_of(error) is not StallCause.NO_RIGHT


def test_a_certificate_of_somebody_else_is_named() -> None:
    wrong = ServerSelectionTimeoutError(
        "db:27017: SSL handshake failed: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"
    )
    assert "tlsCAFile" in (untrusted_certificate(wrong) or "")
    assert untrusted_certificate(ServerSelectionTimeoutError("db:27017: refused")) is None


def test_a_part_lacks_a_right_until_an_attempt_succeeds() -> None:
    stalls, part = Stalls(Metrics()), StalledPart("lease", "followups_crisis/relay")

    def attempt(error: Exception | None) -> None:
        with stalls.rights_shown(part):
            if error is not None:
                raise error

    with pytest.raises(OperationFailure):
        attempt(_FIND)
    with pytest.raises(AutoReconnect):
        attempt(AutoReconnect("away"))
    assert stalls.rights_lacking() == (refused_right(_FIND),)
    attempt(None)
    assert stalls.rights_lacking() == ()
