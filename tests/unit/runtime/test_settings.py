"""Configuration: its sources, and the one line about a wrong one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme
from pydantic import Field, SecretStr

from shared.contracts.reference import DEPUTIES
from shared.runtime.settings import CommonSettings, load, shifted_port
from tests.unit.runtime.environment import Environment, complaint

ALL = tuple(deputy.id for deputy in DEPUTIES)


class ServiceSettings(CommonSettings):
    """The settings of a service."""

    http_port: int = shifted_port(8103)
    smtp_password: SecretStr = Field(SecretStr("not-this-one"), min_length=8)


@pytest.mark.usefixtures("environment")
def test_the_defaults_suit_a_single_machine() -> None:
    settings = load(ServiceSettings)
    assert settings.kafka_bootstrap_servers == ("127.0.0.1:29092",)
    assert settings.mongodb_uri.get_secret_value() == (
        "mongodb://127.0.0.1:27117/?replicaSet=peygir"
    )
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8103)
    assert settings.deputies == settings.known_deputies == ALL
    assert settings.run == {"api", "consumer", "relay", "sweeper"}
    assert settings.clock == "system"
    assert settings.namespace == ""
    assert settings.body_limit_bytes == 1_000_000


def test_the_port_offset_moves_every_default_port(environment: Environment) -> None:
    environment.set(PORT_OFFSET="100")
    settings = load(ServiceSettings)
    assert settings.http_port == 8203
    assert settings.kafka_bootstrap_servers == ("127.0.0.1:29192",)
    assert "127.0.0.1:27217" in settings.mongodb_uri.get_secret_value()


def test_a_given_address_ignores_the_port_offset(environment: Environment) -> None:
    environment.set(PORT_OFFSET="100", HTTP_PORT="9000", KAFKA_BOOTSTRAP_SERVERS="k1:9092,k2:9092")
    settings = load(ServiceSettings)
    assert settings.http_port == 9000
    assert settings.kafka_bootstrap_servers == ("k1:9092", "k2:9092")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("civil,crisis", ("civil", "crisis")),
        (" civil , crisis,", ("civil", "crisis")),
        ("civil", ("civil",)),
        ("all", ALL),
        ("", ALL),
    ],
)
def test_deputies_are_a_comma_list(
    environment: Environment, written: str, read: tuple[str, ...]
) -> None:
    environment.set(DEPUTIES=written)
    assert load(CommonSettings).deputies == read


def test_an_installation_may_have_other_deputies(environment: Environment) -> None:
    environment.set(KNOWN_DEPUTIES="north,south", DEPUTIES="south")
    settings = load(CommonSettings)
    assert settings.known_deputies == ("north", "south")
    assert settings.deputies == ("south",)


def test_parts_to_run_are_a_comma_list(environment: Environment) -> None:
    environment.set(RUN="api,relay")
    assert load(CommonSettings).run == {"api", "relay"}


def test_secrets_come_from_files(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "PEYGIR_MONGODB_URI").write_text("mongodb://u:hidden@db/?replicaSet=x\n")
    (tmp_path / "peygir_smtp_password").write_text("from-a-file")
    environment.set(SECRETS_DIR=str(tmp_path))
    settings = load(ServiceSettings)
    assert settings.mongodb_uri.get_secret_value() == "mongodb://u:hidden@db/?replicaSet=x"
    assert settings.smtp_password.get_secret_value() == "from-a-file"
    assert "hidden" not in repr(settings)
    assert "hidden" not in str(settings.model_dump())


def test_a_variable_takes_precedence_over_a_file(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "PEYGIR_NAMESPACE").write_text("file-")
    environment.set(SECRETS_DIR=str(tmp_path), NAMESPACE="variable-")
    assert load(CommonSettings).namespace == "variable-"


def test_development_listens_on_the_network_only_if_that_was_accepted(
    environment: Environment,
) -> None:
    environment.set(HTTP_HOST="0.0.0.0", OPEN_NETWORK="accepted")
    assert load(CommonSettings).http_host == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OPEN_NETWORK", "yes", "'accepted'"),
        ("SWEEP_SECONDS", "0", "greater than 0"),
        ("ENV", "prod", "'development' or 'production'"),
        ("PORT_OFFSET", "many", "not 'many'"),
        ("HTTP_HOST", "0.0.0.0", "loopback"),
        ("HTTP_HOST", "example.org", "loopback"),
        ("HTTP_PORT", "70000", "65535"),
        ("DEPUTIES", "civil,foo", "'foo' is no deputy; allowed: all, management"),
        ("DEPUTIES", "civil,civil", "twice"),
        ("DEPUTIES", ",", "empty"),
        ("KNOWN_DEPUTIES", "North", "pattern"),
        ("RUN", "api,web", "'api', 'consumer', 'relay' or 'sweeper', not 'web'"),
        ("CLOCK", "sundial", "'system' or 'simulated'"),
        ("NAMESPACE", "Über", "pattern"),
        ("NAMESPACE", "a.b", "pattern"),
        ("MONGODB_URI", "postgres://u:hidden@db", "mongodb://"),
        ("MONGODB_URI", "mongodb://u:hid\u200bden@db", "holds the invisible character U+200B"),
        (
            "KAFKA_BOOTSTRAP_SERVERS",
            "k1:9092,\u200ek2:9092",
            "holds the invisible character U+200E",
        ),
        ("HTTP_HOST", "\ufeff127.0.0.1", "holds the invisible character U+FEFF"),
        ("DEPUTIES", "civil\u202e", "holds the invisible character U+202E"),
        ("FAULT", "\u3164", "holds the invisible character U+3164"),
        ("HOLIDAYS_FILE", "/h\x07.json", "holds the invisible character U+0007"),
        ("PORT_OFFSET", "۱۰۰", "not '۱۰۰'"),
        ("SWEEP_SECONDS", "nan", "less than or equal to 3600"),
        ("THURSDAY_OFF", "maybe", "boolean"),
        ("HOLIDAYS_FILE", "/nowhere/holidays.json", "No such file"),
        ("SECRETS_DIR", "/nowhere", "not a folder"),
        ("LEASE_SECONDS", "0", "greater than or equal to 1"),
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("FLOOD_SHARE", "1.5", "less than or equal to 1"),
        ("BATCH_MAX_RECORDS", "0", "greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_the_variable(
    environment: Environment,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    message: str,
) -> None:
    environment.set(**{name: value})
    line = complaint(capsys, CommonSettings)
    assert line.startswith(f"PEYGIR_{name}: ")
    assert message in line
    assert re.findall(r"PEYGIR_\w+(?=: )", line) == [f"PEYGIR_{name}"], "nothing else is blamed"


def test_several_wrong_settings_are_named_in_that_line(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.set(RUN="web", HTTP_PORT="x")
    line = complaint(capsys, CommonSettings)
    assert "PEYGIR_RUN: " in line
    assert "PEYGIR_HTTP_PORT: " in line


def test_a_secret_is_not_repeated(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.set(SMTP_PASSWORD="tooshrt", MONGODB_URI="postgres://u:hidden@db")
    line = complaint(capsys, ServiceSettings)
    assert "PEYGIR_SMTP_PASSWORD: " in line
    assert "tooshrt" not in line
    assert "hidden" not in line


def test_nothing_starts_open_by_default(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.unset("ENV")
    assert complaint(capsys, CommonSettings).startswith("PEYGIR_ENV: ")


@pytest.mark.parametrize(("name", "value"), [("CLOCK", "simulated"), ("FAULT", "commit.done")])
def test_production_has_real_time_and_no_faults(
    environment: Environment, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    environment.set(**{name: value})
    assert getattr(load(CommonSettings), name.lower()) == value
    environment.set(ENV="production")
    assert f"PEYGIR_{name}: " in complaint(capsys, CommonSettings)


def test_a_misspelt_setting_gets_a_warning(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.set(DEPUTES="civil", RUNN="api")
    load(CommonSettings)
    assert capsys.readouterr().err.splitlines() == [
        "warning: PEYGIR_DEPUTES is not a setting; was PEYGIR_DEPUTIES meant?",
        "warning: PEYGIR_RUNN is not a setting; was PEYGIR_RUN meant?",
    ]


def test_variables_of_others_are_ignored(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.set(
        LOCAL_DIR="x", PARTS="kafka", SMTP_HOST="m", SMTP_PORT="25", SMTP_SENDER="a@b", SECURE="0"
    )
    load(CommonSettings)
    assert capsys.readouterr().err == ""


def test_settings_do_not_change(environment: Environment) -> None:
    environment.set(NAMESPACE="x-")
    settings = load(CommonSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.namespace = "y-"  # type: ignore[misc]  # that it is refused is the test


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("1405-02-10", "a Jalali day is written 1405/02/10; it would be 2026-04-30"),
        ("1404/12/30", "Esfand 1404 has 29 days"),
        ("2026/04/30", "has to be written as 2026-04-30"),
        ("tomorrow", "such as 2024-03-11 or 1402/12/21"),
    ],
)
def test_an_invalid_holiday_is_named_at_the_start(
    environment: Environment,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    day: str,
    message: str,
) -> None:
    path = tmp_path / "holidays.json"
    path.write_text(f'{{"added": ["۱۴۰۵/۰۲/۱۰", "{day}"]}}', encoding="utf-8")
    environment.set(HOLIDAYS_FILE=str(path))
    line = complaint(capsys, CommonSettings)
    assert line.startswith(f"PEYGIR_HOLIDAYS_FILE: {path}: `added` holds '{day}': ")
    assert message in line


def test_production_names_all_that_it_lacks_in_one_line(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.set(ENV="production")
    line = complaint(capsys, CommonSettings)
    assert line.startswith("PEYGIR_ENV: production needs ")
    assert {"PEYGIR_OIDC_ISSUER", "PEYGIR_OIDC_AUDIENCE"} <= set(re.findall(r"PEYGIR_\w+", line))


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"HTTP_TLS": "here"},
            "PEYGIR_HTTP_CERT_FILE: is missing: PEYGIR_HTTP_TLS=here needs a certificate",
        ),
        (
            {"HTTP_TLS": "here", "HTTP_CERT_FILE": "/nowhere/tls.crt"},
            "PEYGIR_HTTP_KEY_FILE: is missing",
        ),
        (
            {
                "HTTP_TLS": "here",
                "HTTP_CERT_FILE": "/nowhere/tls.crt",
                "HTTP_KEY_FILE": "/nowhere/tls.key",
            },
            "PEYGIR_HTTP_KEY_FILE: /nowhere/tls.crt is not a file",
        ),
        (
            {"HTTP_TLS": "proxy", "HTTP_KEY_FILE": "/nowhere/tls.key"},
            "PEYGIR_HTTP_KEY_FILE: a certificate is for PEYGIR_HTTP_TLS=here",
        ),
        ({"HTTP_TLS": "yes"}, "PEYGIR_HTTP_TLS: "),
        ({"TRUSTED_PROXIES": "10.0.0.0/8,proxy"}, "'proxy' is no address or network"),
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "'10.0.0.1/8' is no address or network"),
        ({"RATE_PER_SECOND": "-1"}, "PEYGIR_RATE_PER_SECOND: "),
        ({"JSON_DEPTH_MOST": "1000"}, "PEYGIR_JSON_DEPTH_MOST: "),
    ],
)
def test_what_does_not_go_together_for_http_is_named(
    environment: Environment,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    line: str,
) -> None:
    environment.set(**variables)
    assert line in complaint(capsys, CommonSettings)


def test_a_key_of_another_certificate_is_refused(
    environment: Environment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    authority = trustme.CA()
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    authority.issue_cert("a").cert_chain_pems[0].write_to_path(str(certificate))
    authority.issue_cert("b").private_key_pem.write_to_path(str(key))
    environment.set(HTTP_TLS="here", HTTP_CERT_FILE=str(certificate), HTTP_KEY_FILE=str(key))
    line = complaint(capsys, CommonSettings)
    assert line == "PEYGIR_HTTP_KEY_FILE: the key is not that of the certificate"


def test_production_says_where_tls_ends(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.set(ENV="production")
    assert "PEYGIR_HTTP_TLS: `here`" in complaint(capsys, CommonSettings)
    environment.set(HTTP_TLS="proxy")
    assert "PEYGIR_HTTP_TLS" not in complaint(capsys, CommonSettings)


def test_development_limits_no_rate_unless_it_is_set(environment: Environment) -> None:
    assert load(CommonSettings).rate_per_second == 0
    environment.set(RATE_PER_SECOND="7.5")
    assert load(CommonSettings).rate_per_second == 7.5


def test_operators_have_the_port_of_the_service_unless_it_is_set(environment: Environment) -> None:
    settings = load(ServiceSettings)
    assert settings.operations_port == settings.http_port == 8103
    assert not settings.has_own_operations
    environment.set(OPERATIONS_PORT="9100")
    assert load(ServiceSettings).has_own_operations
