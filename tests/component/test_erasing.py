"""`python -m tools.erase` beside running services: what their APIs answer before and after."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
import pytest
import pytest_asyncio
from pymongo import MongoClient

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from shared.contracts.topics import Topics
from tests.component.harness import Producer, Service, eventually
from tests.component.test_evidence import PDF
from tests.component.test_followups import CIVIL, COORDINATION, approval, followup_of
from tests.component.test_reports import KHORASAN, expectation, report, session

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = ("--who", "c.ahmadi", "--why", "به درخواست استان")
FARSI = {"Accept-Language": "fa"}
SECRET = "برگه‌ای که باید فراموش شود"
PAGES = b"%PDF-1.7\npages to be forgotten" + bytes(600_000)
MINISTER = {"X-Peygir-User": "m.rezaei", "X-Peygir-Roles": "minister-office"}


@dataclass(frozen=True)
class Eraser:
    """The command, on the databases of this test."""

    cluster: Cluster
    namespace: str
    journal: Path
    databases: MongoClient[dict[str, Any]]

    async def run(self, *arguments: str, answer: str = "") -> tuple[int, str, str]:
        """Run it as a process of its own; return how it ended and what it said."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tools.erase", *arguments, "--journal", str(self.journal)),
            cwd=PROJECT,
            env={
                **os.environ,
                "COLUMNS": "200",
                "PEYGIR_ENV": "development",
                "PEYGIR_MONGODB_URI": self.cluster.mongodb_uri,
                "PEYGIR_NAMESPACE": self.namespace,
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(answer.encode()), 120)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def done(self, *arguments: str) -> str:
        """What it prints; it has to succeed."""
        code, out, err = await self.run(*arguments, "--yes")
        assert code == 0, err
        return out

    def lines(self) -> list[dict[str, Any]]:
        text = self.journal.read_text(encoding="utf-8") if self.journal.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def holding(self, text: bytes) -> list[str]:
        """The collections that hold a text."""
        return [
            f"{name.removeprefix(self.namespace)}.{collection}"
            for name in self.databases.list_database_names()
            if name.startswith(self.namespace)
            for collection in self.databases[name].list_collection_names()
            if any(text in bson.encode(d) for d in self.databases[name][collection].find())
        ]


