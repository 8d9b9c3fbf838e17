"""Databases of single tests."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.local.cluster import Cluster
from shared.runtime import mongo
from shared.runtime.mongo import Database


@asynccontextmanager
async def temporary_database(cluster: Cluster, namespace: str) -> AsyncIterator[Database]:
    """An empty database, dropped afterwards."""
    client = mongo.connect(cluster.mongodb_uri, app="tests")
    name = f"{namespace}{uuid.uuid4().hex[:8]}"
    yield mongo.database(client, name)
    await client.drop_database(name)
    client.close()
