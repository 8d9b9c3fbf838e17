"""Where a service listens, and what it accepts."""

from __future__ import annotations

import ipaddress
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from shared.runtime.addresses import refused
from shared.runtime.settings.fields import shifted_port
from shared.runtime.settings.site import SiteSettings


class HttpSettings(SiteSettings):
    """The settings of every process that serves HTTP."""

    open_network: Literal["", "accepted"] = Field(
        "", description="`accepted`: development may listen beyond loopback, open to the network."
    )
    http_host: str = Field("127.0.0.1", description="Address to listen on.")
    http_port: int = shifted_port(8100)
    body_limit_bytes: int = Field(1_000_000, ge=1_000, description="Longest body of a request.")

    @field_validator("http_host")
    @classmethod
    def _loopback(cls, host: str, info: ValidationInfo) -> str:
        accepted = info.data.get("open_network") == "accepted"
        if info.data.get("env") == "development" and not (accepted or _is_loopback(host)):
            raise refused(
                "development is open to everybody who can reach it; allowed: loopback addresses, "
                "and others with PEYGIR_OPEN_NETWORK=accepted"
            )
        return host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
