"""All services on a small world, with tokens of the tests' own provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from shared.runtime.access import Who
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
