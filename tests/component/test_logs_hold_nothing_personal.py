"""What a whole run writes: no name, mail address, text, token or password of what was sent.

All services run together, at the level `debug`. Names and texts go in as people, other systems and
attackers send them: taken, refused, unreadable, and to a mail server that refuses them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from tests.component.harness import Producer, Service, create_topics, eventually, records
from tests.unit.notify.mailserver import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN: Final = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJkLmthcmltaSJ9.bm8tc2lnbmF0dXJlLWF0LWFsbA"
PASSWORD: Final = "kelid-e-nahan-1402"
GOVERNOR: Final = "سیمین‌دخت رازدار"
OFFICER: Final = "o.nahanpoosh"
COMMENT: Final = "مدیر کل در این کار کوتاهی کرد"
SECURITY: Final = "گذرگاه پنهان مرز دوغارون"
TITLE: Final = "تکمیل پل بی‌نشان سرآسیاب"
MAILBOX: Final = "deputy.civil@peygir.example"
BUSY_MAILBOX: Final = "deputy.crisis@peygir.example"
FILE: Final = "گزارش محرمانه ارزیابی مدیران.pdf"
SECRETS: Final[Mapping[str, str]] = {
    "the token": TOKEN,
    "the claims of the token": TOKEN.split(".")[1],
    "a password": PASSWORD,
    "a name": GOVERNOR,
    "an officer": OFFICER,
    "a comment": COMMENT,
    "a restricted axis": SECURITY,
    "a title": TITLE,
    "a mailbox": MAILBOX,
    "a busy mailbox": BUSY_MAILBOX,
    "the name of a file": FILE,
}

_TOKEN_HEADERS: Final = {"Authorization": f"Bearer {TOKEN}", "Cookie": f"session={PASSWORD}"}
CIVIL: Final = {"X-Peygir-User": "d.nahan-karimi", "X-Peygir-Roles": "deputy:civil"}
COORDINATION: Final = {"X-Peygir-User": "c.nahan-ahmadi", "X-Peygir-Roles": "coordination"}
KHORASAN: Final = {"X-Peygir-User": "g.nahan-razavi", "X-Peygir-Roles": "province:IR-09"}
USERS: Final = {who["X-Peygir-User"] for who in (CIVIL, COORDINATION, KHORASAN)}


@dataclass(frozen=True, slots=True)
class House:
    """All services, with the mail server that refuses one mailbox."""

    services: Mapping[str, Service]
    topics: Topics
    cluster: Cluster
    mail: Server

    async def send(
        self, service: str, path: str, body: Any, who: Mapping[str, str], status: int
    ) -> dict[str, Any]:
        answer = await self.services[service].http.post(
            f"/v1{path}", json=body, headers={**who, **_TOKEN_HEADERS}
        )
        assert answer.status_code == status, answer.text
        document: dict[str, Any] = answer.json()
        return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(cluster: Cluster, namespace: str, test_folder: Path) -> AsyncIterator[House]:
    topics = create_topics(cluster, namespace)
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(Server())
        mail.answers_to = {
            MAILBOX: f"550 5.1.1 <{MAILBOX}>: user {GOVERNOR} unknown",
            BUSY_MAILBOX: f"451 4.7.1 <{BUSY_MAILBOX}>: come back later",
        }
        services = {}
        for name in ("scheduler", "reports", "followups", "notify"):
            settings = {"PEYGIR_LOG_LEVEL": "debug"}
            if name == "notify":
                settings |= {
                    "PEYGIR_SMTP_PORT": str(mail.port),
                    "PEYGIR_MAIL_RETRY_SECONDS": "0.2",
                }
            service = Service(name, cluster, namespace, test_folder, **settings)
            services[name] = await stack.enter_async_context(service)
        yield House(services, topics, cluster, mail)


async def _followup(house: House, resolution_id: str) -> str:
    followups = house.services["followups"]

    async def found() -> str:
        items = await followups.items("/v1/followups", resolution_id=resolution_id)
        return str(items[0]["followup_id"]) if items else ""

    return await eventually(found, 30, f"the follow-up of {resolution_id}")


async def _people_work(house: House) -> None:
    visit = {
        "session_id": "visit-n",
        "kind": "visit",
        "provinces": ["IR-09"],
        "title": TITLE,
        "starts_at": "2026-10-01T09:00:00+03:30",
        "ends_at": "2026-10-01T12:00:00+03:30",
        "mode": "in-person",
        "attendees": [{"role": "governor", "id": OFFICER, "name": GOVERNOR}],
    }
    await house.send("scheduler", "/sessions", visit, COORDINATION, 201)
    await house.send("scheduler", "/sessions/visit-n/open", None, COORDINATION, 200)
    resolution = {
        "resolution_id": "R-n",
        "deputy": "civil",
        "title": TITLE,
        "text": COMMENT,
        "due_on": "2030-01-01",
    }
    await house.send(
        "scheduler",
        "/sessions/visit-n/resolutions",
        {"resolutions": [resolution]},
        COORDINATION,
        201,
    )
    path = f"/followups/{await _followup(house, 'R-n')}"
    await house.send("followups", f"{path}/acknowledge", {"note": COMMENT}, CIVIL, 200)
    await house.send("followups", f"{path}/assign", {"officer": OFFICER}, CIVIL, 200)
    await house.send("followups", f"{path}/comments", {"text": COMMENT}, CIVIL, 200)
    uploaded = await house.services["followups"].http.post(
        f"/v1{path}/evidence",
        params={"note": COMMENT},
        content=COMMENT.encode(),
        headers={
            **CIVIL,
            **_TOKEN_HEADERS,
            "Content-Type": "text/plain",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(FILE)}",
        },
    )
    assert uploaded.status_code == 201, uploaded.text


async def _people_are_refused(house: House) -> None:
    for service, path in (
        ("scheduler", "/sessions"),
        ("reports", "/reports"),
        ("reports", "/circulars"),
        ("followups", "/followups/none/comments"),
    ):
        body = {"title": [GOVERNOR], "text": {"note": COMMENT}, "password": PASSWORD}
        answer = await house.services[service].http.post(
            f"/v1{path}", json=body, headers={**KHORASAN, **_TOKEN_HEADERS}
        )
        assert 400 <= answer.status_code < 500, answer.text
    report = {
        "session_id": "none",
        "province": "IR-09",
        "catalogue_version": 1,
        "answers": {"security": {"borders": SECURITY}},
    }
    await house.send("reports", "/reports", report, KHORASAN, 422)
    followups = house.services["followups"].http
    for path in (f"/v1/followups?token={TOKEN}&password={PASSWORD}", f"/v1/{quote(GOVERNOR)}"):
        assert (await followups.get(path, headers=_TOKEN_HEADERS)).status_code in {404, 422}
    form = await followups.post("/v1/followups/bulk", content=COMMENT.encode(), headers=CIVIL)
    assert form.status_code == 422


async def _nobody_knows_http(house: House) -> None:
    for service in house.services.values():
        async with httpx.AsyncClient() as stranger:
            with pytest.raises(httpx.HTTPError):
                # TLS to a port that speaks none, with everything in the address
                await stranger.get(f"https://u:{PASSWORD}@127.0.0.1:{service.port}/{TOKEN}")


async def _systems_send_odd_events(house: House, producer: Producer) -> int:
    """Events that become dead letters; their number."""
    civil = house.topics.resolutions("civil")
    approval = {
        "resolution_id": "R-n2",
        "deputy": "civil",
        "title": TITLE,
        "approved_at": "2026-10-01T10:00:00+03:30",
        "due_on": "2030-01-01",
        "supporting": [GOVERNOR],
    }
    odd: list[dict[str, Any]] = [
        {**approval, "resolution_id": "R-n3", "due_on": COMMENT, "title": [TITLE]},
        {**approval, "resolution_id": "R-n4", "deputy": "crisis", "text": COMMENT},
        {**approval, "title": f"{TITLE}، دیگر", "text": COMMENT},
    ]
    await producer.event(civil, "ResolutionApproved", approval, key="R-n2", id_="n-2")
    await _followup(house, "R-n2")
    for number, data in enumerate(odd):
        key = str(data["resolution_id"])
        await producer.event(civil, "ResolutionApproved", data, key=key, id_=f"odd-{number}")
    unreadable = f'{{"title": "{TITLE}", "password": "{PASSWORD}" '.encode()
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"odd-9"),
        ("ce_source", b"/foreign"),
        ("ce_type", b"peygir.ResolutionApproved.v1"),
        ("authorization", f"Bearer {TOKEN}".encode()),
    ]
    await producer.send(civil, unreadable, key="R-n5", headers=headers)
    return len(odd) + 1


async def _mails_are_refused(house: House, producer: Producer) -> None:
    """Both for ever and for now; what the server says is logged in part."""
    approval = {
        "resolution_id": "R-n6",
        "deputy": "crisis",
        "title": TITLE,
        "approved_at": "2026-10-01T10:00:00+03:30",
        "due_on": "2030-01-01",
    }
    topic = house.topics.resolutions("crisis")
    await producer.event(topic, "ResolutionApproved", approval, key="R-n6", id_="n-6")
    notify = house.services["notify"]

    async def both() -> bool:
        failed = await notify.items("/v1/notices", state="failed")
        waiting = await notify.items("/v1/notices", subject="R-n6", state="pending")
        return bool(failed) and any(notice["tries"] for notice in waiting)

    await eventually(both, 30, "a mail that is refused for ever, and one for now")


async def test_no_log_has_what_was_sent(house: House, producer: Producer) -> None:
    await _people_work(house)
    await _people_are_refused(house)
    await _nobody_knows_http(house)
    count = await _systems_send_odd_events(house, producer)

    async def all_are_refused() -> bool:
        return len(await records(house.cluster, house.topics.deadletter("followups"))) >= count

    await eventually(all_are_refused, 30, f"{count} dead letters")
    await _mails_are_refused(house, producer)
    for service in house.services.values():
        service.stop()

    written = {name: service.log for name, service in house.services.items()}
    for name, log in written.items():
        assert "ready to work" in log, f"{name} wrote nothing"
    assert written["followups"].count('"dead-lettered"') >= count
    assert '"not taken"' in written["notify"]
    found = {
        (name, what)
        for name, log in written.items()
        for what, secret in {**SECRETS, **{user: user for user in USERS}}.items()
        if secret in log or json.dumps(secret)[1:-1] in log or quote(secret) in log
    }
    assert found == set()


async def test_no_metric_has_what_was_sent(
    cluster: Cluster, house: House, namespace: str, test_folder: Path
) -> None:
    async with Service("followups", cluster, namespace, test_folder) as followups:
        await followups.http.get(f"/v1/{quote(GOVERNOR)}", headers=_TOKEN_HEADERS)
        text = (await followups.http.get("/metrics")).text
    assert "peygir_http_requests_total" in text
    assert [what for what, secret in SECRETS.items() if secret in text] == []
