"""Certificates for one machine: an authority of its own, made at run time and kept in a folder.

Not for production: the authority's key lies beside what it signs.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.layout import HOST

_LIFE: Final = timedelta(days=90)
_RENEWED_BEFORE: Final = timedelta(days=7)
_HOSTS: Final = ("localhost", HOST, "::1")
_CURVE: Final = ec.SECP256R1()


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The files (PEM) of a certificate and its key; `bundle` holds both, as Kafka wants it."""

    certificate: Path
    key: Path
    bundle: Path


class Authority:
    """Signs certificates that whoever has its `certificate` trusts."""

    def __init__(self, folder: Path) -> None:
        """`folder` keeps the authority and all that it signs; made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._key_file = folder / "ca.key"
        if not _is_valid(self.certificate):
            self._make()
        self._own = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), "made here"
        self._key = key

    def issue(
        self,
        name: str,
        hosts: Sequence[str] = _HOSTS,
        *,
        anew: bool = False,
        ends: datetime | None = None,
    ) -> KeyPair:
        """The certificate `CN=name`, for servers at `hosts` and for clients.

        One that is there and valid stays, unless it is to be made `anew`. `ends` (aware) is when
        it expires, after 90 days by default.
        """
        folder = self._folder
        pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.both.pem")
        if _is_valid(pair.bundle) and not anew:
            return pair
        key = ec.generate_private_key(_CURVE)
        ends = ends or datetime.now(UTC) + _LIFE
        begins = min(datetime.now(UTC), ends) - timedelta(minutes=5)
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            x509.CertificateBuilder(
                issuer_name=self._own.subject,
                subject_name=_named(name),
                public_key=key.public_key(),
                serial_number=x509.random_serial_number(),
                not_valid_before=begins,
                not_valid_after=ends,
            )
            .add_extension(x509.SubjectAlternativeName(_alternative(hosts)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        private = _pem(key)
        write_private(pair.key, private)
        write_private(pair.certificate, public)
        write_private(pair.bundle, private + public)
        return pair

    def _make(self) -> None:
        key = ec.generate_private_key(_CURVE)
        now = datetime.now(UTC)
        name = _named("Peygir on this machine")
        certificate = (
            x509.CertificateBuilder(
                issuer_name=name,
                subject_name=name,
                public_key=key.public_key(),
                serial_number=x509.random_serial_number(),
                not_valid_before=now - timedelta(minutes=5),
                not_valid_after=now + _LIFE,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        for left in self._folder.glob("*.both.pem"):  # the former authority signed them
            left.unlink()
        write_private(self._key_file, _pem(key))
        write_private(self.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def write_private(path: Path, content: bytes) -> None:
    """Put a file that its owner alone may read into the place of another, at once."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


_SIGNS: Final = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _is_valid(path: Path) -> bool:
    """Whether a file holds a certificate that will not expire within a week."""
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    return certificate.not_valid_after_utc > datetime.now(UTC) + _RENEWED_BEFORE


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,  # the only one that Kafka reads
        serialization.NoEncryption(),
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names
