"""Certificates and keys in PEM files: checked when settings are read, loaded for connections."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509


class BadPem(Exception):
    """A file that holds no usable certificate or key; the message names it and says why."""


def require_certificates(path: Path) -> None:
    """Check that a file holds certificates of which one at least has not expired.

    Raises BadPem.
    """
    now = datetime.now(UTC)
    found = certificates_in(path)
    if all(certificate.not_valid_after_utc <= now for certificate in found):
        ended = max(certificate.not_valid_after_utc for certificate in found)
        raise BadPem(f"{path} has expired on {ended:%Y-%m-%d}; renew it")


def require_key_pair(certificate: Path, key: Path) -> None:
    """Check that a key belongs to a certificate that has not expired. Raises BadPem."""
    first = certificates_in(certificate)[0]
    if first.not_valid_after_utc <= datetime.now(UTC):
        raise BadPem(f"{certificate} has expired on {first.not_valid_after_utc:%Y-%m-%d}; renew it")
    client_context(None, certificate, key)


def certificates_in(path: Path) -> list[x509.Certificate]:
    """The certificates of a file, at least one. Raises BadPem."""
    from cryptography import x509  # noqa: PLC0415  # ten megabytes that plain text does not need

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise BadPem(f"{path} cannot be read ({type(error).__name__})") from error
    except ValueError as error:
        raise BadPem(f"{path} holds no certificate in PEM format") from error


def client_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """How a client takes up TLS: 1.2 or newer, with the server's name checked.

    Without a `ca` the system's authorities vouch for servers. Raises BadPem.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            # A key with a password would otherwise ask for it at the terminal.
            context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        reason = error.reason or type(error).__name__
        raise BadPem(
            f"{certificate or ca} does not fit its key, or is no PEM ({reason})"
        ) from error
    except OSError as error:
        name = error.filename or certificate or ca
        raise BadPem(f"{name} cannot be read ({type(error).__name__})") from error
    return context
