"""Each connection logs in with what the files hold then; a refused login is told by its name."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)
from pymongo.errors import OperationFailure

from shared.messaging.core.errors import NotAuthenticated
from shared.messaging.core.stalls import StallCause, StalledPart, Stalls
from shared.messaging.kafka.connection import (
    Certificates,
    FileSecret,
    FixedSecret,
    KafkaConnection,
    Login,
    LoginRefused,
    plain,
)
from shared.messaging.kafka.oauth import ClientCredentials, NoToken
from shared.messaging.kafka.publisher import TopicRefused
from shared.runtime.certificates import BadPem
from shared.runtime.metrics import Metrics
from tests.unit.runtime.pem import PemFiles


class Broker:
    """Takes connections as aiokafka opens them; refuses with `error`."""

    def __init__(self) -> None:
        self.passwords: list[str] = []
        self.contexts: list[ssl.SSLContext] = []
        self.error: Exception | None = None

    async def connect(self, **options: Any) -> str:
        self.passwords.append(options.get("sasl_plain_password", ""))
        self.contexts.append(options["ssl_context"])
        if self.error is not None:
            raise self.error
        return "connection"


def scram(folder: Path, files: PemFiles) -> Login:
    (folder / "password").write_text("first\n")
    return Login(
        "SASL_SSL",
        certificates=Certificates(files.ca),
        mechanism="SCRAM-SHA-512",
        username="followups-civil",
        password=FileSecret(folder / "password"),
    )


def test_plain_text_has_no_options_but_the_addresses() -> None:
    assert plain("a:1,b:2").options() == {"bootstrap_servers": ["a:1", "b:2"]}


async def test_a_password_is_read_for_each_connection(tmp_path: Path) -> None:
    login, broker = scram(tmp_path, PemFiles(tmp_path)), Broker()
    await login.connect(broker.connect, {})
    (tmp_path / "password").write_text("second")
    await login.connect(broker.connect, {})
    assert broker.passwords == ["first", "second"]


async def test_certificates_are_loaded_again_only_if_they_changed(tmp_path: Path) -> None:
    files = PemFiles(tmp_path)
    login = Login("SSL", certificates=Certificates(files.ca, files.cert, files.key))
    broker = Broker()
    await login.connect(broker.connect, {})
    await login.connect(broker.connect, {})
    files.issue("renewed")
    await login.connect(broker.connect, {})
    first, again, renewed = broker.contexts
    assert first is again
    assert renewed is not first
    assert login.principal == "User:" + "CN=renewed,OU=" + login.principal.partition("OU=")[2]


async def test_half_a_rotation_uses_the_former_certificate(tmp_path: Path) -> None:
    """Two files are never replaced at the same instant."""
    files = PemFiles(tmp_path)
    login = Login("SSL", certificates=Certificates(files.ca, files.cert, files.key))
    before = login.context()
    key = files.key.read_bytes()
    files.issue("renewed")
    renewed = files.key.read_bytes()
    files.key.write_bytes(key)
    assert login.context() is before
    files.key.write_bytes(renewed)
    assert login.context() is not before


def test_a_process_without_any_valid_certificate_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(BadPem, match=r"nowhere\.pem cannot be read"):
        Login("SSL", certificates=Certificates(tmp_path / "nowhere.pem")).context()


@pytest.mark.parametrize(
    "error",
    [
        SaslAuthenticationFailed("Authentication failed"),
        ssl.SSLCertVerificationError("certificate verify failed"),
        ValueError("Server sent wrong signature!"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_refused_login_is_kept_until_one_succeeds(tmp_path: Path, error: Exception) -> None:
    login, broker = scram(tmp_path, PemFiles(tmp_path)), Broker()
    connection = KafkaConnection(("a:1",), login)
    broker.error = error
    with pytest.raises(LoginRefused, match="User:followups-civil"):
        await login.connect(broker.connect, {})
    with pytest.raises(NotAuthenticated, match=type(error).__name__):
        connection.check()
    broker.error = None
    await login.connect(broker.connect, {})
    connection.check()


async def test_what_ends_a_handshake_of_tls_is_found_among_the_causes(tmp_path: Path) -> None:
    """With TLS 1.3 a client hears only later that its certificate is not accepted."""
    login, broker = scram(tmp_path, PemFiles(tmp_path)), Broker()
    broker.error = KafkaConnectionError("closed")
    broker.error.__cause__ = ssl.SSLError(1, "tlsv1 alert unknown ca")
    with pytest.raises(LoginRefused):
        await login.connect(broker.connect, {})
    assert "unknown ca" in str(login.refusal)


async def test_a_broker_that_is_away_says_nothing_about_the_login(tmp_path: Path) -> None:
    login, broker = scram(tmp_path, PemFiles(tmp_path)), Broker()
    broker.error = ConnectionRefusedError()
    with pytest.raises(ConnectionRefusedError):
        await login.connect(broker.connect, {})
    assert login.refusal is None


def test_a_secret_is_not_shown() -> None:
    assert "hidden" not in repr(FixedSecret("hidden"))


# -- what the process says of it --------------------------------------------------------------


def test_a_refused_login_and_a_missing_right_are_stalls_by_name() -> None:
    stalls = Stalls(Metrics(), "User:notify")
    part = StalledPart("subscription", "notify")
    stalls.note_error(part, NotAuthenticated("Kafka does not let User:notify in"))
    assert stalls.of(part) is StallCause.NOT_AUTHENTICATED
    assert stalls.rights_lacking() == ("Kafka does not let User:notify in",)
    relay = StalledPart("relay", "notify", "peygir.notices.v1")
    stalls.note(relay, StallCause.NO_RIGHT)
    stalls.note(part, None)
    assert stalls.rights_lacking() == (
        "User:notify lacks the right Write on topic peygir.notices.v1",
    )


def test_errors_that_are_causes_of_each_other_end() -> None:
    one, other = OperationFailure("one"), OperationFailure("other")
    one.__cause__, other.__cause__ = other, one
    Stalls(Metrics()).note_error(StalledPart("relay", "x"), one)


def test_a_topic_that_may_not_be_written_to_is_named() -> None:
    refused = TopicRefused("peygir.notices.v1", TopicAuthorizationFailedError())
    refused.__cause__ = TopicAuthorizationFailedError()
    stalls = Stalls(Metrics(), "User:notify")
    stalls.note_error(StalledPart("consumer", "notify"), refused)
    assert stalls.rights_lacking() == (
        "User:notify lacks the right Write on topic peygir.notices.v1",
    )


# -- tokens -----------------------------------------------------------------------------------


class Provider:
    """A token endpoint; counts what it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[httpx.Request] = []
        self.status = 200
        transport = httpx.MockTransport(self._answer)
        made = httpx.AsyncClient

        def client(**options: Any) -> httpx.AsyncClient:
            return made(transport=transport, timeout=options["timeout"])

        monkeypatch.setattr(httpx, "AsyncClient", client)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        body = {"access_token": f"t{len(self.asked)}", "expires_in": 100}
        return httpx.Response(self.status, json=body)


async def test_a_token_is_used_for_most_of_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    provider, now = Provider(monkeypatch), [0.0]
    tokens = ClientCredentials(
        "https://id.example.org/token", "peygir", lambda: "secret", monotonic=lambda: now[0]
    )
    assert set(await asyncio.gather(tokens.token(), tokens.token())) == {"t1"}
    now[0] = 79.0
    assert await tokens.token() == "t1"
    now[0] = 80.0
    assert await tokens.token() == "t2"
    assert provider.asked[0].headers["authorization"].startswith("Basic ")


async def test_a_provider_that_refuses_is_a_refused_login(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider(monkeypatch)
    provider.status = 401
    tokens = ClientCredentials("https://id.example.org/token", "peygir", lambda: "secret")
    with pytest.raises(NoToken, match="answers 401 to peygir"):
        await tokens.token()
    login = Login("SASL_SSL", mechanism="OAUTHBEARER", tokens=tokens)
    with pytest.raises(LoginRefused):
        await login.token()
