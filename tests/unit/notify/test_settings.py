"""Settings: a mistake is reported on one line that names the variable."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from services.notify.adapters.addresses import Addresses
from services.notify.settings import NotifySettings
from shared.runtime.settings import load


@pytest.fixture(autouse=True)
def development(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings of the environment in which the tests run."""
    for name in [name for name in os.environ if name.startswith("PEYGIR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PEYGIR_ENV", "development")


def stopped(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        load(NotifySettings)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_ports_move_with_the_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load(NotifySettings).http_port, load(NotifySettings).smtp_port) == (8104, 8125)
    monkeypatch.setenv("PEYGIR_PORT_OFFSET", "100")
    assert (load(NotifySettings).http_port, load(NotifySettings).smtp_port) == (8204, 8225)


def test_the_sender_is_of_the_domain_of_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(NotifySettings).mail_from == "peygir@peygir.example"
    monkeypatch.setenv("PEYGIR_MAIL_DOMAIN", "moi.example")
    assert load(NotifySettings).mail_from == "peygir@moi.example"
    monkeypatch.setenv("PEYGIR_MAIL_FROM", "neshast@moi.example")
    assert load(NotifySettings).mail_from == "neshast@moi.example"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PEYGIR_MAIL_FROM", "peygir"),
        ("PEYGIR_MAIL_FROM", "a@b\nBcc: c@d"),
        ("PEYGIR_MAIL_FROM", "پیگیر@moi.example"),
        ("PEYGIR_MAIL_FROM", "a..b@moi.example"),
        ("PEYGIR_MAIL_FROM", "a@-moi.example"),
        ("PEYGIR_MAIL_FROM", "a@moi_1.example"),
        ("PEYGIR_MAIL_FROM", '"a b"@moi.example'),
        ("PEYGIR_MAIL_FROM", "Peygir <a@moi.example>"),
        ("PEYGIR_MAIL_FROM", "a@b@moi.example"),
        ("PEYGIR_MAIL_FROM", "a" * 65 + "@moi.example"),
        ("PEYGIR_MAIL_FROM", "a@moi.example\u202e"),
        ("PEYGIR_MAIL_FROM", "a@\udce9.example"),
        ("PEYGIR_MAIL_DOMAIN", "moi example"),
        ("PEYGIR_MAIL_DOMAIN", "moi..example"),
        ("PEYGIR_MAIL_DOMAIN", "a@moi.example"),
        ("PEYGIR_MAIL_DOMAIN", "m" * 64 + ".example"),
        ("PEYGIR_MAIL_TRIES_MOST", "0"),
        ("PEYGIR_SMTP_HOST", "mail.moi.example:25"),
        ("PEYGIR_SMTP_HOST", "smtp://mail.moi.example"),
        ("PEYGIR_SMTP_HOST", "mail moi"),
        ("PEYGIR_SMTP_HOST", "mail..example"),
        ("PEYGIR_SMTP_HOST", "m" * 64 + ".example"),
        ("PEYGIR_SMTP_CA_FILE", "/nowhere/ca.pem"),
        ("PEYGIR_SMTP_CA_FILE", __file__),
        ("PEYGIR_SMTP_PORT", "0"),
        ("PEYGIR_SMTP_TLS", "yes"),
        ("PEYGIR_MAIL_RETRY_SECONDS", "0"),
        ("PEYGIR_ADDRESSES_FILE", "/nowhere/addresses.json"),
    ],
)
def test_a_mistake_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert stopped(capsys).startswith(f"{variable}: ")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("o'brien@moi.example", "o'brien@moi.example"),
        ("a.b+c@moi.example", "a.b+c@moi.example"),
        ("Neshast@MOI.Example", "Neshast@moi.example"),
        ("a@وزارت.ایران", "a@xn--mgbguc3i.xn--mgba3a4f16a"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@intranet", "a@intranet"),
        ("a@mail.moi.local", "a@mail.moi.local"),
    ],
)
def test_an_address_is_what_the_standards_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, meant: str
) -> None:
    path = tmp_path / "addresses.json"
    path.write_text(json.dumps({"coordination": given}), encoding="utf-8")
    monkeypatch.setenv("PEYGIR_ADDRESSES_FILE", str(path))
    monkeypatch.setenv("PEYGIR_MAIL_FROM", given)
    monkeypatch.setenv("PEYGIR_MAIL_DOMAIN", given.partition("@")[2])
    loaded = load(NotifySettings)
    assert loaded.addresses() == {"coordination": meant}
    assert loaded.mail_from == meant
    assert loaded.mail_domain == meant.partition("@")[2]


@pytest.mark.parametrize("host", ["mail", "mail.moi.example.", "10.0.0.1", "::1", "mail_1", "پست"])
def test_a_mail_server_has_a_name_or_an_address(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("PEYGIR_SMTP_HOST", host)
    assert load(NotifySettings).smtp_host == host


def test_a_password_does_not_travel_in_plain_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PEYGIR_SMTP_USER", "peygir")
    assert (
        load(NotifySettings).smtp_user == "peygir"
    )  # allowed, because the server is on this machine
    monkeypatch.setenv("PEYGIR_SMTP_HOST", "mail.moi.example")
    assert stopped(capsys).startswith("PEYGIR_SMTP_USER: a password would go in plain text")
    monkeypatch.setenv("PEYGIR_SMTP_TLS", "starttls")
    assert load(NotifySettings).smtp_user == "peygir"


def test_known_addresses_go_before_those_made_from_roles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "addresses.json"
    path.write_text(json.dumps({"province:IR-09": "ostandar@razavi.example"}))
    monkeypatch.setenv("PEYGIR_ADDRESSES_FILE", str(path))
    addresses = Addresses("peygir.example", load(NotifySettings).addresses())
    assert addresses.of("province:IR-09") == "ostandar@razavi.example"
    assert addresses.of("province:IR-10") == "province.ir-10@peygir.example"
    assert addresses.of("minister-office") == "minister-office@peygir.example"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "addresses.json"),
        ("[" * 100_000, "recursion"),
        ("[]", "not an object"),
        ('{"province:IR-99": "a@b.example"}', "'province:IR-99' is nobody's role"),
        ('{"coordination": "a b@c"}', "'a b@c' of coordination is no address"),
        ('{"coordination": 1}', "1 of coordination is no address"),
        ('{"coordination": null}', "None of coordination is no address"),
        ('{"coordination": ["a@b"]}', "['a@b'] of coordination is no address"),
        (
            '{"coordination": "پیگیر@moi.example"}',
            "'پیگیر@moi.example' of coordination is no address",
        ),
        ('{"coordination": "\\ud800@b"}', "of coordination is no address"),
    ],
)
def test_a_bad_file_of_addresses_stops_the_service(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str,
    message: str,
) -> None:
    path = tmp_path / "addresses.json"
    path.write_text(text)
    monkeypatch.setenv("PEYGIR_ADDRESSES_FILE", str(path))
    line = stopped(capsys)
    assert line.startswith("PEYGIR_ADDRESSES_FILE: ")
    assert message in line
