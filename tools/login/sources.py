"""Where a tool takes its token from, and how it gets the next one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Protocol

import httpx

from shared.runtime.clocks import MachineClock, SystemMachineClock
from tools.login.errors import COMMAND, LoginError, NotConfigured, NotLoggedIn, SessionOver
from tools.login.provider import Provider, Tokens, http_client
from tools.login.settings import LoginSettings
from tools.login.store import TokenStore, store_of

_MARGIN: Final = timedelta(seconds=30)
"""A token is renewed that long before it ends: it also has to last until it is checked."""


class TokenSource(Protocol):
    """Gives tokens; blocks while it asks for one."""

    remedy: str
    """What to do if the services do not accept its token."""

    def token(self) -> str:
        """A token that is valid for some time yet. Raises LoginError."""
        ...


class GivenToken:
    """The token of PEYGIR_TOKEN."""

    remedy = "PEYGIR_TOKEN is not accepted; set it to a valid token, or unset it and log in"

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self) -> str:
        return self._token


class NoToken:
    """Says at each request why there is no token."""

    def __init__(self, error: LoginError) -> None:
        self.remedy = str(error)
        self._error = error

    def token(self) -> str:
        raise self._error


class ProgramToken:
    """Tokens of a program without a person (client credentials), kept in memory."""

    remedy = "check what the account of PEYGIR_OIDC_CLIENT_ID may do at the identity provider"

    def __init__(self, provider: Callable[[], Provider], scope: str, clock: MachineClock) -> None:
        """`provider` is called for each token, so that a new secret is taken up."""
        self._provider = provider
        self._scope = scope
        self._clock = clock
        self._tokens: Tokens | None = None
        self._lock = threading.Lock()

    def token(self) -> str:
        with self._lock:
            if self._tokens is None or not _lasts(self._tokens, self._clock):
                self._tokens = self._provider().client_tokens(self._scope)
            return self._tokens.access


class PersonToken:
    """Tokens of the person who logged in, kept in their file and renewed there."""

    remedy = f"log in again with `{COMMAND}`"

    def __init__(self, provider: Provider, store: TokenStore, clock: MachineClock) -> None:
        self._provider = provider
        self._store = store
        self._clock = clock

    def token(self) -> str:
        kept = self._kept()
        if _lasts(kept, self._clock):
            return kept.access
        with self._store.alone():
            kept = self._kept()  # another process may have renewed it
            return kept.access if _lasts(kept, self._clock) else self._renewed(kept).access

    def _kept(self) -> Tokens:
        kept = self._store.read()
        if kept is None:
            raise NotLoggedIn(f"nobody is logged in at {self._store.issuer}; run `{COMMAND}`")
        return kept

    def _renewed(self, kept: Tokens) -> Tokens:
        if kept.refresh is None:
            raise SessionOver(f"the token has expired; log in again with `{COMMAND}`")
        try:
            renewed = self._provider.refreshed(kept.refresh)
        except SessionOver:
            self._store.forget()
            raise
        self._store.write(renewed)
        return renewed


def source_of(settings: LoginSettings, clock: MachineClock | None = None) -> TokenSource:
    """Where the settings take tokens from: PEYGIR_TOKEN, a client's secret, or who logged in.

    Asks nobody yet. Raises NotConfigured.
    """
    at = clock or SystemMachineClock()
    if settings.token is not None:
        return GivenToken(settings.token.get_secret_value())
    http = http_client(settings.oidc_ca_file)
    if settings.client_secret() is not None:
        return ProgramToken(lambda: provider_of(settings, http, at), settings.oidc_scope, at)
    provider = provider_of(settings, http, at)
    return PersonToken(provider, store_for(settings), at)


def provider_of(settings: LoginSettings, http: httpx.Client, clock: MachineClock) -> Provider:
    """The provider that the settings name. Raises NotConfigured."""
    return Provider(
        http, _issuer(settings), settings.oidc_client_id, clock, settings.client_secret()
    )


def store_for(settings: LoginSettings) -> TokenStore:
    """Where the settings keep tokens. Raises NotConfigured."""
    return store_of(os.environ, _issuer(settings), settings.oidc_client_id)


def _issuer(settings: LoginSettings) -> str:
    if settings.oidc_issuer is None:
        raise NotConfigured(
            "no identity provider is named; set PEYGIR_OIDC_ISSUER, such as "
            f"https://id.example.org/realms/peygir, and log in with `{COMMAND}`; or set "
            "PEYGIR_TOKEN"
        )
    return settings.oidc_issuer


def _lasts(tokens: Tokens, clock: MachineClock) -> bool:
    return tokens.expires_at - clock.now() > _MARGIN
