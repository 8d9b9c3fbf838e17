"""What the tests of the runtime share."""

from __future__ import annotations

import pytest

from tests.unit.runtime.environment import Environment


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(monkeypatch)
