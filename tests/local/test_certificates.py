"""Certificates for one machine: trusted by their authority, kept, and private."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.certificates import Authority
from shared.runtime.certificates import certificates_in, client_context


async def test_a_client_that_trusts_the_authority_reaches_a_server_by_its_address(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "certificates")
    server, client = authority.issue("server"), authority.issue("client")
    taken = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    taken.load_cert_chain(server.certificate, server.key)
    taken.verify_mode = ssl.CERT_REQUIRED
    seen: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peercert")["subject"])
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=taken) as listening:
        port = listening.sockets[0].getsockname()[1]
        context = client_context(authority.certificate, client.certificate, client.key)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=client_context(None, None, None))
    assert seen == [((("commonName", "client"),),)]


def test_what_is_valid_is_kept_and_what_expires_soon_is_renewed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = authority.issue("server").certificate.read_bytes()
    again = Authority(tmp_path)
    assert again.issue("server").certificate.read_bytes() == first
    ending = datetime.now(UTC) + timedelta(days=1)
    short = again.issue("server", anew=True, ends=ending).certificate.read_bytes()
    assert short != first
    renewed = again.issue("server").certificate
    (certificate,) = certificates_in(renewed)
    assert certificate.not_valid_after_utc > ending


def test_only_the_owner_may_read_keys(tmp_path: Path) -> None:
    pair = Authority(tmp_path / "new").issue("server")
    for path in (pair.key, pair.bundle, tmp_path / "new" / "ca.key"):
        assert path.stat().st_mode & 0o777 == 0o600, path
