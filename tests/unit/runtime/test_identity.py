"""The open identity for development: the headers are believed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from shared.contracts.reference import DEPUTIES, PROVINCES
from shared.runtime import problems
from shared.runtime.http import Rates
from shared.runtime.identity import Caller, OpenIdentity
from shared.runtime.principals import Roles


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.rates = Rates()
    app.state.authenticator = OpenIdentity()
    problems.install(app)

    @app.get("/v1/me")
    async def me(caller: Caller) -> dict[str, object]:
        return {
            "id": caller.id,
            "roles": sorted(caller.roles),
            "deputies": sorted(caller.deputies),
            "provinces": sorted(caller.provinces),
        }

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://peygir") as client:
        yield client


async def test_without_headers_the_sender_is_the_developer_in_every_role(
    client: httpx.AsyncClient,
) -> None:
    me = (await client.get("/v1/me")).json()
    assert me["id"] == "developer"
    assert {"coordination", "minister-office", "operator", "system"} < set(me["roles"])
    assert me["deputies"] == sorted(deputy.id for deputy in DEPUTIES)
    assert me["provinces"] == sorted(province.code for province in PROVINCES)
    assert len(me["provinces"]) == 31


async def test_the_headers_are_believed(client: httpx.AsyncClient) -> None:
    headers = {"X-Peygir-User": "s.karimi", "X-Peygir-Roles": "deputy:civil, province:IR-07"}
    assert (await client.get("/v1/me", headers=headers)).json() == {
        "id": "s.karimi",
        "roles": ["deputy:civil", "province:IR-07"],
        "deputies": ["civil"],
        "provinces": ["IR-07"],
    }


async def test_an_empty_list_of_roles_is_no_role(client: httpx.AsyncClient) -> None:
    me = (await client.get("/v1/me", headers={"X-Peygir-Roles": ""})).json()
    assert me["roles"] == []


@pytest.mark.parametrize(
    ("header", "claim"),
    [
        ("X-Peygir-Roles", "king"),
        ("X-Peygir-Roles", "deputy:nobody"),
        ("X-Peygir-Roles", "province:IR-99"),
        ("X-Peygir-User", ""),
        ("X-Peygir-User", "a b"),
        ("X-Peygir-User", "x" * 101),
        ("X-Peygir-User", "s.karimi\u200b"),
        ("X-Peygir-User", "\u202ekarimi"),
        ("X-Peygir-User", "کریمی"),
        ("X-Peygir-User", "s.karimi\x7f"),
        ("X-Peygir-User", "s.karimi\xad"),
        ("X-Peygir-Roles", "coordination\u200b"),
        ("X-Peygir-Roles", "\ufeffcoordination"),
        ("X-Peygir-Roles", "deputy:civil\u200f"),
    ],
)
async def test_a_broken_claim_is_a_problem_that_names_the_header(
    client: httpx.AsyncClient, header: str, claim: str
) -> None:
    answer = await client.get("/v1/me", headers=[(header.encode(), claim.encode())])
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:peygir:problem:invalid-header"
    assert problem["errors"][0]["field"] == header


async def test_two_users_are_refused_and_roles_in_parts_are_one_list(
    client: httpx.AsyncClient,
) -> None:
    two = [("X-Peygir-User", "s.karimi"), ("X-Peygir-User", "c.ahmadi")]
    assert (await client.get("/v1/me", headers=two)).status_code == 400
    parts = [("X-Peygir-Roles", "deputy:civil"), ("X-Peygir-Roles", "coordination")]
    me = (await client.get("/v1/me", headers=parts)).json()
    assert me["roles"] == ["coordination", "deputy:civil"]


async def test_an_installation_with_other_deputies(client: httpx.AsyncClient) -> None:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    app = transport.app
    assert isinstance(app, FastAPI)
    app.state.rates = Rates()
    app.state.authenticator = OpenIdentity(lambda: Roles.of(["north", "south"]))
    me = (await client.get("/v1/me")).json()
    assert me["deputies"] == ["north", "south"]
    refused = await client.get("/v1/me", headers={"X-Peygir-Roles": "deputy:civil"})
    assert refused.status_code == 400
