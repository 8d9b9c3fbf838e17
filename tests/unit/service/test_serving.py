"""HTTP on real sockets: clients that hold connections, TLS that is renewed, operators' own port."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from pathlib import Path

import httpx
import pytest

from shared.runtime.server_certificates import BadCertificate, CertificateFiles, ServerTls
from tests.component.harness import eventually
from tests.unit.runtime.environment import Environment
from tests.unit.service.serving import Certificates, connected, development, served


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Environment(monkeypatch)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    found = Certificates(tmp_path)
    found.issue()
    return found


def encrypted(certificates: Certificates, **settings: object) -> dict[str, object]:
    files = {"http_cert_file": certificates.certificate, "http_key_file": certificates.key}
    return {"http_tls": "here", **files, **settings}


# -- clients that hold connections --------------------------------------------------------------


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server ends the connection."""
    got = b""
    async with asyncio.timeout(10):
        try:
            while part := await reader.read(65_536):
                got += part
        except ConnectionResetError:
            pass
    return got


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_headers_that_do_not_come_end_the_connection(sent: bytes) -> None:
    settings = development(header_seconds=0.3)
    async with served(settings):
        reader, writer = await connected(settings.http_port)
        writer.write(sent)
        assert await closed(reader) == b""


async def test_a_byte_now_and_then_does_not_prolong_the_headers() -> None:
    settings = development(header_seconds=0.5)
    async with served(settings):
        reader, writer = await connected(settings.http_port)

        async def trickle() -> None:
            while not writer.is_closing():
                writer.write(b"G")
                await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        assert await closed(reader) == b""
        trickling.cancel()


async def test_a_second_request_has_the_same_time_for_its_headers() -> None:
    settings = development(header_seconds=0.5)
    async with served(settings):
        reader, writer = await connected(settings.http_port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez")
        got = await closed(reader)
        assert got.count(b"HTTP/1.1 200 OK") == 1


async def test_a_connection_that_was_kept_has_that_time_too() -> None:
    settings = development(header_seconds=0.5)
    async with served(settings):
        reader, writer = await connected(settings.http_port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b'"checks":{}}')).startswith(b"HTTP/1.1 200 OK")
        writer.write(b"GET /liv")
        assert await closed(reader) == b""


async def test_a_request_in_time_may_take_longer_to_answer() -> None:
    settings = development(header_seconds=0.2)
    async with served(settings) as found, httpx.AsyncClient() as http:
        asking = asyncio.create_task(http.get(found.url("/v1/slow"), timeout=10))
        await found.asked.wait()
        reader, _ = await connected(settings.http_port)
        await closed(reader)  # so that as much time has passed
        found.go_on.set()
        assert (await asking).json() == "answered"


async def test_a_body_that_does_not_come_is_refused() -> None:
    settings = development(body_seconds=0.3)
    async with served(settings):
        reader, writer = await connected(settings.http_port)
        writer.write(
            b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b'Content-Length: 100\r\n\r\n{"a'
        )
        got = await closed(reader)
        assert got.startswith(b"HTTP/1.1 408 ")
        assert b"body-too-slow" in got


