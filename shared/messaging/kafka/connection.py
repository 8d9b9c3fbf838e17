"""How every client of this project connects to Kafka, and logs in: made here and nowhere else.

aiokafka takes one password and one TLS context for the life of a client, and says of a refused
login only that it cannot connect. So its connections are opened through `Login.connect`, which
reads passwords and certificates for each connection, and keeps why the latest was refused. A file
that is replaced is thus used by the next connection; brokers end the old ones, by
`connections.max.reauth.ms` or with their own restart. aiokafka does not log in again on an open
connection (KIP-368), it opens a new one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import structlog
from aiokafka import client as aiokafka_client
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from shared.messaging.core.errors import NotAuthenticated
from shared.messaging.kafka.oauth import ClientCredentials, NoToken
from shared.runtime.certificates import BadPem, certificates_in, client_context
from shared.runtime.settings.kafka import KafkaSettings
from shared.runtime.watched_file import state_of

_log = structlog.get_logger(__name__)

_REFUSALS: Final = (
    AuthenticationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    ssl.SSLError,
)
_DEEPEST: Final = 10  # causes of causes

Connect: TypeAlias = Callable[..., Awaitable[Any]]
_State: TypeAlias = tuple[tuple[int, int, int], ...]


class LoginRefused(KafkaConnectionError):  # type: ignore[misc]  # aiokafka is untyped here
    """A connection that could not log in, as aiokafka's own code expects to hear of it."""


class Secret(Protocol):
    """A password that may change."""

    def read(self) -> str:
        """The password as it is now. Raises OSError or UnicodeDecodeError."""


