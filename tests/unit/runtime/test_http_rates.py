"""Rates of requests: by who the sender is, and by the address while that is unknown."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi import FastAPI

from shared.runtime.http import RateLimits
from shared.runtime.http.rates import address_of
from tests.unit.runtime.api import build
from tests.unit.runtime.test_http_problems import problem

SLOW = RateLimits(per_second=0.1, burst=2, unknown_per_second=0.1, unknown_burst=4)
THING = {"title": "پل"}


def client(app: FastAPI, address: str = "10.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1_000))
    return httpx.AsyncClient(transport=transport, base_url="http://peygir")


async def make(http: httpx.AsyncClient, who: str = "a") -> httpx.Response:
    return await http.post("/v1/things", json=THING, headers={"X-Peygir-User": who})


async def test_a_sender_beyond_its_rate_hears_when_to_try_again() -> None:
    async with client(build(rates=SLOW)) as http:
        first, second, third = [await make(http) for _ in range(3)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.headers["ratelimit-policy"] == '"sender";q=2;w=20'
    assert first.headers["ratelimit"] == '"sender";r=1;t=10'
    document = problem(third, 429, "too-many-requests")
    assert int(third.headers["retry-after"]) == 10
    assert third.headers["ratelimit"] == '"sender";r=0;t=20'
    assert "try again in 10 s" in document["detail"]
    assert third.headers["x-content-type-options"] == "nosniff"


async def test_in_persian_too() -> None:
    async with client(build(rates=SLOW)) as http:
        for _ in range(2):
            await make(http)
        headers = {"X-Peygir-User": "a", "Accept-Language": "fa"}
        answer = await http.post("/v1/things", json=THING, headers=headers)
    assert answer.json()["title"] == "درخواست‌ها بیش از اندازه است"
    assert "۱۰ ثانیه" in answer.json()["detail"]


async def test_each_sender_has_a_rate_of_its_own_wherever_it_comes_from() -> None:
    app = build(rates=SLOW)
    async with client(app) as http, client(app, "10.0.0.2") as elsewhere:
        for _ in range(2):
            await make(http, "a")
        assert (await make(http, "b")).status_code == 201
        assert (await make(elsewhere, "a")).status_code == 429


async def test_known_senders_do_not_count_for_their_shared_address() -> None:
    async with client(build(rates=SLOW)) as http:
        answers = [await make(http, f"person-{number}") for number in range(20)]
    assert {answer.status_code for answer in answers} == {201}


@pytest.mark.parametrize("path", ["/docs", "/nowhere", "/v1/things/1"])
async def test_an_unknown_sender_counts_for_its_address(path: str) -> None:
    app = build(rates=SLOW)
    async with client(app) as http, client(app, "10.0.0.2") as elsewhere:
        for _ in range(4):
            assert (await http.get(path)).status_code != 429
        refused = await http.get(path)
        problem(refused, 429, "too-many-requests")
        assert refused.headers["ratelimit-policy"] == '"address";q=4;w=40'
        assert (await elsewhere.get(path)).status_code != 429


async def test_wrong_claims_count_for_the_address() -> None:
    async with client(build(rates=SLOW)) as http:
        answers = [await make(http, "no user!") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [400] * 4 + [429]


async def test_probes_and_metrics_are_always_answered() -> None:
    async with client(build(rates=SLOW)) as http:
        for path in ("/livez", "/readyz", "/metrics"):
            answers = [await http.get(path) for _ in range(10)]
            assert {answer.status_code for answer in answers} == {200}


async def test_without_a_rate_there_is_no_limit_and_no_header() -> None:
    async with client(build()) as http:
        answers = [await make(http) for _ in range(300)]
    assert {answer.status_code for answer in answers} == {201}
    assert not any(re.match("ratelimit", name) for name in answers[-1].headers)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_whoever_has_an_address_of_ipv6_has_its_network(host: str, address: str) -> None:
    assert address_of({"client": (host, 1)}) == address


def test_a_client_without_an_address_has_one_for_all() -> None:
    assert address_of({"client": None}) == "unknown"
