"""What the tests of the contracts share."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka.admin import AdminClient

from deploy.local.cluster import Cluster


@pytest.fixture
def prefix() -> str:
    """A namespace for one test."""
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture(scope="module")
def witness(cluster: Cluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": cluster.bootstrap})