@dataclass(frozen=True, slots=True)
class FixedSecret:
    """A password that was given as it is."""

    value: str = field(repr=False)

    def read(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class FileSecret:
    """A password in a file that may be replaced."""

    path: Path

    def read(self) -> str:
        return self.path.read_text(encoding="utf-8").strip()


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files of a client's TLS. Without `ca` the system's authorities vouch for brokers."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def files(self) -> list[Path]:
        return [path for path in (self.ca, self.certificate, self.key) if path is not None]


class Login(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is untyped here
    """TLS, user and password of one process, as they are at each connection."""

    def __init__(
        self,
        protocol: str,
        *,
        certificates: Certificates | None = None,
        mechanism: str | None = None,
        username: str | None = None,
        password: Secret | None = None,
        tokens: ClientCredentials | None = None,
    ) -> None:
        self.protocol = protocol
        self.mechanism = mechanism
        self.username = username
        self.refusal: NotAuthenticated | None = None
        """Why the latest connection was refused; None if it was not."""
        self._certificates = certificates
        self._password = password
        self._tokens = tokens
        self._context: ssl.SSLContext | None = None
        self._loaded: _State | None = None

    @property
    def principal(self) -> str:
        """Who this process is in Kafka, as far as it knows: brokers may map names."""
        if self._tokens is not None:
            return f"User:{self._tokens.client_id} (by its token)"
        if self.username is not None:
            return f"User:{self.username}"
        certificate = self._certificates.certificate if self._certificates else None
        if certificate is not None:
            with suppress(BadPem):
                return f"User:{certificates_in(certificate)[0].subject.rfc4514_string()}"
        return "User:ANONYMOUS"

    def context(self) -> ssl.SSLContext:
        """TLS with the certificates as they are now. Raises BadPem if there never were valid ones.

        Files that change one after the other may not fit each other for a moment; until they do,
        the former ones are used.
        """
        files = self._certificates or Certificates()
        try:
            state = tuple(state_of(path) for path in files.files())
            if self._context is None or state != self._loaded:
                self._context = client_context(files.ca, files.certificate, files.key)
                self._loaded = state
        except (BadPem, OSError) as error:
            if self._context is None:
                raise BadPem(_readable(error)) from error
            _log.warning("certificates not taken up", error=str(error))
        return self._context

    async def token(self) -> str:
        """A valid token, for OAUTHBEARER. Raises LoginRefused."""
        assert self._tokens is not None, "only OAUTHBEARER asks for it"
        try:
            return await self._tokens.token()
        except NoToken as error:
            raise LoginRefused(str(error)) from error

    async def connect(self, create: Connect, options: dict[str, Any]) -> Any:
        """Open a connection with what the files hold now. Raises KafkaError and OSError."""
        try:
            if self.protocol in {"SSL", "SASL_SSL"}:
                options["ssl_context"] = await asyncio.to_thread(self.context)
            if self._password is not None:
                options["sasl_plain_password"] = self._password.read()
            connection = await create(**options)
        except (BadPem, UnicodeDecodeError, ValueError, KeyError) as error:
            # aiokafka fails so if the broker cannot prove that it knows the password.
            raise self._refused(error) from error
        except (KafkaError, OSError) as error:
            cause = _refusal_in(error)
            if cause is None and not isinstance(error, LoginRefused):
                raise  # a broker that is away says nothing about the login
            raise self._refused(cause or error) from error
        self.refusal = None
        return connection

    def _refused(self, error: BaseException) -> LoginRefused:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
        self.refusal = NotAuthenticated(
            f"Kafka does not let {self.principal} in ({text}); check its password, certificate "
            "and user in Kafka"
        )
        return LoginRefused(str(self.refusal))


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Where the brokers are, and how to log in to them; None in plain text."""

    servers: tuple[str, ...]
    login: Login | None = None

    @property
    def principal(self) -> str:
        """Who this process is in Kafka."""
        return "User:ANONYMOUS" if self.login is None else self.login.principal

    def options(self) -> dict[str, Any]:
        """Options for aiokafka's producer, consumer and admin client, and FastStream's broker."""
        options: dict[str, Any] = {"bootstrap_servers": list(self.servers)}
        login = self.login
        if login is None:
            return options
        aiokafka_client.create_conn = _connect  # aiokafka looks it up for each connection
        options |= {"security_protocol": login.protocol, "sasl_oauth_token_provider": login}
        if login.protocol in {"SSL", "SASL_SSL"}:
            options["ssl_context"] = _UNUSED_CONTEXT
        if login.mechanism is not None:
            options |= {
                "sasl_mechanism": login.mechanism,
                "sasl_plain_username": login.username or "",
                "sasl_plain_password": "",  # the one of the moment comes with the connection
            }
        return options

    def check(self) -> None:
        """Raise NotAuthenticated if the latest connection was refused."""
        if self.login is not None and self.login.refusal is not None:
            raise self.login.refusal

    async def start(self, client: Any) -> None:
        """Start a client of aiokafka. Raises NotAuthenticated, KafkaError and OSError."""
        try:
            await client.start()
        except (KafkaError, OSError):
            self.check()
            raise


def plain(*servers: str) -> KafkaConnection:
    """A connection in plain text; each of `servers` is one or more `host:port` with commas."""
    return KafkaConnection(tuple(one for each in servers for one in each.split(",")))


def connection_of(settings: KafkaSettings) -> KafkaConnection:
    """The connection that settings describe. Reads no file."""
    if settings.kafka_security_protocol == "PLAINTEXT":
        return KafkaConnection(settings.kafka_bootstrap_servers)
    sasl = settings.kafka_has_sasl
    certificates = Certificates(
        settings.kafka_ca_file, settings.kafka_cert_file, settings.kafka_key_file
    )
    oauth = sasl and settings.kafka_sasl_mechanism == "OAUTHBEARER"
    login = Login(
        settings.kafka_security_protocol,
        certificates=certificates if settings.kafka_has_tls else None,
        mechanism=settings.kafka_sasl_mechanism if sasl else None,
        username=settings.kafka_username if sasl else None,
        password=_secret(settings.kafka_password, settings.kafka_password_file),
        tokens=_tokens(settings) if oauth else None,
    )
    return KafkaConnection(settings.kafka_bootstrap_servers, login)


def _tokens(settings: KafkaSettings) -> ClientCredentials:
    secret = _secret(settings.kafka_oauth_client_secret, settings.kafka_oauth_client_secret_file)
    assert settings.kafka_oauth_token_url, "the settings were checked"
    assert settings.kafka_oauth_client_id, "the settings were checked"
    assert secret is not None, "the settings were checked"
    return ClientCredentials(
        settings.kafka_oauth_token_url,
        settings.kafka_oauth_client_id,
        secret.read,
        settings.kafka_oauth_ca_file,
    )


def _secret(value: Any, path: Path | None) -> Secret | None:
    if value is not None:
        return FixedSecret(value.get_secret_value())
    return None if path is None else FileSecret(path)


_UNUSED_CONTEXT: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""aiokafka wants one from the beginning; each connection gets its own."""


async def _connect(host: str, port: int, **options: Any) -> Any:
    """Open a connection of aiokafka; through the login, if the client has one of ours."""
    login = options.get("sasl_oauth_token_provider")
    if not isinstance(login, Login):
        return await create_conn(host, port, **options)
    return await login.connect(partial(create_conn, host, port), options)


def _refusal_in(error: BaseException) -> BaseException | None:
    """What in an error and its causes says that the login failed; None if nothing does."""
    chain: Sequence[BaseException] = ()
    at: BaseException | None = error
    while at is not None and len(chain) < _DEEPEST:
        chain = (*chain, at)
        at = at.__cause__ or at.__context__
    return next((one for one in chain if isinstance(one, _REFUSALS)), None)


def _readable(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename} cannot be read ({type(error).__name__})"
    return str(error)