async def test_a_client_that_does_not_read_ends_its_answer() -> None:
    settings = development(answer_seconds=0.5)
    async with served(settings) as found:
        _, writer = await connected(settings.http_port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport
        writer.write(b"GET /v1/endless HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            await found.ended.wait()
        assert found.streamed > 1
        writer.transport.abort()


async def test_connections_have_a_most() -> None:
    settings = development(connections_most=2, header_seconds=30)
    async with served(settings) as found:
        held = [await connected(settings.http_port) for _ in range(2)]
        for _, writer in held:
            writer.write(b"G")
        reader, _ = await connected(settings.http_port)
        assert await closed(reader) == b""
        for _, writer in held:
            writer.close()

        async def answers() -> bool:
            async with httpx.AsyncClient() as http:
                try:
                    return (await http.get(found.url("/livez"))).status_code == 200
                except httpx.TransportError:
                    return False

        await eventually(answers, 10, "an answer once the others are gone")


@pytest.mark.parametrize(
    ("sent", "status", "slug"),
    [
        (b"this is no HTTP\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000, 431, "headers-too-large"),
    ],
)
async def test_what_is_no_request_gets_a_problem_too(sent: bytes, status: int, slug: str) -> None:
    settings = development()
    async with served(settings):
        reader, writer = await connected(settings.http_port)
        writer.write(sent)
        got = await closed(reader)
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"application/problem+json" in head
        assert json.loads(body)["type"] == f"urn:peygir:problem:{slug}"


# -- operators' own port ------------------------------------------------------------------------


async def statuses(http: httpx.AsyncClient, url: str, paths: list[str]) -> dict[str, int]:
    return {path: (await http.get(f"{url}{path}")).status_code for path in paths}


OPERATIONAL = ["/livez", "/readyz", "/metrics", "/v1/subscriptions"]


async def test_operators_have_the_services_port_by_default() -> None:
    async with served(development()) as found, httpx.AsyncClient() as http:
        answers = await statuses(http, found.url(""), OPERATIONAL)
    assert answers == dict.fromkeys(OPERATIONAL, 200)


async def test_what_is_for_operators_is_on_their_port_alone() -> None:
    port = development().http_port
    async with served(development(operations_port=port)) as found, httpx.AsyncClient() as http:
        main, own = found.url(""), found.url("", operations=True)
        assert await statuses(http, own, OPERATIONAL) == dict.fromkeys(OPERATIONAL, 200)
        assert await statuses(http, main, OPERATIONAL) == dict.fromkeys(OPERATIONAL, 404)
        assert await statuses(http, main, ["/docs"]) == {"/docs": 200}
        assert (await http.post(f"{main}/v1/echo", json={})).status_code == 200
        assert (await http.post(f"{own}/v1/echo", json={})).status_code == 404
        documented = (await http.get(f"{own}/openapi.json")).json()["paths"]
        assert documented.keys() == {"/v1/subscriptions"}


async def test_open_requests_are_answered_while_operators_still_look() -> None:
    settings = development(operations_port=development().http_port)
    async with served(settings) as found, httpx.AsyncClient() as http:
        asking = asyncio.create_task(http.get(found.url("/v1/slow"), timeout=10))
        await found.asked.wait()
        found.stop()

        async def is_closed_to_new_ones() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", settings.http_port)
            except OSError:
                return True
            writer.close()
            return False

        await eventually(is_closed_to_new_ones, 10, "the end of listening")
        assert (await http.get(found.url("/livez", operations=True))).status_code == 200
        assert found.ended_work == []
        found.go_on.set()
        assert (await asking).json() == "answered"
    assert found.ended_work == ["cancelled"]


async def test_operators_look_on_while_the_last_batch_ends() -> None:
    settings = development(operations_port=development().http_port)
    async with served(settings) as found:
        found.last_batch = asyncio.Event()
        found.stop()

        async def is_ending() -> bool:
            return found.ended_work == ["cancelled"]

        await eventually(is_ending, 10, "the end of the work")
        until = time.monotonic() + 1  # longer than a server needs that was stopped with the first
        while time.monotonic() < until:
            async with httpx.AsyncClient() as http:
                assert (await http.get(found.url("/livez", operations=True))).status_code == 200
        found.last_batch.set()


async def test_an_idle_client_over_tls_delays_no_end(certificates: Certificates) -> None:
    """It does not read what ends the connection, so it does not answer it."""
    settings = development(**encrypted(certificates))
    async with certificates.client() as http:
        async with served(settings) as found:
            assert (await http.get(found.url("/livez"))).status_code == 200
            ending = time.monotonic()
        assert time.monotonic() - ending < 10


# -- TLS ----------------------------------------------------------------------------------------


async def test_tls_ends_here_with_a_certificate(certificates: Certificates) -> None:
    async with served(development(**encrypted(certificates))) as found:
        async with certificates.client() as http:
            answer = await http.get(found.url("/livez"))
        assert answer.status_code == 200
        assert "strict-transport-security" in answer.headers
        async with httpx.AsyncClient() as stranger:
            with pytest.raises(httpx.TransportError):
                await stranger.get(found.url("/livez").replace("https", "http"))


async def test_an_old_protocol_is_refused(certificates: Certificates) -> None:
    files = CertificateFiles(certificates.certificate, certificates.key)
    assert ServerTls(files).context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_renewed_certificate_is_taken_up_without_a_restart(
    certificates: Certificates,
) -> None:
    files = CertificateFiles(certificates.certificate, certificates.key)
    tls = ServerTls(files)

    async def shown() -> bytes:
        """The certificate that a new connection is shown."""
        port = server.sockets[0].getsockname()[1]
        trust = ssl.create_default_context()
        certificates.authority.configure_trust(trust)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return certificate

    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0, ssl=tls.context)
    async with server:
        first = await shown()
        assert not tls.refresh()
        certificates.issue()
        assert await shown() == first
        assert tls.refresh()
        second = await shown()
        assert second != first
        key = certificates.key.read_bytes()
        certificates.issue()
        renewed = certificates.key.read_bytes()
        certificates.key.write_bytes(key)
        with pytest.raises(BadCertificate, match="not that of the certificate"):
            tls.refresh()
        assert await shown() == second, "half of a renewal changes nothing"
        certificates.key.write_bytes(renewed)
        assert tls.refresh()
        assert await shown() != second


async def test_a_process_follows_its_certificate(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.runtime.server_certificates._LOOKED_AT_EVERY_SECONDS", 0.05)
    async with served(development(**encrypted(certificates))) as found:
        address = ("127.0.0.1", found.settings.http_port)
        first = await asyncio.to_thread(ssl.get_server_certificate, address)
        certificates.issue()

        async def is_another() -> bool:
            return await asyncio.to_thread(ssl.get_server_certificate, address) != first

        await eventually(is_another, 10, "the renewed certificate")


async def test_clients_need_a_certificate_if_that_was_set(
    certificates: Certificates, tmp_path: Path
) -> None:
    others = Certificates(tmp_path / "others")
    authority = tmp_path / "clients.pem"
    others.authority.cert_pem.write_to_path(str(authority))
    settings = development(
        **encrypted(certificates, http_client_ca_file=authority),
        operations_port=development().http_port,
    )
    async with served(settings) as found:
        async with certificates.client() as stranger:
            with pytest.raises(httpx.TransportError):
                await stranger.get(found.url("/docs"))
            probe = await stranger.get(found.url("/livez", operations=True))
            assert probe.status_code == 200, "kubelet and Prometheus have no certificate"
        async with certificates.client(others.authority.issue_cert("office")) as known:
            assert (await known.get(found.url("/docs"))).status_code == 200
