"""Fixtures of the tests of the dispatcher."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.unit.notify.dispatching import (
    Bench,
)
from tests.unit.notify.oddserver import OddServer


@pytest_asyncio.fixture
async def server() -> AsyncIterator[OddServer]:
    async with OddServer() as odd:
        yield odd


@pytest.fixture
def bench(server: OddServer) -> Bench:
    return Bench(server)
