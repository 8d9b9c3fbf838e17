"""How Kafka is reached, and as whom: what is accepted, and the one line about a contradiction."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.runtime.settings import CommonSettings, load
from tests.unit.runtime.environment import Environment, complaint
from tests.unit.runtime.pem import PAST, PemFiles


def secured(environment: Environment, folder: Path) -> PemFiles:
    """SASL_SSL with SCRAM, complete."""
    made = PemFiles(folder)
    (folder / "password").write_text("hidden\n")
    environment.set(
        KAFKA_SECURITY_PROTOCOL="SASL_SSL",
        KAFKA_USERNAME="scheduler",
        KAFKA_PASSWORD_FILE=str(folder / "password"),
        KAFKA_CA_FILE=str(made.ca),
    )
    return made


def test_plain_text_is_the_default_and_needs_nothing(environment: Environment) -> None:
    settings = load(CommonSettings)
    assert settings.kafka_security_protocol == "PLAINTEXT"
    assert (settings.kafka_has_tls, settings.kafka_has_sasl) == (False, False)


def test_a_user_with_a_password_in_a_file(environment: Environment, tmp_path: Path) -> None:
    secured(environment, tmp_path)
    settings = load(CommonSettings)
    assert (settings.kafka_has_tls, settings.kafka_has_sasl) == (True, True)
    assert settings.kafka_sasl_mechanism == "SCRAM-SHA-512"
    assert "hidden" not in repr(settings)


def test_mutual_tls(environment: Environment, tmp_path: Path) -> None:
    made = PemFiles(tmp_path)
    environment.set(
        KAFKA_SECURITY_PROTOCOL="SSL",
        KAFKA_CA_FILE=str(made.ca),
        KAFKA_CERT_FILE=str(made.cert),
        KAFKA_KEY_FILE=str(made.key),
    )
    assert load(CommonSettings).kafka_cert_file == made.cert


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"KAFKA_PASSWORD": "x"}, "PEYGIR_KAFKA_SECURITY_PROTOCOL=PLAINTEXT uses neither user"),
        ({"KAFKA_USERNAME": "x"}, "set it to SASL_SSL"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "PEYGIR_KAFKA_USERNAME and"),
        (
            {
                "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "KAFKA_SASL_MECHANISM": "PLAIN",
                "KAFKA_USERNAME": "a",
                "KAFKA_PASSWORD": "b",
            },
            "PLAIN sends the password as it is; use SASL_SSL",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"},
            "PEYGIR_KAFKA_OAUTH_TOKEN_URL",
        ),
        ({"KAFKA_OAUTH_TOKEN_URL": "http://id.example.org/token"}, "use https://"),
        ({"KAFKA_CA_FILE": "/nowhere.pem"}, "/nowhere.pem cannot be read (FileNotFoundError)"),
        ({"KAFKA_PASSWORD_FILE": "/nowhere"}, "/nowhere cannot be read"),
    ],
)
def test_a_contradiction_is_refused_in_one_line(
    environment: Environment,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    says: str,
) -> None:
    environment.set(**variables)
    assert says in complaint(capsys, CommonSettings)


def test_a_password_is_given_once(
    environment: Environment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    secured(environment, tmp_path)
    environment.set(KAFKA_PASSWORD="another")
    line = complaint(capsys, CommonSettings)
    assert "both set; keep one" in line
    assert "another" not in line


def test_a_certificate_comes_with_its_key(
    environment: Environment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = secured(environment, tmp_path)
    environment.set(KAFKA_KEY_FILE=str(made.key))
    assert "set together or not at all" in complaint(capsys, CommonSettings)
    other = tmp_path / "other"
    other.mkdir()
    environment.set(KAFKA_CERT_FILE=str(PemFiles(other).cert))
    assert "does not fit its key" in complaint(capsys, CommonSettings)


def test_a_file_that_is_no_certificate_or_has_expired_is_refused(
    environment: Environment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = secured(environment, tmp_path)
    environment.set(KAFKA_CA_FILE=str(made.key))
    assert "holds no certificate in PEM format" in complaint(capsys, CommonSettings)
    made.issue("client", PAST)
    environment.set(
        KAFKA_CA_FILE=str(made.ca), KAFKA_CERT_FILE=str(made.cert), KAFKA_KEY_FILE=str(made.key)
    )
    assert "has expired on 2020-01-01; renew it" in complaint(capsys, CommonSettings)


def test_production_wants_tls_and_a_login(
    environment: Environment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    environment.set(ENV="production")
    assert "PEYGIR_KAFKA_SECURITY_PROTOCOL: SASL_SSL, or SSL" in complaint(capsys, CommonSettings)
    environment.set(KAFKA_SECURITY_PROTOCOL="SSL")
    assert "PEYGIR_KAFKA_CERT_FILE and PEYGIR_KAFKA_KEY_FILE" in complaint(capsys, CommonSettings)
    environment.unset("KAFKA_SECURITY_PROTOCOL")
    secured(environment, tmp_path)
    assert "PEYGIR_KAFKA" not in complaint(capsys, CommonSettings)
