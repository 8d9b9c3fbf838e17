"""What others' messages quote does not reach a log."""

from __future__ import annotations

import json
import logging
from io import StringIO
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

from shared.runtime.logs import configure
from shared.runtime.redaction import pseudonym, redacted, without_secrets
from tests.unit.runtime.test_logs import Lines, lines, restored, written

__all__ = ["lines", "restored", "written"]  # its fixtures

NAME = "سیمین دانشور"
TOKEN = (
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzLmthcmltaSJ9.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0"  # of nobody
)


class Officer(BaseModel):
    """A model with a personal datum."""

    name: int


def pydantics() -> Exception:
    try:
        Officer.model_validate({"name": NAME})
    except ValidationError as error:
        return error
    raise AssertionError


def errors() -> list[Exception]:
    """Errors of libraries that quote what they were given."""
    command = f'not authorized on civil to execute command {{ insert: "x", name: "{NAME}" }}'
    written = {"writeErrors": [{"code": 121, "op": {"title": NAME}}], "nInserted": 0}
    return [
        pydantics(),
        DuplicateKeyError(f'E11000 duplicate key error dup key: {{ officer: "{NAME}" }}', 11000),
        OperationFailure(command, 13, {"errmsg": command}),
        BulkWriteError(written),
        OperationFailure("x", 11000, {"keyValue": {"officer": NAME}}),
    ]


@pytest.mark.parametrize("error", errors(), ids=lambda error: type(error).__name__)
def test_what_a_library_quotes_is_cut(lines: Lines, error: Exception) -> None:
    log = structlog.get_logger()
    log.warning("waiting", error=f"{type(error).__name__}: {error}")
    log.error("failed", error=repr(error))
    try:
        raise error
    except type(error):
        log.exception("failed")
    logging.getLogger("x").error("it says %s", error)
    text = json.dumps(lines(), ensure_ascii=False)
    assert type(error).__name__ in text
    assert NAME not in text


def test_it_is_cut_on_consoles_too(restored: None, written: StringIO) -> None:
    configure("followups", "info", json_lines=False, stream=written)
    try:
        raise pydantics()
    except ValidationError:
        structlog.get_logger().exception("failed", authorization=f"Bearer {TOKEN}")
    assert NAME not in written.getvalue()
    assert TOKEN not in written.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {TOKEN}",
        f"got {TOKEN} from the client",
        f"mongodb://peygir:{TOKEN}@db:27017/?replicaSet=rs",
        f"password={TOKEN}&grant_type=client_credentials",
        f'{{"client_secret": "{TOKEN}"}}',
        f"Basic {TOKEN}",
    ],
)
def test_a_secret_is_cut_wherever_it_is(text: str) -> None:
    assert TOKEN not in redacted(text)
    assert "secret" not in redacted(text).replace("client_secret", "")


@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 <g.razavi@ostan.example>: user unknown",
        "g.razavi@ostan.example is no mailbox",
        "['g.razavi@ostan.example']",
    ],
)
def test_an_address_of_mail_is_cut(text: str) -> None:
    assert "razavi" not in redacted(text)
    assert "ostan" not in redacted(text)


@pytest.mark.parametrize("name", ["Authorization", "smtp_password", "access_token", "clientSecret"])
def test_a_value_with_the_name_of_a_secret_is_cut(name: str) -> None:
    assert without_secrets("message", {"inner": [{name: "hunter2"}]}) == {"inner": [{name: "…"}]}


@pytest.mark.parametrize(
    "text",
    [
        "partition waits",
        "peygir.resolutions.v1.civil[2]@118",
        "KafkaConnectionError: Unable to bootstrap from [('127.0.0.1', 29092)]",
        "http://127.0.0.1:8103/readyz",
        "AutoReconnect: 127.0.0.1:27117: [Errno 111] Connection refused",
        "E11000 duplicate key error collection: followups_civil.followups index: _id_",
    ],
)
def test_what_operators_need_stays(text: str) -> None:
    assert redacted(text) == text


@given(st.recursive(st.text() | st.integers() | st.none(), lambda s: st.lists(s, max_size=4)))
def test_anything_can_be_redacted_and_twice_is_once(value: Any) -> None:
    once = without_secrets("x", value)
    assert without_secrets("x", once) == once


def test_a_pseudonym_is_the_same_for_the_same_person() -> None:
    assert pseudonym("s.karimi") == pseudonym("s.karimi")
    assert pseudonym("s.karimi") != pseudonym("s.karami")
    assert "karimi" not in pseudonym("s.karimi")
