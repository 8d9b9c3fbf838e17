"""Spreadsheets on the real service: two deputies' databases, 20,000 rows, and what is too large."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from services.followups.domain.bulk import MOST_ROWS, Column
from services.followups.handlers.bulk import MOST_TOGETHER
from shared.contracts.topics import Topics
from shared.runtime import mongo
from tests.component.harness import Producer, Service, eventually, records
from tests.component.test_evidence import FLAT_KIB, raw, watched, zeros
from tests.component.test_followups import approval, followup_of
from tests.unit.followups.sheets import PLACES, Edits, filled_in, opened, sheet_with

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil,deputy:social"}
TWO_GB = 2_000_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Service]:
    async with Service("followups", cluster, namespace, test_folder) as service:
        yield service


async def acknowledged(
    cluster: Cluster, service: Service, topics: Topics, *ids: tuple[str, str]
) -> None:
    """Follow-ups by deputy and resolution, at work."""
    async with Producer(cluster) as producer:
        for deputy, id_ in ids:
            data = approval(id_, deputy=deputy, session_id=id_.partition("-")[0])
            topic = topics.resolutions(deputy)
            await producer.event(topic, "ResolutionApproved", data, key=id_, id_=id_)
    for _, id_ in ids:
        path = f"/v1/followups/{(await followup_of(service, id_))['followup_id']}/acknowledge"
        assert (await service.http.post(path, json={}, headers=BOTH)).status_code == 200


async def sheet(service: Service, **filters: str) -> bytes:
    answer = await service.http.get("/v1/followups.xlsx", params=filters, headers=BOTH)
    assert answer.status_code == 200, answer.text
    return answer.content


def rows_by_resolution(content: bytes) -> dict[str, int]:
    shown, place = opened(content), PLACES[Column.RESOLUTION_ID]
    return {str(shown.cell(row, place).value): row for row in range(2, shown.max_row + 1)}


async def send(service: Service, content: bytes, **asked: Any) -> httpx.Response:
    return await service.http.post(
        "/v1/followups/bulk", content=content, params=asked, headers=BOTH, timeout=120
    )


async def progress_of(service: Service, *ids: str) -> list[int]:
    return [(await followup_of(service, id_))["progress"] for id_ in ids]


async def test_a_sheet_of_two_deputies_is_applied_whole_or_not_at_all(
    cluster: Cluster, service: Service, topics: Topics
) -> None:
    await acknowledged(
        cluster, service, topics, ("civil", "a-1"), ("civil", "a-2"), ("social", "a-3")
    )
    content = await sheet(service, session_id="a")
    rows = rows_by_resolution(content)
    edits: Edits = {
        (rows["a-1"], Column.PROGRESS): "۴۰",
        (rows["a-3"], Column.PROGRESS): 60,
        (rows["a-3"], Column.NOTE): "دو جلسه برگزار شد",
    }
    filled = filled_in(content, edits)
    other = (await followup_of(service, "a-3"))["followup_id"]
    moved = await service.http.post(
        f"/v1/followups/{other}/progress", json={"progress": 10}, headers=BOTH
    )
    assert moved.status_code == 200
    refused = await send(service, filled, dry_run=False)
    assert refused.status_code == 409
    assert [e["field"] for e in refused.json()["errors"]] == [f"rows.{rows['a-3']}.version"]
    assert await progress_of(service, "a-1", "a-2", "a-3") == [0, 0, 10]

    filled = filled_in(await sheet(service, session_id="a"), edits)
    answer = (await send(service, filled, dry_run=False)).json()
    assert (answer["applied"], answer["unchanged"], answer["refused"]) == (2, 1, 0)
    assert await progress_of(service, "a-1", "a-2", "a-3") == [40, 0, 60]
    again = await send(service, filled, dry_run=False)
    assert again.status_code == 409, "the note would be told again, so the row is stale"
    assert await progress_of(service, "a-1", "a-2", "a-3") == [40, 0, 60]

    async def told() -> bool:
        found = await records(cluster, topics.followups("civil"), topics.followups("social"))
        return sum(b'"progress"' in (r.value or b"") for r in found) == 3

    await eventually(told, 10, "one event a change")


async def test_two_gigabytes_are_refused_in_little_memory(service: Service) -> None:
    answer = await raw(service, "/v1/followups/bulk", f"Content-Length: {TWO_GB}")
    assert answer.startswith("HTTP/1.1 413 ")

    async def post() -> int:
        try:
            answer = await service.http.post(
                "/v1/followups/bulk", content=zeros(TWO_GB), headers=BOTH
            )
        except (httpx.WriteError, httpx.ReadError):
            return 413
        return answer.status_code

    status, memory = await watched(service, post)
    print(f"2 GB in chunks: {memory.before} KiB before, {memory.most} KiB at most")
    assert status == 413
    assert memory.most - memory.before < FLAT_KIB


@pytest.mark.soak
async def test_too_many_rows_are_refused_in_little_memory(service: Service) -> None:
    width = len(PLACES)
    rows = ([f"f-{n}", 1, *[None] * (width - 2)] for n in range(100_001))
    content = sheet_with(list(rows))
    answer, memory = await watched(service, lambda: send(service, content, dry_run=False))
    print(f"100,001 rows: {memory.before} KiB before, {memory.most} KiB at most")
    assert answer.status_code == 422
    assert "too-many-rows" in answer.text
    assert memory.most - memory.before < FLAT_KIB + 2 * len(content) / 1024


@pytest.mark.soak
async def test_twenty_thousand_rows_go_out_and_come_in(
    cluster: Cluster, namespace: str, service: Service, topics: Topics
) -> None:
    async with Producer(cluster) as producer:
        for first in range(0, MOST_ROWS, 500):
            ids = [f"m-{n}" for n in range(first, first + 500)]
            sending = (
                producer.event(
                    topics.resolutions("civil"),
                    "ResolutionApproved",
                    approval(id_, session_id="m"),
                    key=id_,
                    id_=id_,
                )
                for id_ in ids
            )
            await asyncio.gather(*sending)

    async def all_there() -> bool:
        text = (await service.http.get("/metrics")).text
        return f'peygir_followups{{deputy="civil",state="opened"}} {float(MOST_ROWS)}' in text

    await eventually(all_there, 60, "20,000 follow-ups")
    begun = time.monotonic()
    content, memory = await watched(service, lambda: sheet(service, session_id="m"))
    print(
        f"20,000 rows out: {time.monotonic() - begun:.1f} s, {len(content)} bytes, "
        f"{memory.before} KiB before, {memory.most} KiB at most"
    )
    assert memory.most - memory.before < 2 * FLAT_KIB
    client = mongo.connect(cluster.mongodb_uri, app="test")
    followups = mongo.database(client, f"{namespace}followups_civil")["followups"]
    await followups.update_many({"session_id": "m"}, {"$set": {"state": "acknowledged"}})
    edits = {(row, Column.PROGRESS): 1 for row in range(2, MOST_ROWS + 2)}
    filled = filled_in(content, edits)
    refused = await send(service, filled, dry_run=False)
    assert (refused.status_code, refused.json()["type"]) == (
        *(422, "urn:peygir:problem:too-many-together"),
    )
    assert await followups.count_documents({"session_id": "m", "progress": 1}) == 0
    begun = time.monotonic()
    answer, memory = await watched(
        service, lambda: send(service, filled, dry_run=False, mode="valid")
    )
    assert answer.status_code == 200, answer.text
    print(
        f"20,000 rows in: {time.monotonic() - begun:.1f} s, "
        f"{memory.before} KiB before, {memory.most} KiB at most"
    )
    assert answer.json()["applied"] == MOST_ROWS, answer.text[:2_000]
    assert await followups.count_documents({"session_id": "m", "progress": 1}) == MOST_ROWS

    content = await sheet(service, session_id="m")
    edits = {(row, Column.PROGRESS): 2 for row in range(2, MOST_TOGETHER + 2)}
    filled = filled_in(content, edits)
    begun = time.monotonic()
    answer, memory = await watched(service, lambda: send(service, filled, dry_run=False))
    assert answer.status_code == 200, answer.text
    print(
        f"5,000 rows in one transaction: {time.monotonic() - begun:.1f} s, "
        f"{memory.before} KiB before, {memory.most} KiB at most"
    )
    assert answer.json()["applied"] == MOST_TOGETHER, answer.text[:2_000]
    assert await followups.count_documents({"session_id": "m", "progress": 2}) == MOST_TOGETHER
    client.close()
