"""The variables in the manifests are settings that the services take."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.contracts.services import SERVICES
from shared.runtime.settings import PREFIX, CommonSettings, ProcessSettings, load
from tests.deploy.manifests import DEPLOY, OVERLAYS, Manifest, Rendered, module, render, title
from tests.unit.runtime.pem import PemFiles
from tools.access.passwords import new_login, write
from tools.topics import TopicsSettings
from tools.topics.settings import copies


def _settings_of(module: str) -> type[ProcessSettings]:
    """What a service or tool reads."""
    if module == "tools.topics":
        return TopicsSettings
    found = [
        kind
        for kind in vars(import_module(f"{module}.settings")).values()
        if isinstance(kind, type) and issubclass(kind, CommonSettings) and kind != CommonSettings
    ]
    (settings,) = found
    return settings


def _variables(settings: type[ProcessSettings]) -> set[str]:
    return {f"{PREFIX}{field.upper()}" for field in settings.model_fields}


def _become(workload: Manifest, rendered: Rendered, patch: pytest.MonkeyPatch) -> None:
    """Take on the environment of a workload's container."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        patch.delenv(name)
    for name, value in rendered.environment(workload).items():
        patch.setenv(name, value)


def _mount(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put the files of a Secret where the variables say that they are, and name its user."""
    made = PemFiles(folder)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "signing-key.pem").write_bytes(pem)
    (folder / "kafka-ca.pem").write_bytes(made.ca.read_bytes())
    (folder / "kafka_password").write_text("hidden")
    (folder / "integrators.toml").write_text("")
    patch.setenv("PEYGIR_KAFKA_USERNAME", "somebody")
    for name, value in os.environ.items():
        if name.startswith(PREFIX) and value.startswith("/run/secrets/"):
            patch.setenv(name, str(folder / Path(value).name))


def test_every_variable_is_a_setting_of_some_service(rendered: Rendered) -> None:
    modules = [*(f"services.{service}" for service in SERVICES), "tools.topics"]
    known = {name for module in modules for name in _variables(_settings_of(module))}
    for config in rendered.of("ConfigMap"):
        assert config["data"].keys() <= known, title(config)
    for workload in rendered.workloads():
        assert rendered.environment(workload).keys() <= known, title(workload)


def test_what_a_workload_alone_is_told_is_a_setting_of_its_own(rendered: Rendered) -> None:
    shared = rendered.environment(rendered.one("Job", "topics")).keys()
    for deployment in rendered.of("Deployment"):
        own = rendered.environment(deployment).keys() - shared
        assert own <= _variables(_settings_of(module(deployment))), title(deployment)


def test_every_process_of_the_evaluation_accepts_its_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (evaluation,) = [overlay for overlay in OVERLAYS if overlay.name == "evaluation"]
    rendered = render(evaluation)
    for workload in rendered.workloads():
        with monkeypatch.context() as patch:
            _become(workload, rendered, patch)
            settings = load(_settings_of(module(workload)))
        if isinstance(settings, CommonSettings):
            assert settings.open_network == "accepted"
            assert (settings.http_host, settings.http_port) == ("0.0.0.0", 8080)
        assert settings.kafka_bootstrap_servers == ("kafka:9092",)
    assert capsys.readouterr().err == ""


def test_production_refuses_to_start_open_but_makes_its_topics(
    base: Rendered,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    for workload in base.workloads():
        with monkeypatch.context() as patch:
            _become(workload, base, patch)
            _mount(tmp_path, patch)
            if module(workload) == "tools.topics":
                settings = load(TopicsSettings)
                assert settings.env == "production"
                assert settings.kafka_security_protocol == "SASL_SSL"
                assert copies(settings, None) == 3
                continue
            with pytest.raises(SystemExit) as refusal:
                load(_settings_of(module(workload)))
        assert refusal.value.code == 2
        line = capsys.readouterr().err
        assert line.startswith("PEYGIR_ENV: production needs ")
        assert "PEYGIR_OIDC_ISSUER" in line


def test_the_topics_of_the_evaluation_are_for_one_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    (evaluation,) = [overlay for overlay in OVERLAYS if overlay.name == "evaluation"]
    rendered = render(evaluation)
    _become(rendered.one("Job", "topics"), rendered, monkeypatch)
    assert copies(load(TopicsSettings), None) == 1


def test_the_addresses_that_the_readme_shows_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DEPLOY / "README.md").read_text()
    monkeypatch.setenv("PEYGIR_ENV", "development")
    monkeypatch.setenv("PEYGIR_KAFKA_BOOTSTRAP_SERVERS", _after(text, "BOOTSTRAP_SERVERS="))
    monkeypatch.setenv("PEYGIR_MONGODB_URI", _after(text, "PEYGIR_MONGODB_URI=").partition("&")[0])
    assert len(load(CommonSettings).kafka_bootstrap_servers) == 3


def _after(text: str, start: str) -> str:
    """The rest of the line of an example."""
    return text.partition(start)[2].partition("\n")[0].strip()


def test_the_secret_that_the_readme_makes_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DEPLOY / "README.md").read_text()
    assert "create secret generic peygir-scheduler --from-file=secrets/scheduler " in text
    login = new_login("scheduler")
    write(tmp_path / "scheduler", login)
    monkeypatch.setenv("PEYGIR_SECRETS_DIR", str(tmp_path / "scheduler"))
    monkeypatch.setenv("PEYGIR_ENV", "development")
    monkeypatch.setenv("PEYGIR_MONGODB_URI", "mongodb://db:27017/?replicaSet=rs")
    address = load(CommonSettings).mongodb_address()
    assert address == f"mongodb://scheduler:{login.password}@db:27017/?replicaSet=rs"
