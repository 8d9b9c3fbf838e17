"""Who is shown restricted axes of a report is kept, before anything is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pymongo.errors import AutoReconnect

from services.reports import api as reports
from services.reports.domain.reads import RestrictedRead
from shared.service import error_handlers
from tests.stores.fakes_reports import MemoryReadLog
from tests.unit.api.services_in_memory import REPORT, ApiClient, FixedClock, app_of, client_of
from tests.unit.reports.builders import BEFORE, RECEPTION, message, scheduled
from tests.unit.reports.offices import Office

_REPORT = {
    **REPORT,
    "session_id": "1402-IR-09",
    "answers": {"crisis": {"relief": "آماده"}, "security": {"borders": "آرام"}},
}
_COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
_CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}


class FailingLog(MemoryReadLog):
    """A log whose database may be away."""

    is_away = False

    async def add(self, read: RestrictedRead) -> None:
        if self.is_away:
            raise AutoReconnect("away")
        await super().add(read)


@dataclass(frozen=True, slots=True)
class Reader:
    client: ApiClient
    log: FailingLog
    report: str  # its path


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    office, log = Office(), FailingLog(BEFORE)
    await office.hear(message(scheduled("1402-IR-09"), sequence=1, id_="1", offset=0))
    api = reports.ApiContext(office.store, office.circulars, RECEPTION, log)
    app = app_of(reports.routes(api, FixedClock(BEFORE)))
    error_handlers.install(app)
    async with client_of(lambda: office.published, app) as client:
        sent = await client.post("/reports", _REPORT)
        assert sent.status_code == 201, sent.text
        assert log.kept == [], "who sends a report reads nothing new"
        yield Reader(client, log, f"/v1/reports/{sent.json()['report_id']}")


async def test_a_read_of_restricted_texts_is_kept(reader: Reader) -> None:
    answer = await reader.client.http.get(reader.report, headers=_COORDINATION)
    assert "security" in answer.json()["content"]["answers"]
    (read,) = reader.log.kept
    assert (read.by, read.roles, read.at) == ("c.ahmadi", ("coordination",), BEFORE)
    assert read.axes == ("security",)
    assert reader.report.endswith(read.reports[0])
    assert read.texts


async def test_lists_and_distribution_are_reads_too(reader: Reader) -> None:
    listed = await reader.client.http.get("/v1/reports", headers=_COORDINATION)
    assert "security" in {axis["axis"] for axis in listed.json()["items"][0]["axes"]}
    sent = await reader.client.http.post(f"{reader.report}/distribute", headers=_COORDINATION)
    assert sent.status_code == 200, sent.text
    assert [read.texts for read in reader.log.kept] == [False, True]


async def test_who_is_shown_nothing_restricted_is_not_kept(reader: Reader) -> None:
    for path in (reader.report, "/v1/reports"):
        answer = await reader.client.http.get(path, headers=_CIVIL)
        assert answer.status_code == 200
        assert "security" not in answer.text
    assert reader.log.kept == []


async def test_nothing_restricted_is_shown_while_the_log_is_away(reader: Reader) -> None:
    reader.log.is_away = True
    for path in (reader.report, "/v1/reports"):
        refused = await reader.client.http.get(path, headers=_COORDINATION)
        assert refused.status_code == 503
        assert "آرام" not in refused.text
        assert (await reader.client.http.get(path, headers=_CIVIL)).status_code == 200
    refused = await reader.client.http.post(f"{reader.report}/distribute", headers=_COORDINATION)
    assert refused.status_code == 503
    reader.log.is_away = False
    shown = await reader.client.http.get(reader.report, headers=_COORDINATION)
    assert shown.json()["distributed_at"] is None
