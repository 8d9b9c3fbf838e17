"""What the tests of the stores share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.cluster import Cluster
from shared.runtime.mongo import Database
from tests.stores.databases import temporary_database
from tests.stores.outbox import Outbox


@pytest.fixture
async def database(cluster: Cluster, namespace: str) -> AsyncIterator[Database]:
    """A database of this test alone."""
    async with temporary_database(cluster, namespace) as database:
        yield database


@pytest.fixture
async def outbox(database: Database) -> Outbox:
    """An outbox, ready to be written to."""
    outbox = Outbox(database)
    await outbox.ledger.prepare()
    return outbox
