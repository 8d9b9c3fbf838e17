"""What the tools are told, and how they say to a service who asks."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field, field_validator

from shared.contracts.services import HTTP_PORTS, ServiceName
from shared.runtime.settings import CommonSettings

_NOT_IN_A_USER: Final = re.compile(r"[^A-Za-z0-9._@:+-]|^[^A-Za-z0-9]")


class ToolSettings(CommonSettings):
    """What a tool is told. It serves nobody, so that it needs no identity in production."""

    @field_validator("env")
    @classmethod
    def _never_open(cls, env: str) -> str:
        return env


class ApiSettings(ToolSettings):
    """What a tool is told that speaks to the API of a service."""

    api: str = Field("", description="URL of the service's API; by default on this machine.")

    def api_of(self, service: ServiceName) -> str:
        """The URL of the service's API."""
        return self.api or f"http://127.0.0.1:{HTTP_PORTS[service] + self.port_offset}"


def as_operator(who: str) -> dict[str, str]:
    """The headers of a request by an operator; of a name, what a header may hold."""
    user = _NOT_IN_A_USER.sub("x", who)[:100] or "operator"
    return {"X-Peygir-User": user, "X-Peygir-Roles": "operator"}
