"""What MongoDB refuses to a user: its login, or one command on one collection.

MongoDB's own message repeats the refused command, and with it parts of documents. What is logged
and shown names the command and the collection alone.
"""

from __future__ import annotations

import re
from typing import Final

from pymongo.errors import OperationFailure, PyMongoError

_UNAUTHORIZED: Final = 13
_LOGIN: Final = frozenset({11, 18, 334, 337})  # of a user unknown, refused, or that cannot log in
_COMMAND: Final = re.compile(
    r"not authorized on (?P<database>\S+) to execute command "
    r'\{ (?P<command>\w+): (?:"(?P<on>[^"]*)")?'
)
_NO_USER: Final = "requires authentication"
_CERTIFICATE: Final = (
    "certificate verify failed",
    "CERTIFICATE_VERIFY_FAILED",
    "Hostname mismatch",
)


def refused_right(error: BaseException) -> str | None:
    """What MongoDB refuses and what to do about it, in one line; None for any other error."""
    if not isinstance(error, OperationFailure):
        return None
    if error.code in _LOGIN:
        return (
            "MongoDB does not accept the user or its password: compare PEYGIR_MONGODB_USERNAME and "
            "PEYGIR_MONGODB_PASSWORD with what python -m tools.access mongodb has made; "
            "a process reads them when it starts"
        )
    if error.code != _UNAUTHORIZED:
        return None
    message = str(error)
    if _NO_USER in message:
        return "MongoDB asks for a user: set PEYGIR_MONGODB_USERNAME and PEYGIR_MONGODB_PASSWORD"
    found = _COMMAND.search(message)
    if found is None:
        return "MongoDB refuses a command to this user: run python -m tools.access mongodb"
    place = ".".join(part for part in (found["database"], found["on"]) if part)
    return (
        f"the right to {found['command']} in {place} is missing: "
        "run python -m tools.access mongodb as an administrator"
    )


def refusal(error: BaseException) -> str | None:
    """What MongoDB, or this process because of MongoDB's certificate, refuses; None if nothing."""
    return refused_right(error) or untrusted_certificate(error)


def untrusted_certificate(error: BaseException) -> str | None:
    """What is wrong if the server's certificate is not accepted; None for any other error."""
    if not isinstance(error, PyMongoError) or not any(sign in str(error) for sign in _CERTIFICATE):
        return None
    return (
        "MongoDB's certificate is not accepted: tlsCAFile in PEYGIR_MONGODB_URI has to name the "
        "authority that signed it, and the certificate the host in the address"
    )
