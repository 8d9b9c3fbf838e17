"""A Kafka of these tests' own: one broker with an authorizer, TLS and short sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from deploy.local.kafka_security import KafkaSecurity
from tests.access.kafka.house import House

REAUTHENTICATION_MS = 4_000


@pytest.fixture(scope="session")
def security(test_folder: Path) -> KafkaSecurity:
    return KafkaSecurity(
        test_folder / "secured-kafka" / "certificates",
        reauthentication_ms=REAUTHENTICATION_MS,
        unsigned_tokens=True,
    )


@pytest.fixture(scope="session")
def secured(local: Path, test_folder: Path, security: KafkaSecurity) -> Iterator[Cluster]:
    """Kafka with logins and rights, and a MongoDB without."""
    cluster = Cluster(test_folder / "secured-kafka", local / "cache", kafka_security=security)
    with cluster as running:
        yield running


@pytest.fixture(scope="module")
def house(secured: Cluster, security: KafkaSecurity, namespace: str, test_folder: Path) -> House:
    """An installation of the module's own, with its users, rights and topics."""
    made = House(secured, security, namespace, test_folder / "secured-kafka" / "house")
    granted = made.access("--secrets", str(made.secrets))
    assert granted.code == 0, granted.err
    created = made.tool("topics", "tools.topics", PEYGIR_REPLICATION_FACTOR="1")
    assert created.code == 0, created.err
    return made
