"""The settings of the tools, and how their requests say who sends them."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import ssl
from collections.abc import AsyncGenerator, Generator, Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import httpx
from pydantic import Field

from shared.contracts.services import HTTP_PORTS, ServiceName
from shared.runtime.settings import ProcessSettings
from tools.login.claims import claims_of
from tools.login.errors import COMMAND, LoginError, TokenWouldLeak
from tools.login.provider import trusting
from tools.login.settings import LoginSettings
from tools.login.sources import NoToken, TokenSource, source_of

_NOT_IN_A_USER: Final = re.compile(r"[^A-Za-z0-9._@:+-]|^[^A-Za-z0-9]")


class ToolSettings(ProcessSettings):
    """Settings of a tool. It serves nobody, so it needs no identity provider in production."""

    NEEDS: ClassVar[str] = ""
    """How the names of those settings begin that production has to give this tool."""

    def lacks(self) -> Iterator[str]:
        """What of that is missing."""
        return (line for line in super().lacks() if line.startswith(self.NEEDS))


class ApiSettings(LoginSettings):
    """Settings of a tool that uses the API of a service, and nothing else of it."""

    api: str = Field("", description="URL of the service's API; by default on this machine.")
    api_ca_file: Path | None = Field(
        None, description="The certificates (PEM) that vouch for the service; else the system's."
    )

    def api_of(self, service: ServiceName) -> str:
        """The URL of the service's API."""
        return self.api or f"http://127.0.0.1:{HTTP_PORTS[service] + self.port_offset}"

    def trusted(self) -> ssl.SSLContext:
        """TLS that knows the service by its certificate. Raises NotConfigured."""
        return trusting(self.api_ca_file, "PEYGIR_API_CA_FILE")


class OpenHeaders(httpx.Auth):
    """The headers that the open identity of development believes."""

    def __init__(self, user: str, *roles: str) -> None:
        """Characters of `user` that no header may hold become `x`."""
        self.headers = {
            "X-Peygir-User": _NOT_IN_A_USER.sub("x", user)[:100] or "operator",
            "X-Peygir-Roles": ",".join(roles),
        }

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(self.headers)
        yield request


class Bearer(httpx.Auth):
    """A token with each request, renewed when it is about to end."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Raises LoginError."""
        yield _with_token(request, self._source.token())

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Raises LoginError."""
        yield _with_token(request, await asyncio.to_thread(self._source.token))


def as_operator(who: str, settings: ApiSettings) -> httpx.Auth:
    """Who sends a tool's requests: the token's owner, or without a provider an operator `who`.

    If there is no way to get a token, each request raises LoginError, and nothing before.
    """
    if not settings.has_credentials:
        return OpenHeaders(who, "operator")
    try:
        return Bearer(source_of(settings))
    except LoginError as error:
        return Bearer(NoToken(error))


def refusal(answer: httpx.Response, settings: ApiSettings) -> str | None:
    """What to do about an answer that refuses the sender; None for any other answer."""
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return f"{_detail(answer)}; {_remedy(settings)}"
    if answer.status_code == httpx.codes.FORBIDDEN:
        return f"{_detail(answer)}; {_roles(answer.request, settings)}"
    return None


def _with_token(request: httpx.Request, token: str) -> httpx.Request:
    if request.url.scheme != "https" and not _is_loopback(request.url.host):
        raise TokenWouldLeak(
            f"{request.url.copy_with(raw_path=b'/')} would get the token in plain text; use https://"
        )
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _remedy(settings: ApiSettings) -> str:
    try:
        return source_of(settings).remedy
    except LoginError as error:
        return str(error)


def _roles(request: httpx.Request, settings: ApiSettings) -> str:
    """Which roles the request had, and that others are needed."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        return f"it was sent as {request.headers.get('X-Peygir-Roles') or 'nobody'}"
    claims = claims_of(token, settings)
    had = ", ".join(claims.roles) if claims else ""
    return (
        f"the token has {f'the roles {had}' if had else 'no roles'}; whoever manages accounts at "
        f"the identity provider gives roles, and `{COMMAND}` takes them up"
    )


def _detail(answer: httpx.Response) -> str:
    try:
        problem: Any = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return f"{answer.request.url}: {answer.status_code} {answer.text[:300]}"
    return f"{problem.get('title')}: {problem.get('detail')}"
