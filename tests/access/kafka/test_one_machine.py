"""What `make up` needs of a secured Kafka: users, rights and keys, made at run time."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from deploy.local.kafka_access import (
    EXAMPLE,
    grant_access,
    login_of,
    prepare_sources,
    sources_of,
)
from deploy.local.kafka_security import KafkaSecurity
from tests.component.harness import Service

pytestmark = [pytest.mark.secured, pytest.mark.timeout(300)]


async def test_one_process_for_all_deputies_starts_with_what_is_made_for_it(
    secured: Cluster, security: KafkaSecurity, namespace: str, test_folder: Path
) -> None:
    deputies = ("civil", "crisis")
    folder, secrets = test_folder / "machine" / "keys", test_folder / "machine" / "secrets"
    common = {
        "PEYGIR_NAMESPACE": namespace,
        "PEYGIR_KNOWN_DEPUTIES": ",".join(deputies),
        "PEYGIR_EVENT_SOURCES": "signed",
    }
    integrators = prepare_sources(folder, deputies)
    text = integrators.read_text()
    assert prepare_sources(folder, deputies).read_text() == text
    for _ in range(2):
        await asyncio.to_thread(
            grant_access, secured.layout, security, secrets, integrators, common
        )
    assert (secrets / f"integrator-{EXAMPLE}").is_dir()

    def login(name: str) -> dict[str, str]:
        return {
            **login_of(name, security, secrets),
            "PEYGIR_KAFKA_USERNAME": namespace + name,
        }

    await asyncio.to_thread(secured.create_topics, {**common, **login("topics")})
    more = {**common, **login("followups"), **sources_of("followups", folder)}
    environment = {name: value for name, value in more.items() if name != "PEYGIR_NAMESPACE"}
    async with Service("followups", secured, namespace, test_folder, **environment) as service:
        await service.reads()
        assert (await service.readyz())[1]["checks"]["rights"] == "ok"
    assert "PEYGIR_SIGNING_KEY_FILE" in sources_of("scheduler", folder)
    assert all(not path.stat().st_mode & 0o077 for path in folder.iterdir())
    assert os.environ.get("PEYGIR_KAFKA_USERNAME") is None
