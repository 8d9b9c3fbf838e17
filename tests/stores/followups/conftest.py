"""The store of follow-ups, in memory and on MongoDB."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.stores.databases import temporary_database
from tests.stores.fakes_followups import MemoryFollowups
from tests.stores.followups import AnyFollowups, prepared


@pytest.fixture(params=["memory", "mongodb"])
async def store(request: pytest.FixtureRequest, namespace: str) -> AsyncIterator[AnyFollowups]:
    """A store without follow-ups."""
    if request.param == "memory":
        yield MemoryFollowups()
        return
    async with temporary_database(request.getfixturevalue("cluster"), namespace) as database:
        yield await prepared(database)
