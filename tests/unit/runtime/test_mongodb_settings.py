"""As whom MongoDB is reached, and what production asks of the connection."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from pymongo.uri_parser import parse_uri

from shared.runtime.settings import load
from shared.runtime.settings.mongodb import MongoSettings
from tests.unit.runtime.environment import Environment, complaint

_TLS = "mongodb://db/?replicaSet=x&tls=true"


@given(user=st.text(min_size=1, max_size=20), password=st.text(min_size=1, max_size=20))
def test_the_address_names_user_and_password_whatever_their_letters(
    user: str, password: str
) -> None:
    settings = MongoSettings.model_construct(
        mongodb_uri=SecretStr("mongodb://a:1,b:2/?replicaSet=x"),
        mongodb_username=user,
        mongodb_password=SecretStr(password),
        mongodb_password_file=None,
    )
    parsed = parse_uri(settings.mongodb_address())
    assert (parsed["username"], parsed["password"]) == (user, password)
    assert parsed["nodelist"] == [("a", 1), ("b", 2)]


def test_the_password_may_be_in_a_file_of_its_own(environment: Environment, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("pass/word\n")
    environment.set(
        MONGODB_URI="mongodb+srv://db.x.y/?w=majority",
        MONGODB_USERNAME="reports",
        MONGODB_PASSWORD_FILE=str(file),
    )
    address = load(MongoSettings).mongodb_address()
    assert address == "mongodb+srv://reports:pass%2Fword@db.x.y/?w=majority"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"MONGODB_URI": "mongodb://u:p@db/", "MONGODB_USERNAME": "u"},
            "PEYGIR_MONGODB_USERNAME: PEYGIR_MONGODB_URI names a user too",
        ),
        ({"MONGODB_PASSWORD": "p"}, "PEYGIR_MONGODB_PASSWORD: is of nobody"),
        ({"MONGODB_PASSWORD_FILE": "/nowhere"}, "PEYGIR_MONGODB_PASSWORD_FILE: is of nobody"),
        (
            {"MONGODB_USERNAME": "u", "MONGODB_PASSWORD_FILE": "/nowhere"},
            "PEYGIR_MONGODB_PASSWORD_FILE: /nowhere cannot be read (FileNotFoundError)",
        ),
        (
            {"MONGODB_USERNAME": "u", "MONGODB_PASSWORD_FILE": os.devnull},
            f"PEYGIR_MONGODB_PASSWORD_FILE: {os.devnull} is empty",
        ),
        (
            {"MONGODB_USERNAME": "u", "MONGODB_PASSWORD": "p", "MONGODB_PASSWORD_FILE": "/x"},
            "PEYGIR_MONGODB_PASSWORD_FILE: PEYGIR_MONGODB_PASSWORD is set too",
        ),
        (
            {"MONGODB_URI": f"{_TLS}&tlsCAFile=/nowhere/ca.pem"},
            "PEYGIR_MONGODB_URI: tlsCAFile in this connection string names a file that cannot be",
        ),
        (
            {"MONGODB_URI": "mongodb://db/?tls=true&tlsCertificateKeyFile=%2Fno%20where"},
            "PEYGIR_MONGODB_URI: tlsCertificateKeyFile in this connection string",
        ),
    ],
)
def test_what_does_not_fit_together_is_named(
    environment: Environment,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    says: str,
) -> None:
    environment.set(**settings)
    assert complaint(capsys, MongoSettings).startswith(says)


@pytest.mark.parametrize(
    "option", ["tlsInsecure", "tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames"]
)
def test_production_checks_the_servers_certificate(
    environment: Environment, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    environment.set(MONGODB_URI=f"{_TLS}&{option}=true")
    load(MongoSettings)
    environment.set(ENV="production")
    line = complaint(capsys, MongoSettings)
    assert line.startswith(f"PEYGIR_MONGODB_URI: {option}: ")
    environment.set(MONGODB_URI=f"{_TLS}&{option}=false")
    load(MongoSettings)


@pytest.mark.parametrize(
    ("uri", "lacking"),
    [
        ("mongodb://db/", ["URI", "USERNAME", "PASSWORD"]),
        ("mongodb://db/?tls=false", ["URI", "USERNAME", "PASSWORD"]),
        ("mongodb+srv://db.x.y/?tls=false", ["URI", "USERNAME", "PASSWORD"]),
        ("mongodb+srv://db.x.y", ["USERNAME", "PASSWORD"]),
        (_TLS, ["USERNAME", "PASSWORD"]),
        ("mongodb://u:p@db/", ["URI"]),
        ("mongodb://u:p@db/?tls=true", []),
        (f"{_TLS}&authMechanism=MONGODB-X509", []),
    ],
)
def test_production_lacks_what_would_leave_the_connection_open(
    uri: str, lacking: list[str]
) -> None:
    settings = MongoSettings(mongodb_uri=SecretStr(uri))
    assert [line.partition(" ")[0].rstrip(":") for line in settings.lacks()] == [
        f"PEYGIR_MONGODB_{name}" for name in lacking
    ]


def test_a_user_needs_a_password() -> None:
    user = MongoSettings(mongodb_uri=SecretStr(_TLS), mongodb_username="reports")
    assert [line.partition(" ")[0] for line in user.lacks()] == ["PEYGIR_MONGODB_PASSWORD"]
    whole = MongoSettings(
        mongodb_uri=SecretStr(_TLS), mongodb_username="x", mongodb_password=SecretStr("p")
    )
    assert list(whole.lacks()) == []
