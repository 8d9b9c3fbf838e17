"""What the local Keycloak is started with. `make identity` starts it."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from deploy.local import keycloak as module
from deploy.local.keycloak import REALM_FILE, Certificate, Keycloak, NoKeycloak, fetch
from deploy.local.layout import PROJECT, Layout, Ports

_POM = PROJECT / "deploy" / "local" / "keycloak.pom.xml"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An installation whose cache has a distribution already."""
    there = tmp_path / "cache" / "keycloak-26.7.3"
    there.mkdir(parents=True)
    shutil.copyfile(_POM, there / ".pom.xml")
    return Layout(tmp_path / "root", tmp_path / "cache", Ports.standard(40))


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "authority.pem")


def _imported(layout: Layout) -> dict[str, object]:
    text = (layout.data("keycloak") / "data" / "import" / REALM_FILE.name).read_text("utf-8")
    realm: dict[str, object] = json.loads(text)
    return realm


def test_with_a_certificate_the_realm_is_imported_as_operators_have_it(
    layout: Layout, certificate: Certificate
) -> None:
    part = Keycloak(layout, certificate)
    part.prepare()
    assert _imported(layout) == json.loads(REALM_FILE.read_text("utf-8"))
    assert part.issuer == "https://127.0.0.1:8220/realms/peygir"
    arguments = part.command().arguments
    assert f"--https-certificate-file={certificate.chain}" in arguments
    assert "--https-port=8220" in arguments
    assert not [argument for argument in arguments if "http-enabled" in argument]


def test_without_one_it_does_not_insist_on_tls_and_nothing_else_is_different(
    layout: Layout,
) -> None:
    part = Keycloak(layout)
    part.prepare()
    realm = json.loads(REALM_FILE.read_text("utf-8"))
    assert _imported(layout) == {**realm, "sslRequired": "none"}
    assert part.issuer == "http://127.0.0.1:8220/realms/peygir"
    assert "--http-port=8220" in part.command().arguments


def test_it_listens_on_loopback_and_its_process_is_javas_own(layout: Layout) -> None:
    part = Keycloak(layout)
    part.prepare()
    arguments = part.command().arguments
    assert arguments[0] == "java"
    assert "--http-host=127.0.0.1" in arguments
    assert "-Xmx400m" in arguments
    assert f"-Dkc.home.dir={layout.data('keycloak')}" in arguments


def test_its_administrator_has_a_secret_that_stays_and_that_nobody_else_reads(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KC_DB_PASSWORD", "of another one")
    part = Keycloak(layout)
    part.prepare()
    secret = part.admin_secret()
    assert len(secret) > 40
    part.prepare()
    assert part.admin_secret() == secret
    file = layout.data("keycloak") / "admin-secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    command = part.command()
    assert command.environment["KC_BOOTSTRAP_ADMIN_CLIENT_SECRET"] == secret
    assert secret not in " ".join(command.arguments)
    assert secret not in repr(command)
    assert "KC_DB_PASSWORD" not in command.environment


def test_what_is_not_there_is_not_ready(layout: Layout) -> None:
    assert Keycloak(layout).trouble() == "no answer yet"


def test_a_distribution_that_cannot_be_fetched_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoKeycloak, match="fetching Keycloak failed: mvn is not installed"):
        fetch(tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["keycloak-26.7.3.lock"]


def test_another_version_in_the_cache_is_replaced(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the stamp does not fit is fetched anew, whole or not at all."""
    stamp = layout.cache / "keycloak-26.7.3" / ".pom.xml"
    stamp.write_text("another")

    def unpack(_: Path, target: Path) -> None:
        (target / "keycloak-26.7.3" / "lib").mkdir(parents=True)

    monkeypatch.setattr(module, "_unpack", unpack)
    monkeypatch.setattr(module, "_put_together", lambda home: (home / "built").touch())
    there = fetch(layout.cache)
    assert sorted(path.name for path in there.iterdir()) == [".pom.xml", "built", "lib"]
    assert stamp.read_bytes() == _POM.read_bytes()
