"""The settings of the tools, and the identity under which they send requests."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field

from shared.contracts.services import HTTP_PORTS, ServiceName
from shared.runtime.settings import ProcessSettings

_NOT_IN_A_USER: Final = re.compile(r"[^A-Za-z0-9._@:+-]|^[^A-Za-z0-9]")


class ToolSettings(ProcessSettings):
    """Settings of a tool. It serves nobody, so it needs no identity provider in production."""


class ApiSettings(ToolSettings):
    """Settings of a tool that uses the API of a service."""

    api: str = Field("", description="URL of the service's API; by default on this machine.")

    def api_of(self, service: ServiceName) -> str:
        """The URL of the service's API."""
        return self.api or f"http://127.0.0.1:{HTTP_PORTS[service] + self.port_offset}"


def as_operator(who: str) -> dict[str, str]:
    """The headers of a request by an operator; characters that no header may hold become `x`."""
    user = _NOT_IN_A_USER.sub("x", who)[:100] or "operator"
    return {"X-Peygir-User": user, "X-Peygir-Roles": "operator"}
