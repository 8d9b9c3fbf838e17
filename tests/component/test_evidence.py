"""Evidence on the real service: large files in little memory, and nothing left of broken ones."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.runtime import mongo
from shared.runtime.mongo import Database
from tests.component.harness import Producer, Service, eventually, records
from tests.component.test_followups import CIVIL, COORDINATION, SOCIAL, approval, followup_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "صورت‌جلسه‌ی تحویل پل روستای سرآسیاب.pdf"
DISPOSITION = f"attachment; filename*=UTF-8''{quote(NAME)}"
PDF = {"Content-Type": "application/pdf", "Content-Disposition": DISPOSITION}
LIMIT = 30_000_000
TWO_GB = 2_000_000_000
ABANDONED_SECONDS = 2
SOME = bytes(2_000_000)
FLAT_KIB = 24 * 1024  # how much more it may hold at its worst than before

COLLECTIONS = ("evidence.files", "evidence.chunks", "evidence.uploads")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Service]:
    settings = {
        "PEYGIR_EVIDENCE_LIMIT_BYTES": str(LIMIT),
        "PEYGIR_EVIDENCE_ABANDONED_SECONDS": str(ABANDONED_SECONDS),
    }
    async with Service("followups", cluster, namespace, test_folder, **settings) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(cluster: Cluster, namespace: str) -> AsyncIterator[Database]:
    client = mongo.connect(cluster.mongodb_uri, app="test")
    yield mongo.database(client, f"{namespace}followups_civil")
    client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def path(cluster: Cluster, service: Service, topics: Topics) -> str:
    """A follow-up that the deputy has acknowledged."""
    async with Producer(cluster) as producer:
        data = approval("R-1", province="IR-09")
        await producer.event(
            topics.resolutions("civil"), "ResolutionApproved", data, key="R-1", id_="1"
        )
    id_ = (await followup_of(service, "R-1"))["followup_id"]
    answer = await service.http.post(f"/v1/followups/{id_}/acknowledge", json={}, headers=CIVIL)
    assert answer.status_code == 200, answer.text
    return f"/v1/followups/{id_}"


async def left(database: Database) -> dict[str, int]:
    return {name: await database[name].count_documents({}) for name in COLLECTIONS}


class Memory:
    """The most that a process holds while something is done (VmRSS, KiB)."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.before = self.now()
        self.most = self.before

    def now(self) -> int:
        lines = self._status.read_text().splitlines()
        (resident,) = (int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        return resident

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, self.now())
            await asyncio.sleep(0.02)


