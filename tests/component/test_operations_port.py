"""A real service whose operators have a port of their own, with TLS, rates and slow clients."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from tests.component.harness import Producer, Service, eventually
from tests.component.test_followups import CIVIL, approval
from tests.unit.service.serving import Certificates, free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATIONAL: Final = ("/livez", "/readyz", "/metrics", "/v1/subscriptions", "/v1/replays/x")


class Guarded(Service):
    """`followups` with TLS and an operations port; readiness is asked for there."""

    def __init__(
        self, cluster: Cluster, namespace: str, folder: Path, certificates: Certificates
    ) -> None:
        self.operations_port = free_port()
        super().__init__(
            "followups",
            cluster,
            namespace,
            folder,
            PEYGIR_DEPUTIES="civil",
            PEYGIR_OPERATIONS_PORT=str(self.operations_port),
            PEYGIR_HTTP_TLS="here",
            PEYGIR_HTTP_CERT_FILE=str(certificates.certificate),
            PEYGIR_HTTP_KEY_FILE=str(certificates.key),
            PEYGIR_BODY_SECONDS="1",
            PEYGIR_RATE_PER_SECOND="1",
            PEYGIR_RATE_BURST="40",
        )
        trust = ssl.create_default_context()
        certificates.authority.configure_trust(trust)
        self.trust = trust
        self.main = self._client(self.port)
        self.http = self._client(self.operations_port)

    def _client(self, port: int) -> httpx.AsyncClient:
        url = f"https://127.0.0.1:{port}"
        return httpx.AsyncClient(base_url=url, timeout=30, verify=self.trust)

    async def close(self) -> None:
        await self.main.aclose()
        await super().close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("tls"))
    made.issue()
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    cluster: Cluster,
    namespace: str,
    topics: Topics,
    test_folder: Path,
    certificates: Certificates,
) -> AsyncIterator[Guarded]:
    async with Guarded(cluster, namespace, test_folder, certificates) as service:
        yield service


async def test_each_port_has_what_belongs_to_it(service: Guarded) -> None:
    main = {path: (await service.main.get(path)).status_code for path in OPERATIONAL}
    own = {path: (await service.http.get(path)).status_code for path in OPERATIONAL}
    assert main == dict.fromkeys(OPERATIONAL, 404)
    assert own == {**dict.fromkeys(OPERATIONAL, 200), "/v1/replays/x": 404}
    assert (await service.main.get("/v1/followups")).status_code == 200
    assert (await service.http.get("/v1/followups")).status_code == 404
    documented = (await service.main.get("/openapi.json")).json()["paths"]
    assert not any("subscriptions" in path for path in documented)


async def test_the_work_goes_on_behind_it(
    service: Guarded, producer: Producer, topics: Topics
) -> None:
    topic = topics.resolutions("civil")
    await producer.event(topic, "ResolutionApproved", approval("R-1"), key="R-1", id_="1")

    async def followed() -> bool:
        answer = await service.main.get("/v1/followups", params={"resolution_id": "R-1"})
        return bool(answer.json()["items"])

    await eventually(followed, 30, "the follow-up")
    assert "peygir_events_consumed_total" in (await service.http.get("/metrics")).text


async def test_a_body_of_a_byte_now_and_then_is_refused(service: Guarded) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port, ssl=service.trust)
    head = (
        "POST /v1/followups/none/comments HTTP/1.1\r\nHost: x\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    )
    writer.write(head.encode())

    async def trickle() -> None:
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.1)

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(20):
        answer = await reader.readuntil(b"body-too-slow")
    trickling.cancel()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_sender_beyond_its_rate_waits_and_others_do_not(service: Guarded) -> None:
    loud = {**CIVIL, "X-Peygir-User": "loud"}
    answers = await asyncio.gather(
        *(service.main.get("/v1/followups?limit=1", headers=loud) for _ in range(120))
    )
    by_status = {answer.status_code for answer in answers}
    assert by_status == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    quiet = await service.main.get("/v1/followups?limit=1", headers=CIVIL)
    assert quiet.status_code == 200


async def test_a_renewed_certificate_is_served_without_a_restart(
    service: Guarded, certificates: Certificates
) -> None:
    address = ("127.0.0.1", service.port)
    pid, first = service.pid, await asyncio.to_thread(ssl.get_server_certificate, address)
    certificates.issue()

    async def is_another() -> bool:
        return await asyncio.to_thread(ssl.get_server_certificate, address) != first

    await eventually(is_another, 30, "the renewed certificate")
    assert service.process.is_running
    assert service.pid == pid


async def test_told_to_end_it_ends_well(service: Guarded) -> None:
    assert await asyncio.to_thread(service.stop)
    assert service.process.ending == "exit code 0"
