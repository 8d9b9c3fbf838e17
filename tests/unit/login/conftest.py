"""A provider at which tests log in, and a clock that waits for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.identity.provider import LoginProvider
from tools.login.provider import Provider
from tools.login.store import TokenStore


class Clock:
    """Shows the same time until somebody waits."""

    def __init__(self) -> None:
        self.passed = 0.0  # seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 24, 10, tzinfo=UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.wait(seconds)

    def wait(self, seconds: float) -> None:
        self.passed += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def there(clock: Clock) -> Iterator[LoginProvider]:
    with LoginProvider(clock) as provider:
        provider.roles["g.razavi"] = ["province:IR-09"]
        yield provider


@pytest.fixture
def provider(there: LoginProvider, clock: Clock) -> Iterator[Provider]:
    with httpx.Client(timeout=5) as http:
        yield Provider(http, there.url, "peygir-tools", clock)


@pytest.fixture
def store(tmp_path: Path, there: LoginProvider) -> TokenStore:
    return TokenStore(tmp_path / "peygir" / "token.json", there.url, "peygir-tools")