async def zeros(size: int, part: int = 256 * 1024) -> AsyncIterator[bytes]:
    content = bytes(part)
    for _ in range(size // part):
        yield content


async def watched(service: Service, what: Callable[[], Any]) -> tuple[Any, Memory]:
    memory = Memory(service.pid)
    watching = asyncio.create_task(memory.watch())
    try:
        result = await what()
    finally:
        watching.cancel()
    return result, memory


async def raw(service: Service, target: str, headers: str, content: bytes = b"") -> str:
    """What a client gets that sends before it listens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    await begin(writer, target, headers, content)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer.decode()


async def begin(writer: asyncio.StreamWriter, target: str, headers: str, content: bytes) -> None:
    """Send the beginning of an upload, of which nobody knows yet whether it will be whole."""
    if headers.startswith("Transfer"):
        content = f"{len(content):x}\r\n".encode() + content + b"\r\n"
    head = (
        f"POST {target} HTTP/1.1\r\nHost: x\r\nX-Peygir-User: d.karimi\r\n"
        f"X-Peygir-Roles: deputy:civil\r\n{headers}\r\n\r\n"
    )
    writer.write(head.encode() + content)
    await writer.drain()


async def test_a_large_file_goes_in_and_out_in_little_memory(
    service: Service, path: str, database: Database, cluster: Cluster, topics: Topics
) -> None:
    size = 28_000_000
    content = b"%PDF" + bytes(size - 4)

    async def send() -> httpx.Response:
        headers = {**PDF, **CIVIL}
        return await service.http.post(f"{path}/evidence", content=content, headers=headers)

    answer, memory = await watched(service, send)
    assert answer.status_code == 201, answer.text
    print(f"28 MB in: {memory.before} KiB before, {memory.most} KiB at most")
    assert memory.most - memory.before < FLAT_KIB
    piece = answer.json()
    assert (piece["name"], piece["bytes"]) == (NAME, size)
    assert (await left(database))["evidence.uploads"] == 0

    async def fetch() -> str:
        digest = hashlib.sha256()
        url = f"{path}/evidence/{piece['evidence_id']}"
        async with service.http.stream("GET", url, headers=COORDINATION) as got:
            assert got.status_code == 200
            assert quote(NAME) in got.headers["content-disposition"]
            async for part in got.aiter_bytes():
                digest.update(part)
        return digest.hexdigest()

    sha256, memory = await watched(service, fetch)
    print(f"28 MB out: {memory.before} KiB before, {memory.most} KiB at most")
    assert sha256 == piece["sha256"] == hashlib.sha256(content).hexdigest()
    assert memory.most - memory.before < FLAT_KIB

    async def told() -> list[dict[str, Any]]:
        found = await records(cluster, topics.followups("civil"))
        return [json.loads(r.value or b"") for r in found if b"evidence_id" in (r.value or b"")]

    (event,) = await eventually(told, 10, "the event")
    assert (event["name"], event["sha256"], event["bytes"]) == (NAME, sha256, size)


async def test_two_gigabytes_are_refused_by_their_length_before_anything_is_sent(
    service: Service, path: str, database: Database
) -> None:
    before = await left(database)
    for content in (b"", SOME):
        answer = await raw(service, f"{path}/evidence?name=a", f"Content-Length: {TWO_GB}", content)
        assert answer.startswith("HTTP/1.1 413 ")
        assert f"At most {LIMIT} bytes" in answer
    assert await left(database) == before


async def test_whoever_sends_a_little_too_much_hears_why(service: Service, path: str) -> None:
    answer = await raw(
        service, f"{path}/evidence?name=a", "Transfer-Encoding: chunked", bytes(LIMIT + 5_000_000)
    )
    assert answer.startswith("HTTP/1.1 413 ")
    assert f"At most {LIMIT} bytes" in answer


async def test_two_gigabytes_in_chunks_are_refused_at_the_limit_in_little_memory(
    service: Service, path: str, database: Database
) -> None:
    before, sent = await left(database), 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        async for part in zeros(TWO_GB):
            sent += len(part)
            yield part

    async def send() -> int:
        try:
            headers = {**PDF, **CIVIL}
            answer = await service.http.post(f"{path}/evidence", content=body(), headers=headers)
        except (httpx.WriteError, httpx.ReadError):  # closed on whoever does not listen
            return 413
        return answer.status_code

    status, memory = await watched(service, send)
    print(f"2 GB in chunks: {memory.before} KiB before, {memory.most} KiB at most, {sent} sent")
    assert status == 413
    assert memory.most - memory.before < FLAT_KIB

    async def nothing_left() -> bool:
        return await left(database) == before

    await eventually(nothing_left, 10, "removing what had come")


async def test_an_upload_that_breaks_off_leaves_nothing(
    service: Service, path: str, database: Database
) -> None:
    before = await left(database)
    version = (await service.http.get(path)).json()["version"]
    for headers in ("Content-Length: 10000000", "Transfer-Encoding: chunked"):
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        await begin(writer, f"{path}/evidence?name=a", headers, SOME)

        async def under_way() -> bool:
            return (await left(database))["evidence.chunks"] > before["evidence.chunks"]

        await eventually(under_way, 10, "pieces")
        writer.transport.abort()

        async def nothing_left() -> bool:
            return await left(database) == before

        await eventually(nothing_left, ABANDONED_SECONDS * 0.8, "removing what had come")
    assert (await service.http.get(path)).json()["version"] == version


@pytest.mark.parametrize("step", ["on its way", "commit.recorded"])
async def test_what_a_killed_process_left_is_cleared(
    service: Service, path: str, database: Database, step: str
) -> None:
    """While the file comes in; and when it is whole, before the transaction is committed."""
    before = await left(database)
    piece_of = {"Content-Type": "application/pdf", **CIVIL}
    if step == "on its way":
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        await begin(writer, f"{path}/evidence?name=a", "Content-Length: 10000000", SOME)

        async def under_way() -> bool:
            return (await left(database))["evidence.chunks"] > before["evidence.chunks"]

        await eventually(under_way, 10, "pieces")
        service.kill()
        writer.close()
    else:
        service.stop()
        await service.start(PEYGIR_FAULT=step)
        with pytest.raises(httpx.HTTPError):
            await service.http.post(
                f"{path}/evidence?name=a", content=bytes(600_000), headers=piece_of
            )
    await service.died()
    assert (await left(database))["evidence.uploads"] == 1
    await service.start()

    async def nothing_left() -> bool:
        return await left(database) == before

    await eventually(nothing_left, 20, "clearing")
    shown = (await service.http.get(path)).json()
    assert len(shown["evidence"]) == before["evidence.files"]


async def test_every_other_route_takes_as_little_as_before(service: Service, path: str) -> None:
    answer = await raw(service, f"{path}/progress", "Content-Length: 1000001")
    assert answer.startswith("HTTP/1.1 413 ")
    assert "At most 1000000 bytes" in answer


async def test_who_has_no_right_and_what_is_not_there(service: Service, path: str) -> None:
    wrong = await service.http.post(f"{path}/evidence", content=b"x", headers={**PDF, **SOCIAL})
    assert wrong.status_code == 404, "who may not see it does not learn that it is there"
    nobody = "/v1/followups/nobody/evidence"
    missing = await service.http.post(nobody, content=b"x", headers={**PDF, **CIVIL})
    assert missing.status_code == 404
    assert (await service.http.get(f"{path}/evidence/nothing")).status_code == 404
    empty = await service.http.post(f"{path}/evidence", content=b"", headers={**PDF, **CIVIL})
    assert empty.status_code == 422


async def test_after_a_restored_copy_the_piece_is_known_and_its_content_lost(
    cluster: Cluster, service: Service, path: str, database: Database
) -> None:
    answer = await service.http.post(
        f"{path}/evidence", content=b"soon lost", headers={**PDF, **COORDINATION}
    )
    assert answer.status_code == 201, answer.text
    evidence_id = answer.json()["evidence_id"]

    async def all_sent() -> bool:
        return await database["commits"].count_documents({"pending": True}) == 0

    await eventually(all_sent, 10, "sending")
    shown = (await service.http.get(path)).json()
    service.stop()
    await database.client.drop_database(database.name)  # an empty copy, the oldest there is
    await service.start()
    again = (await service.http.get(path)).json()
    assert again == shown
    lost = await service.http.get(f"{path}/evidence/{evidence_id}")
    assert lost.status_code == 410
    assert lost.json()["type"] == "urn:peygir:problem:evidence-lost"
    back = await service.http.post(
        f"{path}/evidence", content=b"soon lost", headers={**PDF, **CIVIL}
    )
    assert (back.status_code, back.json()["evidence_id"]) == (200, evidence_id)
    assert (await service.http.get(f"{path}/evidence/{evidence_id}")).content == b"soon lost"
    assert (await service.http.get(path)).json() == shown
