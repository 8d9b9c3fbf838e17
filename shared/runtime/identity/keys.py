"""The public keys of the identity provider: fetched, kept, and fetched again as they rotate."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from shared.runtime.clocks import MachineClock
from shared.runtime.health import Degraded

_log = structlog.get_logger(__name__)

REFRESHED_EVERY_SECONDS: Final = 60.0
"""How soon a key that the provider has withdrawn is refused."""

ASKED_AGAIN_AFTER_SECONDS: Final = 10.0
"""Between two questions about unknown keys: else forged tokens would be questions to it."""

_TIMEOUT_SECONDS: Final = 5.0
_LONGEST: Final = 256 * 1024  # bytes of an answer
_PUBLIC: Final = frozenset({"RSA", "EC", "OKP"})  # never a shared secret
_DISCOVERY: Final = "/.well-known/openid-configuration"

Connect: TypeAlias = Callable[[], httpx.AsyncClient]


class UnknownKey(Exception):
    """The provider has no such key, or none that could be fetched yet."""


class ProviderAway(Exception):
    """The provider does not answer, or not as OpenID Connect asks."""


class ProviderKeys:
    """The keys by which one issuer signs. One question at a time goes to the provider.

    If the provider is away, the known keys stay. Nothing is asked before `find` or `keep_fresh`.
    """

    def __init__(self, issuer: str, clock: MachineClock, connect: Connect | None = None) -> None:
        """`issuer`: exactly as the provider names itself (OpenID Connect Discovery 1.0, 4)."""
        self._issuer = issuer
        self._clock = clock
        self._connect: Connect = connect or client
        self._keys: KeySet | None = None
        self._asked_at: float | None = None  # monotonic
        self._fetched_at: datetime | None = None
        self._trouble: str | None = None
        self._asking = asyncio.Lock()

    async def find(self, kid: str | None) -> Key:
        """The key with this id; without an id, the only one there is.

        Asks the provider about an unknown one, but only every ten seconds. Raises UnknownKey.
        """
        found = self._known(kid)
        if found is None:
            await self._ask_about_unknown()
            found = self._known(kid)
        if found is None:
            raise UnknownKey("the provider has no such key" if self._keys else "no keys are known")
        return found

    async def keep_fresh(self) -> None:
        """Fetch the keys again and again, until cancelled."""
        while True:
            async with self._asking:
                await self._refresh()
            await self._clock.sleep(REFRESHED_EVERY_SECONDS)

    async def check(self) -> None:
        """For /readyz. Raises Degraded while the provider is away: known keys serve on."""
        if self._trouble is not None:
            since = "" if self._fetched_at is None else f"; keys of {self._fetched_at:%FT%TZ}"
            raise Degraded(f"the identity provider is away ({self._trouble}){since}")

    def _known(self, kid: str | None) -> Key | None:
        keys = [] if self._keys is None else list(self._keys)
        if kid is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.kid == kid), None)

    async def _ask_about_unknown(self) -> None:
        before = self._asked_at
        async with self._asking:
            if self._asked_at != before:  # somebody else has asked meanwhile
                return
            now = self._clock.monotonic()
            if before is None or now - before >= ASKED_AGAIN_AFTER_SECONDS:
                await self._refresh()

    async def _refresh(self) -> None:
        self._asked_at = self._clock.monotonic()
        try:
            self._keys = await self._fetch()
        except (ProviderAway, httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            trouble = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            if trouble != self._trouble:
                _log.warning("keys not fetched", issuer=self._issuer, error=trouble)
            self._trouble = trouble
            return
        if self._trouble is not None or self._fetched_at is None:
            _log.info("keys fetched", issuer=self._issuer, keys=len(list(self._keys)))
        self._trouble, self._fetched_at = None, self._clock.now()

    async def _fetch(self) -> KeySet:
        async with self._connect() as http:
            described = await _read(http, self._issuer.rstrip("/") + _DISCOVERY)
            if described.get("issuer") != self._issuer:
                raise ProviderAway(f"it names itself {described.get('issuer')!r}")
            place = described.get("jwks_uri")
            if not isinstance(place, str) or not _as_secure(place, self._issuer):
                raise ProviderAway(f"its keys are at {place!r}, which is not as secure as itself")
            published = await _read(http, place)
        signing = [key for key in _listed(published) if key.get("use", "sig") == "sig"]
        return KeySet.import_key_set({"keys": [key for key in signing if key["kty"] in _PUBLIC]})


def client(ca_file: Path | None = None) -> httpx.AsyncClient:
    """A client for the provider: it follows no redirect, and trusts `ca_file` or the system."""
    trust = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    return httpx.AsyncClient(verify=trust, timeout=_TIMEOUT_SECONDS, follow_redirects=False)


async def _read(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with http.stream("GET", url) as answer:
        if answer.status_code != httpx.codes.OK:
            raise ProviderAway(f"{url} answers {answer.status_code}")
        content = b""
        async for part in answer.aiter_bytes():
            content += part
            if len(content) > _LONGEST:
                raise ProviderAway(f"{url} answers more than {_LONGEST} bytes")
        document = httpx.Response(200, content=content).json()
    if not isinstance(document, dict):
        raise ProviderAway(f"{url} answers no JSON object")
    return document


def _listed(published: Mapping[str, Any]) -> list[dict[str, Any]]:
    keys = published.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise ProviderAway("it publishes no list of keys")
    return keys


def _as_secure(place: str, issuer: str) -> bool:
    return place.startswith("https://") or issuer.startswith("http://")
