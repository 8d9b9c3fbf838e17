"""TLS by a certificate in files that may change while the process runs.

Kubernetes and cert-manager renew a certificate by writing its files anew. A context that is in use
takes up another chain for the connections that come next; open ones keep theirs.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

_LOOKED_AT_EVERY_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


class BadCertificate(Exception):
    """A certificate that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The PEM files of a server's certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None  # clients need a certificate that these vouch for

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """What differs when a file was written anew; a missing one has a stamp too."""
        return tuple(map(_stamp, (self.certificate, self.key, self.client_ca)))


class ServerTls:
    """The TLS context of a server, which follows its files."""

    def __init__(self, files: CertificateFiles, *, asks_clients: bool = True) -> None:
        """Without `asks_clients`, no certificate of clients is asked for, whatever the files say.

        Raises BadCertificate.
        """
        self._files = files
        self._asks_clients = asks_clients
        self._stamp = files.stamp()
        self.context = _context(files, asks_clients)

    def refresh(self) -> bool:
        """Take up the files if they changed; whether they did. Raises BadCertificate.

        Files that do not belong together yet leave the context as it is.
        """
        stamp = self._files.stamp()
        if stamp == self._stamp:
            return False
        _context(self._files, self._asks_clients)  # a failure half-way would spoil the one in use
        _load(self.context, self._files, self._asks_clients)
        self._stamp = stamp
        return True

    async def follow(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Look at the files again and again, until cancelled. `sleep` takes seconds."""
        complained = None
        while True:
            await sleep(_LOOKED_AT_EVERY_SECONDS)
            try:
                if self.refresh():
                    complained = None
                    _log.info("certificate taken up", file=str(self._files.certificate))
            except BadCertificate as error:
                if str(error) != complained:
                    complained = str(error)
                    _log.error("certificate not taken up; the former one serves", why=complained)


def check(files: CertificateFiles) -> None:
    """Raise BadCertificate if a server could not use these files."""
    _context(files, asks_clients=True)


def _context(files: CertificateFiles, asks_clients: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load(context, files, asks_clients)
    return context


def _load(context: ssl.SSLContext, files: CertificateFiles, asks_clients: bool) -> None:
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
        if files.client_ca is not None and asks_clients:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:  # SSLError says nothing of the file
        raise BadCertificate(_why(files, error)) from error


def _no_passphrase() -> str:
    raise BadCertificate("the key has a passphrase, which nobody would enter")


def _why(files: CertificateFiles, error: OSError) -> str:
    for path in (files.certificate, files.key, files.client_ca):
        if path is not None and not path.is_file():
            return f"{path} is not a file"
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    if reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return f"not PEM that can be read ({reason})"


def _stamp(path: Path | None) -> tuple[int, int]:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return 0, 0
    return (found.st_mtime_ns, found.st_ino) if found is not None else (0, 0)
