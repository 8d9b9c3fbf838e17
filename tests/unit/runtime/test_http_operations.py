"""What every service has besides its API: probes, metrics, documents and pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from shared.contracts.topics import Topics
from shared.runtime.asyncapi import asyncapi
from shared.runtime.health import Health, Unhealthy
from shared.runtime.http.security_headers import secured
from shared.runtime.metrics import Metrics
from tests.unit.runtime.api import build, calling

TOPICS = Topics(("civil", "crisis"))
ANSWERS = ("/livez", "/metrics", "/openapi.json", "/docs", "/asyncapi", "/asyncapi.json")
PAGES = ("/docs", "/asyncapi")


def document() -> dict[str, Any]:
    names = [spec.name for spec in TOPICS.all()]
    return asyncapi("things", names[:3], names[2:], TOPICS, "9.9.9")


async def kafka() -> None:
    raise Unhealthy("no broker answers")


async def mongodb() -> None:
    """Answers."""


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    health = Health()
    health.register("kafka", kafka)
    health.register("mongodb", mongodb)
    async with calling(build(health, metrics, document)) as client:
        yield client


async def test_a_process_is_alive_whatever_it_depends_on(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {}})


async def test_readiness_says_why_not(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"kafka": "no broker answers", "mongodb": "ok"},
    }


@pytest.mark.parametrize("query", ["exclude=kafka", "exclude=mongodb&exclude=kafka"])
async def test_a_check_can_be_left_out(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/readyz?{query}")
    assert answer.status_code == 200
    assert answer.json()["checks"]["kafka"] == "excluded"


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# HELP peygir_build_info " in answer.text


def requests(metrics: Metrics) -> dict[str, float]:
    pattern = r"^peygir_http_requests_total\{(.*)\} (.*)$"
    found = re.findall(pattern, metrics.render().decode(), re.MULTILINE)
    return {labels: float(count) for labels, count in found}


async def test_requests_are_counted_by_route_and_not_by_path(
    client: httpx.AsyncClient, metrics: Metrics
) -> None:
    for thing in range(5):
        await client.get(f"/v1/things/{thing}")
    await client.get("/v1/things/boom")
    await client.get("/v1/things?unknown=1")
    for path in range(5):
        await client.get(f"/nowhere/{path}")
    await client.request("BREW", "/v1/things")
    await client.post("/v1/things", content=b"x" * 20_000)
    assert requests(metrics) == {
        'method="GET",route="/v1/things/{thing_id}",status="404"': 5,
        'method="GET",route="/v1/things/{thing_id}",status="500"': 1,
        'method="GET",route="/v1/things",status="422"': 1,
        'method="GET",route="unmatched",status="404"': 5,
        'method="unknown",route="/v1/things",status="405"': 1,
        'method="POST",route="unmatched",status="413"': 1,
    }


@pytest.mark.parametrize("path", ANSWERS)
async def test_every_address_of_the_interface_answers(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", [*ANSWERS, "/readyz", "/nowhere", "/v1/things/boom"])
async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    own = "'self'" if path in PAGES else "'none'"
    assert f"default-src {own}" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize(
    ("path", "media_type", "policy"),
    [
        ("/v1/scorecards.svg", "image/svg+xml", "sandbox"),
        ("/v1/followups/a/evidence/b", "text/html; charset=utf-8", "sandbox"),
        ("/peygir/v1/followups/a/evidence/b", "text/html", "sandbox"),
        ("/v1/followups", "application/json", "default-src 'none'"),
        ("/board", "text/html; charset=utf-8", "default-src 'self'"),
    ],
)
def test_what_somebody_uploaded_or_drew_runs_nothing(
    path: str, media_type: str, policy: str
) -> None:
    start: Message = {"headers": [(b"content-type", media_type.encode())]}
    secured(start, path, is_encrypted=False)
    headers = Headers(raw=start["headers"])
    assert policy in headers["content-security-policy"]
    assert ("sandbox" in headers["content-security-policy"]) == (policy == "sandbox")


def test_no_cache_keeps_data_unless_a_route_says_otherwise() -> None:
    for path, said, kept in (
        ("/v1/followups", [], "no-store"),
        ("/v1/followups/a/evidence/b", [(b"cache-control", b"private, no-cache")], "private, no-c"),
        ("/docs", [], ""),
    ):
        start: Message = {"headers": list(said)}
        secured(start, path, is_encrypted=True)
        headers = Headers(raw=start["headers"])
        assert headers.get("cache-control", "")[:13] == kept
        assert headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_only_from_this_host(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!DOCTYPE html>")
    assert '<html lang="en">' in answer.text
    links = re.findall(r"""(?:src|href|action)\s*=\s*["']?([^"'\s>]+)""", answer.text)
    assert links
    for link in links:
        assert re.match(r"/(?!/)|#", link), f"{link} is not of this host"
        if link.startswith("/"):
            assert (await client.get(link)).status_code == 200
    assert "@import" not in answer.text
    assert "url(" not in answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_contains_a_script(client: httpx.AsyncClient, path: str) -> None:
    page = (await client.get(path)).text
    for attributes, content in re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL):
        assert "src=" in attributes
        assert not content.strip()
    assert not re.search(r"\son\w+=", page)


async def test_swagger_reads_this_services_document(client: httpx.AsyncClient) -> None:
    script = (await client.get("/docs/start.js")).text
    assert '"/openapi.json"' in script
    assert "validatorUrl: null" in script
    assert (await client.get("/openapi.json")).json()["info"] == {
        "title": "Things",
        "version": "9.9.9",
    }


async def test_behind_a_proxy_that_removes_a_prefix() -> None:
    app = build(asyncapi=document)
    transport = httpx.ASGITransport(app, root_path="/followups")
    async with httpx.AsyncClient(transport=transport, base_url="http://peygir") as client:
        assert 'src="/followups/docs/start.js"' in (await client.get("/docs")).text
        assert '"/followups/openapi.json"' in (await client.get("/docs/start.js")).text
        assert 'href="/followups/asyncapi.json"' in (await client.get("/asyncapi")).text


async def test_operational_routes_are_not_part_of_the_api(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert all(path.startswith("/v1/") for path in paths)


async def test_the_events_page_names_topics_events_and_fields(client: httpx.AsyncClient) -> None:
    page = (await client.get("/asyncapi")).text
    spec = (await client.get("/asyncapi.json")).json()
    assert spec == document()
    for channel in spec["channels"].values():
        assert channel["address"] in page
    for name, message in spec["components"]["messages"].items():
        assert f'id="{name}"' in page
        assert message["name"] in page
    for field in ("ce_sequence", "ce_type"):
        assert f"<code>{field}</code>" in page


async def test_a_service_without_events_has_no_page_of_them() -> None:
    async with calling(build()) as client:
        assert (await client.get("/asyncapi")).status_code == 404
