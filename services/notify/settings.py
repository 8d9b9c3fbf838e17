"""Configuration of the service `notify`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from shared.contracts.reference import PROVINCE_CODES
from shared.runtime.principals import every_role
from shared.runtime.settings import CommonSettings, shifted_port

PORT: Final = 8104
_SMTP_PORT: Final = 8125
_HOSTS_OF_THIS_MACHINE: Final = frozenset({"127.0.0.1", "::1", "localhost"})

# A dot-atom at a host name (RFC 5322, 3.4.1), in ASCII: what every mail server takes.
_DOMAIN: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_ADDRESS: Final = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+(?:\.[A-Za-z0-9_+-]+)*@{_DOMAIN}"


class NotifySettings(CommonSettings):
    """What notices are told besides what all services are."""

    http_port: int = shifted_port(PORT)

    smtp_host: str = Field("127.0.0.1", min_length=1, description="The mail server.")
    smtp_port: int = Field(
        default_factory=lambda known: _SMTP_PORT + known.get("port_offset", 0),
        ge=1,
        le=65535,
        description=f"Its port; by default {_SMTP_PORT} plus the offset.",
    )
    smtp_tls: Literal["none", "starttls", "implicit"] = Field(
        "none", description="How the way to it is encrypted (RFC 3207; RFC 8314, 3.3)."
    )
    smtp_user: str = Field("", description="Who logs in there; empty: nobody does.")
    smtp_password: SecretStr = Field(SecretStr(""))
    smtp_timeout_seconds: float = Field(30.0, gt=0, le=600, description="For each answer of it.")

    mail_domain: str = Field(
        "peygir.example",
        pattern=f"^{_DOMAIN}$",
        description="Domain of the addresses made from roles, and of every Message-ID.",
    )
    mail_from: str = Field(
        default_factory=lambda known: f"peygir@{known.get('mail_domain', 'peygir.example')}",
        pattern=f"^{_ADDRESS}$",
        description="Address of the sender.",
    )
    addresses_file: Path | None = Field(
        None, description="A JSON file, role -> address, for those that are not made from roles."
    )
    mail_retry_seconds: float = Field(
        10.0,
        gt=0,
        le=900,
        description="First wait where the server asks to try later; doubled to 15 minutes.",
    )

    @field_validator("smtp_user")
    @classmethod
    def _not_in_the_open(cls, user: str, info: ValidationInfo) -> str:
        here = info.data.get("smtp_host") in _HOSTS_OF_THIS_MACHINE
        if user and info.data.get("smtp_tls") == "none" and not here:
            raise _refused(
                "a password would go in plain text; set PEYGIR_SMTP_TLS to starttls or implicit"
            )
        return user

    @field_validator("addresses_file")
    @classmethod
    def _addresses(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None:
            roles = every_role(info.data.get("known_deputies", ()), PROVINCE_CODES)
            for role in read_addresses(path):
                if role not in roles:
                    raise _refused(f"{path}: {role!r} is nobody's role")
        return path

    def addresses(self) -> Mapping[str, str]:
        """The addresses that are not made from roles, by role."""
        return {} if self.addresses_file is None else read_addresses(self.addresses_file)


def read_addresses(path: Path) -> Mapping[str, str]:
    """Read a file of addresses by role.

    Raises a validation error, with one line that says what is wrong.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(f"{path}: {error}") from error
    if not isinstance(read, dict):
        raise _refused(f"{path}: not an object of addresses by role")
    for role, address in read.items():
        if not isinstance(address, str) or not re.fullmatch(_ADDRESS, address):
            raise _refused(f"{path}: {address!r} of {role} is no address")
    return read


def _refused(message: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message})
