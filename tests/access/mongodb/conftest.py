"""A MongoDB that asks for users and TLS, with a user for each workload."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from tests.access.mongodb.secured import Installation


@pytest.fixture(scope="session")
def secured(local: Path, test_folder: Path) -> Iterator[Cluster]:
    """A secured MongoDB; Kafka is started by who needs it."""
    cluster = Cluster(test_folder / "secured-mongodb", local / "cache", mongod_secured=True)
    try:
        cluster.start("mongod")
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="module")
def installation(secured: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A namespace of this module, with its users."""
    made = Installation(secured, f"t{uuid.uuid4().hex[:8]}", tmp_path_factory.mktemp("secrets"))
    done = made.command()
    assert done.returncode == 0, done.stderr
    return made
