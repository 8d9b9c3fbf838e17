"""Every route and every kind of person on running services, with tokens of the tests' provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from shared.runtime.access import Who
from tests.access.policy.walk import kinds_without_any_right, narrowed, walk
from tests.access.policy.world import PEOPLE, World, running
from tests.identity.issuer import AUDIENCE, Issuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
async def world(cluster: Cluster, test_folder: Path, issuer: Issuer) -> AsyncIterator[World]:
    provider = {"PEYGIR_OIDC_ISSUER": issuer.url, "PEYGIR_OIDC_AUDIENCE": AUDIENCE}

    def headers(who: Who) -> Mapping[str, str]:
        user, roles = PEOPLE[who]
        return {"Authorization": f"Bearer {issuer.token(user, roles)}"}

    async with running(cluster, test_folder, provider, headers) as world:
        yield world


async def test_each_route_answers_each_kind_of_person_as_the_policy_says(world: World) -> None:
    assert await narrowed(world) == []
    asked, breaches = await walk(world)
    assert breaches == []
    assert asked > 1_000
    print(f"{asked} requests were held to the policy")


def test_everybody_may_do_something() -> None:
    assert kinds_without_any_right() == set()
