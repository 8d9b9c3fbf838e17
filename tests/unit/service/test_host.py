"""What a host wires: read models without a relay, and pages beside the API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, cast

import httpx
import pytest
from fastapi import APIRouter

from shared.messaging.core.model import CommitContext, Effects, Event
from shared.runtime.access import Action
from shared.runtime.http.access import may
from shared.runtime.metrics import Metrics
from shared.runtime.settings import CommonSettings
from shared.service.host import Host
from tests.unit.runtime.environment import Environment

EVENT = Event(
    id="e-1",
    type="peygir.SessionOpened.v1",
    topic="peygir.sessions.v1",
    key="s-1",
    aggregate_id="s-1",
    version=1,
    time=datetime(2024, 3, 11, 6, tzinfo=UTC),
    dataschema="urn:schema",
    data=b"{}",
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    Environment(monkeypatch)


def host_of(run: Literal["api", "relay"] = "api") -> Host:
    return Host("board", CommonSettings(run=frozenset({run})), Metrics())


async def status(host: Host, path: str) -> int:
    """The status of an answer, of an app with one page and one route."""
    pages, api = APIRouter(), APIRouter()

    @pages.get("/board")
    async def board() -> str:
        return "a page"

    @api.get("/boards", dependencies=[may(Action.READ_SEASONS)])
    async def boards() -> str:
        return "a list"

    app = host.app("Boards", [api], [], pages=[pages])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://peygir") as http:
        return (await http.get(path)).status_code


async def test_pages_are_at_the_root_and_routes_under_v1() -> None:
    host = host_of()
    host._lifecycle.is_prepared = True
    found = {p: await status(host, p) for p in ("/board", "/v1/board", "/v1/boards", "/boards")}
    assert found == {"/board": 200, "/v1/board": 404, "/v1/boards": 200, "/boards": 404}


@pytest.mark.parametrize("path", ["/board", "/v1/boards"])
async def test_a_database_that_is_not_prepared_serves_neither(path: str) -> None:
    assert await status(host_of(), path) == 503


async def test_a_process_without_the_api_has_no_pages() -> None:
    assert await status(host_of("relay"), "/board") == 404


@pytest.mark.parametrize(("publishes", "parts"), [(True, 1), (False, 0)])
async def test_only_a_ledger_that_publishes_has_a_relay(publishes: bool, parts: int) -> None:
    host = host_of("relay")
    host.ledger("board", publishes=publishes)
    assert len(host._lifecycle._parts) == parts


async def test_a_ledger_without_a_relay_takes_no_events() -> None:
    ledger = host_of().ledger("board", publishes=False)
    no_session = cast(Any, None)
    await ledger.join(CommitContext("clock", "sweeper"), Effects(), [], no_session)
    with pytest.raises(ValueError, match="nothing publishes"):
        await ledger.join(CommitContext("clock", "sweeper"), Effects([EVENT]), [], no_session)
