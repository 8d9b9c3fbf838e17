"""Fixtures of the tests of the handlers."""

from __future__ import annotations

import pytest

from tests.stores.fakes_reports import MemoryExpectations


@pytest.fixture
def store() -> MemoryExpectations:
    return MemoryExpectations()
