"""Every address answers HEAD as it answers GET, and lists its methods."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.runtime.metrics import Metrics
from tests.unit.api.services_in_memory import IN_MEMORY, ApiClient
from tests.unit.runtime.api import build, calling
from tests.unit.runtime.test_http_operations import document, requests

OPERATIONS = ("/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/start.js")
NOT_THERE = ("/", "//v1/followups", "/v1", "/v1/", "/v2/followups", "/v1/sessions/", "/livez/")


async def addresses(client: ApiClient) -> list[str]:
    """All addresses that answer GET, with existing ids."""
    paths: dict[str, dict[str, Any]] = client.app.openapi()["paths"]
    found = []
    for path in (path for path, operations in paths.items() if "get" in operations):
        collection, _, rest = path.partition("/{")
        name, id_ = rest.partition("}")[0], "1"
        if rest and "get" in paths.get(collection, {}):
            items = await client.items(collection.removeprefix("/v1"))
            id_ = items[0].get(name, "nobody") if items else "nobody"
        known = path.replace(f"{{{name}}}", id_).replace("{evidence_id}", "nobody")
        found.append(known + ("?seed=x" if path.endswith("/inspections") else ""))
    return found


def alike(head: httpx.Response, get: httpx.Response) -> None:
    assert head.status_code == get.status_code
    assert head.content == b""
    assert head.headers.keys() == get.headers.keys()
    same = head.headers.keys() - {"date", "content-length"}
    assert {name: head.headers[name] for name in same} == {n: get.headers[n] for n in same}


@pytest.mark.parametrize("service", IN_MEMORY)
async def test_head_is_get_without_content(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        paths = [*await addresses(client), *OPERATIONS]
        assert len(paths) > len(OPERATIONS) + 1
        for path in paths:
            get = await client.http.get(path)
            head = await client.http.head(path)
            alike(head, get)
            if "xlsx" not in path and path != "/metrics":
                assert head.headers.get("content-length") == get.headers.get("content-length")


@pytest.mark.parametrize("service", IN_MEMORY)
async def test_head_is_refused_like_get(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        for path in (*NOT_THERE, "/livez?x=1"):
            alike(await client.http.head(path), await client.http.get(path))
        for operations in client.app.openapi()["paths"].items():
            path, methods = operations
            if "get" in methods:
                answer = await client.http.head(f"{path}?colour=red")
                assert answer.status_code == 422, path
                assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("service", IN_MEMORY)
async def test_allow_lists_the_methods(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        paths = client.app.openapi()["paths"]
        for path, operations in paths.items():
            there = {method.upper() for method in operations} & {"GET", "POST", "PUT", "DELETE"}
            allowed = {*there, "OPTIONS", *(["HEAD"] if "GET" in there else [])}
            options = await client.http.options(path)
            assert options.status_code == 204, path
            # An address may also match a pattern: `bulk` is also an id.
            assert set(options.headers["allow"].split(", ")) >= allowed, path
            for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - _allowed_by(options):
                refused = await client.http.request(method, path)
                assert refused.status_code == 405, (method, path)
                assert refused.headers["allow"] == options.headers["allow"]
        for path in NOT_THERE:
            for method in ("OPTIONS", "POST", "DELETE", "HEAD"):
                assert (await client.http.request(method, path)).status_code == 404, path


def _allowed_by(options: httpx.Response) -> set[str]:
    return set(options.headers["allow"].split(", "))


async def test_a_list_that_accepts_new_items_lists_both_methods() -> None:
    async with IN_MEMORY["scheduler"]() as client:
        refused = await client.http.delete("/v1/sessions")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
        refused = await client.http.head("/v1/sessions/x/open")
        assert (refused.status_code, refused.headers["allow"]) == (405, "OPTIONS, POST")


async def test_requests_are_counted_by_their_own_method() -> None:
    metrics = Metrics()
    async with calling(build(metrics=metrics, asyncapi=document)) as client:
        await client.head("/v1/things/7")
        await client.head("/livez")
        await client.options("/v1/things")
        await client.head("/nowhere")
    assert requests(metrics) == {
        'method="HEAD",route="/v1/things/{thing_id}",status="404"': 1,
        'method="HEAD",route="/livez",status="200"': 1,
        'method="OPTIONS",route="/v1/things",status="204"': 1,
        'method="HEAD",route="unmatched",status="404"': 1,
    }
