"""What a process takes from its settings about sources of events."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.scheduler.settings import SchedulerSettings
from shared.messaging.kafka.batches import OutgoingRecord
from shared.runtime.settings import CommonSettings, load
from shared.runtime.signatures import require_signature
from shared.service.sources import Sources
from tests.unit.runtime.environment import Environment, complaint

RECORD = OutgoingRecord("t", b"k", b"{}", [("ce_id", b"1")])


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(monkeypatch)


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.usefixtures("environment")
def test_development_believes_everybody_and_signs_nothing() -> None:
    sources = Sources(load(CommonSettings))
    assert sources.rule is None
    assert sources.sign(RECORD) is RECORD


def test_development_may_ask_for_signatures_too(environment: Environment) -> None:
    environment.set(EVENT_SOURCES="signed")
    assert Sources(load(CommonSettings)).rule is not None


def test_events_are_signed_with_the_key_as_it_is_now(
    environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "signing-key.pem"
    keys = [Ed25519PrivateKey.generate() for _ in range(2)]
    path.write_bytes(pem(keys[0]))
    environment.set(SIGNING_KEY_FILE=str(path))
    sources = Sources(load(CommonSettings))
    for key in keys:
        path.write_bytes(pem(key))
        sent = sources.sign(RECORD)
        require_signature([key.public_key()], sent.key, sent.headers, sent.value)


def test_a_file_that_holds_no_key_of_ed25519_is_refused(
    environment: Environment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    path.write_text("nothing")
    environment.set(SIGNING_KEY_FILE=str(path))
    line = complaint(capsys, CommonSettings)
    assert line == f"PEYGIR_SIGNING_KEY_FILE: {path} holds no private key in PEM format"


def test_a_wrong_file_of_integrators_ends_the_process_with_one_line(
    environment: Environment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "integrators.toml"
    path.write_text('[[integrators]]\nname = "x"\ndeputies = ["north"]')
    environment.set(INTEGRATORS_FILE=str(path))
    with pytest.raises(SystemExit):
        Sources(load(CommonSettings))
    said = capsys.readouterr().err
    assert said == f"PEYGIR_INTEGRATORS_FILE: {path}: x: north is no deputy\n"


def test_production_believes_only_signatures(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.set(ENV="production", EVENT_SOURCES="open")
    assert "anybody could pass for the scheduler" in complaint(capsys, CommonSettings)
    environment.unset("EVENT_SOURCES")
    assert "PEYGIR_INTEGRATORS_FILE: " in complaint(capsys, CommonSettings)
    assert "PEYGIR_SIGNING_KEY_FILE: " in complaint(capsys, SchedulerSettings)
