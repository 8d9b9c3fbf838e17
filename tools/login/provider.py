"""What a tool asks the provider: OpenID Connect Discovery, RFC 6749, RFC 7009 and RFC 8628."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from shared.runtime.clocks import MachineClock
from tools.login.errors import (
    COMMAND,
    CodeExpired,
    Denied,
    NotConfigured,
    ProviderUnavailable,
    Refused,
    SessionOver,
    WrongProvider,
)

ANSWER_SECONDS: Final = 10.0
_DISCOVERY: Final = "/.well-known/openid-configuration"
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_USUAL_INTERVAL: Final = 5.0  # seconds; RFC 8628, 3.2
_USUAL_LIFETIME: Final = 60  # seconds, of a token that does not say how long it lives
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The provider's addresses. Of the last two a provider may lack either."""

    token: str
    device: str | None
    revocation: str | None


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the person confirms, and what the program asks with in the meantime."""

    secret: str = field(repr=False)
    shown: str
    address: str
    full_address: str | None  # the code is already in it
    expires_in: float  # seconds
    interval: float  # seconds between two questions


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, until when it is valid (UTC), and what renews it."""

    access: str = field(repr=False)
    expires_at: datetime
    refresh: str | None = field(default=None, repr=False)


class StillPending(Exception):
    """The person has not decided yet."""


class TooFast(StillPending):
    """The same, and the provider wants to be asked less often."""


