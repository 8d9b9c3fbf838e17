"""Configuration of the service `notify`."""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import email_validator
from email_validator import EmailNotValidError
from pydantic import Field, SecretStr, ValidationInfo, field_validator

from shared.contracts.services import HTTP_PORTS
from shared.runtime.addresses import refused
from shared.runtime.principals import Roles
from shared.runtime.settings import CommonSettings, shifted_port

_SMTP_PORT: Final = 8125
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_HOST_NAME: Final = re.compile(r"[\w.-]+")

# Closed networks use domain names that the public DNS reserves; they are allowed here.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def _address(text: str) -> str:
    """The address in ASCII, as every mail server accepts it: an IDN as its A-labels (RFC 5891).

    Raises EmailNotValidError.
    """
    return (
        email_validator.validate_email(
            text,
            check_deliverability=False,  # no DNS query: the network may be closed
            globally_deliverable=False,
            allow_smtputf8=False,
            strict=True,
        ).ascii_email
        or ""
    )


class NotifySettings(CommonSettings):
    """The settings of `notify`, besides those of every service."""

    http_port: int = shifted_port(HTTP_PORTS["notify"])

    smtp_host: str = Field("127.0.0.1", min_length=1, description="The mail server.")
    smtp_port: int = Field(
        default_factory=lambda known: _SMTP_PORT + known.get("port_offset", 0),
        ge=1,
        le=65535,
        description=f"Its port; by default {_SMTP_PORT} plus the offset.",
    )
    smtp_tls: Literal["none", "starttls", "implicit"] = Field(
        "none", description="How the connection to it is encrypted (RFC 3207; RFC 8314, 3.3)."
    )
    smtp_ca_file: Path | None = Field(
        None, description="CA certificates that sign the mail server's; by default the system's."
    )
    smtp_user: str = Field("", description="The user who logs in there; empty: no login.")
    smtp_password: SecretStr = Field(SecretStr(""))
    smtp_timeout_seconds: float = Field(
        30.0, gt=0, le=600, description="How long to wait for each answer."
    )

    mail_domain: str = Field(
        "peygir.example",
        description="Domain of the addresses made from roles, and of every Message-ID.",
    )
    mail_from: str = Field(
        default_factory=lambda known: f"peygir@{known.get('mail_domain', 'peygir.example')}",
        description="Address of the sender.",
    )
    addresses_file: Path | None = Field(
        None, description="A JSON file, role -> address, for those that are not made from roles."
    )
    mail_retry_seconds: float = Field(
        10.0,
        gt=0,
        le=900,
        description="First wait if the server asks to try later; doubled up to 15 minutes.",
    )

    mail_tries_most: int = Field(
        500,
        ge=1,
        description="Tries after which a notice has failed; the default takes about five days.",
    )

    @field_validator("smtp_host")
    @classmethod
    def _host(cls, host: str) -> str:
        if not _is_host(host):
            raise refused(f"{host!r} is no name or address of a host; its port is PEYGIR_SMTP_PORT")
        return host

    @field_validator("smtp_ca_file")
    @classmethod
    def _certificates(cls, path: Path | None) -> Path | None:
        if path is not None:
            try:
                ssl.create_default_context(cafile=str(path))
            except OSError as error:  # those of ssl too
                raise refused(f"{path}: {error}") from error
        return path

    @field_validator("mail_domain")
    @classmethod
    def _domain(cls, domain: str) -> str:
        return _checked(f"peygir@{domain}").rpartition("@")[2]

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, sender: str) -> str:
        return _checked(sender)

    @field_validator("smtp_user")
    @classmethod
    def _password_is_encrypted(cls, user: str, info: ValidationInfo) -> str:
        is_local = info.data.get("smtp_host") in _LOCAL_HOSTS
        if user and info.data.get("smtp_tls") == "none" and not is_local:
            raise refused(
                "a password would go in plain text; set PEYGIR_SMTP_TLS to starttls or implicit"
            )
        return user

    @field_validator("addresses_file")
    @classmethod
    def _addresses(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None:
            existing = Roles.of(info.data.get("known_deputies"))
            for role in read_addresses(path):
                if role not in existing.every:
                    raise refused(f"{path}: {role!r} is nobody's role")
        return path

    def addresses(self) -> Mapping[str, str]:
        """The addresses that the file of addresses gives, by role."""
        return {} if self.addresses_file is None else read_addresses(self.addresses_file)


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        try:
            return bool(_HOST_NAME.fullmatch(text) and text.encode("idna"))
        except UnicodeError:
            return False
    return True


def read_addresses(path: Path) -> Mapping[str, str]:
    """Read a JSON file of addresses by role.

    Raises a validation error whose message says on one line what is wrong.
    """
    try:
        addresses = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise refused(f"{path}: {error}") from error
    if not isinstance(addresses, dict):
        raise refused(f"{path}: not an object of addresses by role")
    return {role: _address_in(path, role, address) for role, address in addresses.items()}


def _address_in(path: Path, role: str, address: object) -> str:
    try:
        return _address(address if isinstance(address, str) else "")
    except EmailNotValidError as error:
        raise refused(f"{path}: {address!r} of {role} is no address: {error}") from error


def _checked(text: str) -> str:
    try:
        return _address(text)
    except EmailNotValidError as error:
        raise refused(f"{text!r}: {error}") from error
