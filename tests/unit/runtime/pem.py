"""Certificates for one test, made when it begins."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import trustme

PAST = datetime(2020, 1, 1, tzinfo=UTC)


class PemFiles:
    """An authority, and the certificate of a client, in a folder."""

    def __init__(self, folder: Path, name: str = "client", ends: datetime | None = None) -> None:
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.cert, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self.issue(name, ends)

    def issue(self, name: str, ends: datetime | None = None) -> None:
        """Replace the client's certificate."""
        made = self.authority.issue_cert(common_name=name, not_after=ends)
        made.cert_chain_pems[0].write_to_path(self.cert)
        made.private_key_pem.write_to_path(self.key)
