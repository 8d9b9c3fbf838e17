"""Where a service listens, by which certificate, and behind which proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from shared.runtime.addresses import refused
from shared.runtime.server_certificates import BadCertificate, CertificateFiles, check
from shared.runtime.settings.fields import shifted_port, split
from shared.runtime.settings.limits import LimitSettings

_NEEDED: Final = frozenset({"http_cert_file", "http_key_file"})  # for TLS that ends here


class HttpSettings(LimitSettings):
    """The settings of every process that serves HTTP."""

    open_network: Literal["", "accepted"] = Field(
        "", description="`accepted`: development may listen beyond loopback, open to the network."
    )
    http_host: str = Field("127.0.0.1", description="Address to listen on.")
    http_port: int = shifted_port(8100)
    operations_port: int = Field(
        default_factory=lambda known: known.get("http_port", 8100),
        ge=1,
        le=65535,
        description="Port of probes, metrics and operators' routes; by default that of HTTP.",
    )
    http_tls: Literal["", "here", "proxy"] = Field(
        "", description="Where TLS ends: `here`, with a certificate, or at a `proxy` in front."
    )
    http_cert_file: Path | None = Field(
        None,
        validate_default=True,
        description="Certificate of the service, and those above it (PEM).",
    )
    http_key_file: Path | None = Field(
        None, validate_default=True, description="Its private key (PEM, without a passphrase)."
    )
    http_client_ca_file: Path | None = Field(
        None, description="Clients need a certificate that these vouch for (PEM)."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)] = Field(
        (), description="Addresses and networks whose X-Forwarded-For and -Proto are believed."
    )

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

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, networks: Any) -> Any:
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise refused(
                    f"{network!r} is no address or network, such as 10.0.0.0/8"
                ) from error
        return networks

    @field_validator("http_cert_file", "http_key_file", "http_client_ca_file")
    @classmethod
    def _only_here(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None and info.data.get("http_tls") != "here":
            raise refused("a certificate is for PEYGIR_HTTP_TLS=here")
        if path is None and info.data.get("http_tls") == "here" and info.field_name in _NEEDED:
            raise refused("is missing: PEYGIR_HTTP_TLS=here needs a certificate and its key")
        return path

    @field_validator("http_key_file", "http_client_ca_file")
    @classmethod
    def _usable(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        certificate, key = info.data.get("http_cert_file"), info.data.get("http_key_file", path)
        if path is None or certificate is None or key is None:
            return path
        authority = path if info.field_name == "http_client_ca_file" else None
        try:
            check(CertificateFiles(certificate, key, authority))
        except BadCertificate as error:
            raise refused(str(error)) from error
        return path

    @property
    def certificate_files(self) -> CertificateFiles | None:
        """The files of the certificate by which TLS ends here; None if it does not."""
        if self.http_cert_file is None or self.http_key_file is None:
            return None
        return CertificateFiles(self.http_cert_file, self.http_key_file, self.http_client_ca_file)

    @property
    def has_own_operations(self) -> bool:
        """Whether probes, metrics and operators' routes have a port of their own."""
        return self.operations_port != self.http_port

    def lacks(self) -> Iterator[str]:
        yield from super().lacks()
        if not self.http_tls:
            yield (
                "PEYGIR_HTTP_TLS: `here` with PEYGIR_HTTP_CERT_FILE and PEYGIR_HTTP_KEY_FILE, or "
                "`proxy` if one in front ends TLS"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