@pytest.fixture
def eraser(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Eraser]:
    with MongoClient[dict[str, Any]](cluster.mongodb_uri) as client:
        yield Eraser(cluster, namespace, tmp_path / "journal.jsonl", client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reports(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Service]:
    async with Service("reports", cluster, namespace, test_folder) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def followups(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Service]:
    settings = {"PEYGIR_DEPUTIES": "civil,social"}
    async with Service("followups", cluster, namespace, test_folder, **settings) as service:
        yield service


async def a_report(
    reports: Service, producer: Producer, topics: Topics, session_id: str
) -> tuple[str, dict[str, Any]]:
    """Send a report with a key; return its path and what was sent."""
    data = session(session_id)
    await producer.event(topics.sessions, "SessionScheduled", data, key=session_id, id_=session_id)
    await expectation(reports, session_id)
    answers = {"crisis": {"relief": SECRET}, "security": {"borders": SECRET}}
    sent = report(session_id, answers=answers, initiatives=[{"title": SECRET, "text": SECRET}])
    headers = {**KHORASAN, "Idempotency-Key": session_id}
    answer = await reports.http.post("/v1/reports", json=sent, headers=headers)
    assert answer.status_code == 201, answer.text
    return f"/v1/reports/{answer.json()['report_id']}", sent


async def test_a_report_without_its_texts_is_shown_and_a_new_one_taken(
    reports: Service, producer: Producer, topics: Topics, eraser: Eraser
) -> None:
    path, sent = await a_report(reports, producer, topics, "forgotten")
    before = (await reports.http.get(path, headers=COORDINATION)).json()
    assert sorted(eraser.holding(SECRET.encode())) == ["reports.expectations", "reports.replies"]

    code, out, _ = await eraser.run("report", "forgotten", *WORDS, "--dry-run")
    assert (code, "texts of 1 report" in out, "session forgotten" in out) == (0, True, True)
    code, _, err = await eraser.run("report", "forgotten", *WORDS, answer="n\n")
    assert (code, "Nothing brings it back" in err) == (1, True)
    assert (await reports.http.get(path, headers=COORDINATION)).json() == before
    assert eraser.lines() == []
    assert await eraser.done("report", "forgotten", *WORDS) == "texts of 1 report\nerased\n"
    assert eraser.holding(SECRET.encode()) == []

    after = (await reports.http.get(path, headers=COORDINATION)).json()
    assert after["erased_at"] is not None
    gone = {"content": None, "texts_lost": True, "erased_at": after["erased_at"]}
    assert after == {**before, **gone}
    (item,) = await reports.items("/v1/reports", session_id="forgotten")
    assert item == {name: value for name, value in after.items() if name != "content"}
    repeated = {**KHORASAN, "Idempotency-Key": "forgotten"}
    again = await reports.http.post("/v1/reports", json=sent, headers=repeated)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert (again.json()["content"], again.json()["erased_at"]) == (None, after["erased_at"])
    for language, why in (({}, "texts were erased"), (FARSI, "متن‌های آن پاک شده است")):
        refused = await reports.http.post(
            f"{path}/distribute", headers={**COORDINATION, **language}
        )
        assert refused.status_code == 409
        assert why in refused.json()["detail"]

    assert await eraser.done("report", "forgotten", *WORDS) == "nothing is left to erase\n"
    (line,) = eraser.lines()
    assert (line["what"], line["session_id"], line["revision"]) == ("report", "forgotten", 1)
    assert (line["who"], line["why"]) == ("c.ahmadi", "به درخواست استان")
    anew = await reports.http.post("/v1/reports", json=sent, headers=KHORASAN)
    assert anew.status_code == 201
    shown = anew.json()
    assert (shown["revision"], shown["texts_lost"], shown["erased_at"]) == (2, False, None)
    assert await eraser.done("again") != ""
    assert eraser.holding(SECRET.encode()) == ["reports.expectations"], "a later act stays"


async def test_neither_a_repeated_event_nor_a_recovery_brings_texts_back(
    reports: Service, producer: Producer, topics: Topics, eraser: Eraser
) -> None:
    path, _ = await a_report(reports, producer, topics, "restored")
    name = f"{eraser.namespace}reports"
    database = eraser.databases[name]
    text = SECRET.encode()

    async def all_sent() -> bool:
        return database["commits"].count_documents({"pending": True}) == 0

    await eventually(all_sent, 20, "sending")
    copy = {c: list(database[c].find()) for c in database.list_collection_names()}
    await eraser.done("report", "restored", *WORDS)
    after = (await reports.http.get(path, headers=COORDINATION)).json()

    data = session("restored")
    await producer.event(topics.sessions, "SessionScheduled", data, key="restored", id_="again")
    await producer.event(topics.sessions, "SessionScheduled", session("n"), key="restored", id_="n")
    await expectation(reports, "n")
    assert (await reports.http.get(path, headers=COORDINATION)).json() == after

    reports.stop()
    for collection in database.list_collection_names():
        database[collection].delete_many({})
        if documents := copy.get(collection):
            database[collection].insert_many(documents)
    assert "reports.expectations" in eraser.holding(text)
    code, out, _ = await eraser.run("again", "--dry-run")
    assert (code, "1 came back" in out) == (0, True)
    assert "1 erasure carried out" in await eraser.done("again")
    await reports.start()
    mine = {"_id": "restored", "report.answers": {}}
    assert database["expectations"].count_documents(mine) == 1
    assert (await reports.http.get(path, headers=COORDINATION)).json() == after

    reports.stop()
    eraser.databases.drop_database(name)  # an empty copy: all comes from the topics
    await reports.start()
    await expectation(reports, "restored", state="submitted")
    shown = (await reports.http.get(path, headers=COORDINATION)).json()
    assert (shown["content"], shown["texts_lost"], shown["erased_at"]) == (None, True, None)
    await eraser.done("again")
    shown = (await reports.http.get(path, headers=COORDINATION)).json()
    assert shown == {**after, "submitted_by": None}
    assert text not in b"".join(bson.encode(d) for d in database["expectations"].find())


async def test_a_file_is_lost_in_every_database_and_others_stay(
    followups: Service, producer: Producer, topics: Topics, eraser: Eraser
) -> None:
    paths = {}
    for id_ in ("R-1", "R-2"):
        topic = topics.resolutions("civil")
        await producer.event(topic, "ResolutionApproved", approval(id_), key=id_, id_=id_)
        path = f"/v1/followups/{(await followup_of(followups, id_))['followup_id']}"
        await followups.http.post(f"{path}/acknowledge", json={}, headers=CIVIL)
        sent = await followups.http.post(
            f"{path}/evidence", content=PAGES, headers={**PDF, **CIVIL}
        )
        assert sent.status_code == 201, sent.text
        paths[id_] = (path, sent.json()["evidence_id"])
    move = {"to": "social", "reason": "ادغام", "resolution_ids": ["R-1"], "dry_run": False}
    moved = await followups.http.post("/v1/deputies/civil/move", headers=MINISTER, json=move)
    assert moved.json()["moved"] == 1, moved.text
    path, evidence_id = paths["R-1"]
    before = (await followups.http.get(path)).json()
    places = ["followups_civil.evidence.chunks", "followups_social.evidence.chunks"]
    assert sorted(eraser.holding(PAGES[:40])) == places

    followup_id = path.rpartition("/")[2]
    out = await eraser.done("evidence", followup_id, evidence_id, *WORDS)
    size = 2 * len(PAGES)
    assert out == f"1 file of evidence ({size:,} bytes)\nerased\n"
    answer = await followups.http.get(f"{path}/evidence/{evidence_id}")
    assert answer.status_code == 410
    assert answer.json()["type"] == "urn:peygir:problem:evidence-lost"
    farsi = await followups.http.get(f"{path}/evidence/{evidence_id}", headers=FARSI)
    assert farsi.json()["detail"].startswith("پاک شده است")
    assert (await followups.http.get(path)).json() == before, "its name, size and hash stay"
    other_path, other_id = paths["R-2"]
    other = await followups.http.get(f"{other_path}/evidence/{other_id}")
    assert other.content == PAGES
    for deputy in ("civil", "social"):
        (record,) = eraser.databases[f"{eraser.namespace}followups_{deputy}"]["erasures"].find()
        assert record["evidence_id"] == evidence_id
    back = {"to": "civil", "reason": "بازگشت", "resolution_ids": ["R-1"], "dry_run": False}
    moved = await followups.http.post("/v1/deputies/social/move", headers=MINISTER, json=back)
    assert moved.json()["moved"] == 1, moved.text
    assert (await followups.http.get(f"{path}/evidence/{evidence_id}")).status_code == 410


async def test_a_season_is_erased_whole(
    reports: Service, followups: Service, producer: Producer, topics: Topics, eraser: Eraser
) -> None:
    path, _ = await a_report(reports, producer, topics, "1402-IR-09")
    data = approval("R-3", session_id="1402-IR-09")
    topic = topics.resolutions("civil")
    await producer.event(topic, "ResolutionApproved", data, key="R-3", id_="R-3")
    followed = f"/v1/followups/{(await followup_of(followups, 'R-3'))['followup_id']}"
    await followups.http.post(f"{followed}/acknowledge", json={}, headers=CIVIL)
    pages = PAGES + b"of this season"
    sent = await followups.http.post(
        f"{followed}/evidence", content=pages, headers={**PDF, **CIVIL}
    )
    sessions = eraser.databases[f"{eraser.namespace}scheduler"]["sessions"]
    sessions.insert_one({"_id": "1402-IR-09", "season": "1402"})

    out = await eraser.done("season", "1402", *WORDS)
    found = f"texts of 1 report, 1 file of evidence ({len(pages):,} bytes)"
    assert out == f"{found}\nerased\n"
    shown = (await reports.http.get(path, headers=COORDINATION)).json()
    assert (shown["content"], shown["texts_lost"]) == (None, True)
    file = f"{followed}/evidence/{sent.json()['evidence_id']}"
    assert (await followups.http.get(file)).status_code == 410
    assert eraser.holding(b"of this season") == []
    assert [line["season"] for line in eraser.lines()] == ["1402", "1402"]
    assert await eraser.done("season", "1402", *WORDS) == "nothing is left to erase\n"


async def test_what_cannot_be_erased_is_said_in_one_line(eraser: Eraser) -> None:
    for arguments, line in (
        (("report", "nobody"), "there is no report of the session nobody"),
        (("evidence", "nobody", "nothing"), "no follow-up nobody has evidence nothing"),
        (("season", "1399"), "the scheduler has no session of a season 1399"),
    ):
        code, out, err = await eraser.run(*arguments, *WORDS, "--yes")
        assert (code, out, err) == (1, "", f"{line}\n")
    code, out, err = await eraser.run("again", "--yes")
    assert (code, out) == (1, "")
    assert err == f"{eraser.journal} cannot be read (FileNotFoundError)\n"
    code, _, err = await eraser.run("report", "nobody", "--who", "x", "--why", " ")
    assert (code, "must not be empty" in err) == (2, True)