class Provider:
    """One provider, asked in the name of one client."""

    def __init__(
        self,
        http: httpx.Client,
        issuer: str,
        client_id: str,
        clock: MachineClock,
        secret: str | None = None,
    ) -> None:
        """`secret` is that of a confidential client. Nothing is asked yet."""
        self.issuer = issuer
        self.client_id = client_id
        self._http = http
        self._clock = clock
        self._secret = secret
        self._endpoints: Endpoints | None = None

    def endpoints(self) -> Endpoints:
        """Where it is asked what. Raises ProviderUnavailable and WrongProvider."""
        if self._endpoints is None:
            self._endpoints = self._discover()
        return self._endpoints

    def start_device_login(self, scope: str) -> DeviceCode:
        """A new code for a person to confirm. Raises a LoginError."""
        address = self.endpoints().device
        if address is None:
            raise WrongProvider(
                f"{self.issuer} offers no login by device code (RFC 8628); switch it on for the "
                f"client {self.client_id}, or set PEYGIR_TOKEN"
            )
        answer = self._post(address, {"scope": scope})
        if answer.is_error:
            raise self._refusal(answer)
        document = _document(answer)
        try:
            return DeviceCode(
                secret=str(document["device_code"]),
                shown=str(document["user_code"]),
                address=str(document["verification_uri"]),
                full_address=document.get("verification_uri_complete"),
                expires_in=float(document["expires_in"]),
                interval=max(1.0, float(document.get("interval", _USUAL_INTERVAL))),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WrongProvider(f"{address} answers without what RFC 8628 asks for") from error

    def device_tokens(self, code: DeviceCode) -> Tokens:
        """The tokens, if the person has agreed.

        Raises StillPending, TooFast, Denied, CodeExpired or another LoginError.
        """
        answer = self._post(
            self.endpoints().token, {"grant_type": _DEVICE_GRANT, "device_code": code.secret}
        )
        match _error_of(answer):
            case None:
                return self._tokens(answer)
            case "authorization_pending":
                raise StillPending
            case "slow_down":
                raise TooFast
            case "access_denied":
                raise Denied(f"the login was refused in the browser; run `{COMMAND}` to try again")
            case "expired_token":
                raise CodeExpired(f"the code has expired; run `{COMMAND}` for a new one")
            case _:
                raise self._refusal(answer)

    def client_tokens(self, scope: str) -> Tokens:
        """A token for the program itself, without a person. Raises a LoginError."""
        answer = self._post(
            self.endpoints().token, {"grant_type": "client_credentials", "scope": scope}
        )
        if answer.is_error:
            raise self._refusal(answer)
        return self._tokens(answer)

    def refreshed(self, refresh: str) -> Tokens:
        """New tokens for a refresh token, which may be valid only once.

        Raises SessionOver or another LoginError.
        """
        answer = self._post(
            self.endpoints().token, {"grant_type": "refresh_token", "refresh_token": refresh}
        )
        if _error_of(answer) == "invalid_grant":
            raise SessionOver(f"the session has ended; log in again with `{COMMAND}`")
        if answer.is_error:
            raise self._refusal(answer)
        renewed = self._tokens(answer)
        return Tokens(renewed.access, renewed.expires_at, renewed.refresh or refresh)

    def revoke(self, refresh: str) -> bool:
        """End the session. Whether the provider can do that. Raises a LoginError."""
        address = self.endpoints().revocation
        if address is None:
            return False
        answer = self._post(address, {"token": refresh, "token_type_hint": "refresh_token"})
        if answer.is_error:
            raise self._refusal(answer)
        return True

    def _discover(self) -> Endpoints:
        address = self.issuer.rstrip("/") + _DISCOVERY
        answer = self._ask("GET", address)
        if answer.is_error:
            raise WrongProvider(
                f"{address} answers {answer.status_code}; set PEYGIR_OIDC_ISSUER to the issuer of "
                "the realm, such as https://id.example.org/realms/peygir"
            )
        document = _document(answer)
        if document.get("issuer") != self.issuer:
            raise WrongProvider(
                f"{address} says that its issuer is {document.get('issuer')}; set "
                f"PEYGIR_OIDC_ISSUER to that if it is the one you trust"
            )
        return Endpoints(
            token=_secured(document, "token_endpoint") or _missing(address, "token_endpoint"),
            device=_secured(document, "device_authorization_endpoint"),
            revocation=_secured(document, "revocation_endpoint"),
        )

    def _tokens(self, answer: httpx.Response) -> Tokens:
        asked_at = self._clock.now()
        document = _document(answer)
        try:
            lifetime = timedelta(seconds=float(document.get("expires_in", _USUAL_LIFETIME)))
            refresh = document.get("refresh_token")
            return Tokens(
                str(document["access_token"]),
                asked_at + lifetime,
                None if refresh is None else str(refresh),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WrongProvider(f"{answer.request.url} answers without a token") from error

    def _post(self, address: str, form: Mapping[str, str]) -> httpx.Response:
        """Ask in the name of the client. Raises ProviderUnavailable, also for its own failures."""
        if self._secret is None:
            answer = self._ask("POST", address, data={**form, "client_id": self.client_id})
        else:  # each part encoded on its own: RFC 6749, 2.3.1
            identity = quote(self.client_id, safe=""), quote(self._secret, safe="")
            answer = self._ask("POST", address, data=form, auth=identity)
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise ProviderUnavailable(
                f"the identity provider answers {answer.status_code} at {address}; try again later"
            )
        return answer

    def _ask(self, method: str, address: str, **content: Any) -> httpx.Response:
        try:
            return self._http.request(method, address, **content)
        except httpx.HTTPError as error:
            raise ProviderUnavailable(
                f"the identity provider does not answer at {address} ({type(error).__name__}: "
                f"{error}); check PEYGIR_OIDC_ISSUER, PEYGIR_OIDC_CA_FILE and the network"
            ) from error

    def _refusal(self, answer: httpx.Response) -> Refused:
        document = _document(answer) if answer.content else {}
        what = document.get("error_description") or document.get("error") or answer.status_code
        return Refused(
            f"the identity provider refuses the client {self.client_id}: {what}; check "
            "PEYGIR_OIDC_CLIENT_ID and PEYGIR_OIDC_CLIENT_SECRET, and which logins it may use"
        )


def http_client(ca_file: Path | None) -> httpx.Client:
    """A client for the provider. `ca_file` has the certificates that vouch for it (PEM).

    Raises NotConfigured.
    """
    context = trusting(ca_file, "PEYGIR_OIDC_CA_FILE")
    return httpx.Client(timeout=ANSWER_SECONDS, verify=context)


def trusting(ca_file: Path | None, variable: str) -> ssl.SSLContext:
    """TLS that trusts the certificates of the file, or else the system's. Raises NotConfigured."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:  # ssl.SSLError is one
        raise NotConfigured(
            f"{variable}: {ca_file} holds no certificates that can be read ({error}); name a PEM "
            "file with the certificate of the authority"
        ) from error


def _document(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise WrongProvider(
            f"{answer.request.url} does not answer in JSON; check PEYGIR_OIDC_ISSUER"
        )
    return document


def _error_of(answer: httpx.Response) -> str | None:
    """The name of the error by RFC 6749, 5.2; None for success."""
    return str(_document(answer).get("error", answer.status_code)) if answer.is_error else None


def _secured(document: Mapping[str, Any], name: str) -> str | None:
    """The endpoint of that name. Raises WrongProvider if secrets would travel in plain text."""
    address = document.get(name)
    if address is None:
        return None
    parts = urlsplit(str(address))
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise WrongProvider(f"the provider's {name} is {address}; it has to be https://")
    return str(address)


def _missing(address: str, name: str) -> str:
    raise WrongProvider(f"{address} names no {name}; it is not an OpenID provider")
