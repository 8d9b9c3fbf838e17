"""What the tests of one service on the real broker share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.local.cluster import Cluster
from tests.component.harness import Producer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def producer(cluster: Cluster) -> AsyncIterator[Producer]:
    async with Producer(cluster) as producer:
        yield producer
