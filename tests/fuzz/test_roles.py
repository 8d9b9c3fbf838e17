"""Schemathesis in the name of a person of each kind: no server error, no success without a right.

`PEYGIR_FUZZ_EXAMPLES` sets the number of random requests per operation (here by default 20).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from shared.contracts.services import SERVICES
from shared.runtime.access import Who
from tests.access.policy.world import PEOPLE, World, running
from tests.fuzz.campaign import Plan, run
from tests.identity.issuer import AUDIENCE, Issuer

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(3_600),
    pytest.mark.asyncio(loop_scope="module"),
]

EXAMPLES: Final = int(os.environ.get("PEYGIR_FUZZ_EXAMPLES", "20"))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(cluster: Cluster, test_folder: Path, issuer: Issuer) -> AsyncIterator[World]:
    provider = {"PEYGIR_OIDC_ISSUER": issuer.url, "PEYGIR_OIDC_AUDIENCE": AUDIENCE}
    async with running(cluster, test_folder, provider, lambda who: signed(issuer, who)) as world:
        yield world


def signed(issuer: Issuer, who: Who) -> Mapping[str, str]:
    user, roles = PEOPLE[who]
    token = issuer.token(user, roles, lifetime=timedelta(hours=2))
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("who", list(Who))
@pytest.mark.parametrize("name", SERVICES)
async def test_nobody_succeeds_without_a_right(
    world: World, issuer: Issuer, local: Path, name: str, who: Who
) -> None:
    ids = world.ids["own"] | {"followup_id": world.followups[who]["own"]}
    plan = Plan(
        {field: [value, world.ids["other"].get(field, "x")] for field, value in ids.items()}
    )
    service = world.services[name]
    url, folder = f"http://127.0.0.1:{service.port}", local / "fuzz" / f"{name}-{who.value}"
    status, report = await asyncio.to_thread(
        run, url, plan, folder, EXAMPLES, signed(issuer, who), who.value
    )
    failed = [line[:3_000] for line in service.log.splitlines() if "request failed" in line]
    assert not failed, failed[0]
    assert status == 0, report[-6_000:]
