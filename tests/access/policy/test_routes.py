"""Every route and every kind of person on running services, with tokens of the tests' provider."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from shared.contracts.services import SERVICES
from shared.runtime.access import Who
from tests.access.policy.walk import kinds_without_any_right, narrowed, walk
from tests.access.policy.world import PEOPLE, World, fill
from tests.component.harness import Producer, Service, create_topics
from tests.identity.issuer import AUDIENCE, Issuer

INTEGRATORS = """
[[integrators]]
name = "letters"
sources = ["/letters"]
deputies = ["civil"]
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
async def world(
    cluster: Cluster, test_folder: Path, tmp_path: Path, issuer: Issuer
) -> AsyncIterator[World]:
    namespace = f"p{uuid.uuid4().hex[:10]}"
    topics = create_topics(cluster, namespace)
    integrators = tmp_path / "integrators.toml"
    integrators.write_text(INTEGRATORS)
    settings = {
        "PEYGIR_OIDC_ISSUER": issuer.url,
        "PEYGIR_OIDC_AUDIENCE": AUDIENCE,
        "PEYGIR_DEPUTIES": "civil,crisis",
        "PEYGIR_SMTP_PORT": "1",
        "PEYGIR_INTEGRATORS_FILE": str(integrators),
    }

    def headers(who: Who) -> Mapping[str, str]:
        user, roles = PEOPLE[who]
        return {"Authorization": f"Bearer {issuer.token(user, roles)}"}

    async with AsyncExitStack() as stack:
        services = {
            str(name): await stack.enter_async_context(
                Service(name, cluster, namespace, test_folder, **settings)
            )
            for name in SERVICES
        }
        producer = await stack.enter_async_context(Producer(cluster))
        world = World(services, headers)
        await fill(world, producer, topics.resolutions)
        yield world


async def test_each_route_answers_each_kind_of_person_as_the_policy_says(world: World) -> None:
    assert await narrowed(world) == []
    asked, breaches = await walk(world)
    assert breaches == []
    assert asked > 900
    print(f"{asked} requests were held to the policy")


def test_everybody_may_do_something() -> None:
    assert kinds_without_any_right() == set()
