"""What the tests of the stores share."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from deploy.local.cluster import Cluster
from shared.runtime import mongo
from shared.runtime.mongo import Database
from tests.stores.outbox import Outbox


@pytest.fixture
async def database(cluster: Cluster, namespace: str) -> AsyncIterator[Database]:
    """A database of this test alone."""
    client = mongo.connect(cluster.mongodb_uri, app="tests")
    name = f"{namespace}{uuid.uuid4().hex[:8]}"
    yield mongo.database(client, name)
    await client.drop_database(name)
    client.close()


@pytest.fixture
async def outbox(database: Database) -> Outbox:
    """An outbox, ready to be written to."""
    outbox = Outbox(database)
    await outbox.ledger.prepare()
    return outbox
