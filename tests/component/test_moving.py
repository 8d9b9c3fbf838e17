"""Two deputies are merged: `python -m tools.deputy move` over the real service, with deaths."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from shared.contracts.topics import Topics
from shared.messaging.core.failpoints import Failpoint
from shared.runtime import mongo
from tests.component.harness import Producer, Service, eventually, records

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOCIAL = {"X-Peygir-User": "d.sadeghi", "X-Peygir-Roles": "deputy:social"}
CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
WHY = ("--why", "ادغام دو معاونت", "--who", "رضایی")
MANY = 120


def approval(resolution_id: str, deputy: str = "social") -> dict[str, Any]:
    """Long overdue: every level is reached at once."""
    return {
        "resolution_id": resolution_id,
        "deputy": deputy,
        "title": "ساماندهی حاشیه‌نشینی",
        "approved_at": "2020-01-01T10:00:00+03:30",
        "due_on": "2020-02-01",
        "province": "IR-09",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Service]:
    settings = {"PEYGIR_DEPUTIES": "civil,social"}
    async with Service("followups", cluster, namespace, test_folder, **settings) as service:
        yield service


async def tool(service: Service, *arguments: str) -> tuple[int, str, str]:
    """Run it as a process of its own; return how it ended and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tools.deputy", "move", *arguments),
        cwd=PROJECT,
        env={**os.environ, "PEYGIR_API": str(service.http.base_url)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_two_deputies_are_merged_over_deaths_and_nothing_is_lost_or_doubled(
    cluster: Cluster, service: Service, producer: Producer, topics: Topics
) -> None:
    ids = [f"m-{number}" for number in range(MANY)]
    events = [(id_, json.dumps(approval(id_)).encode(), id_) for id_ in ids]
    for id_, value, key in events:
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", id_.encode()),
            ("ce_source", b"/foreign"),
            ("ce_type", b"peygir.ResolutionApproved.v1"),
        ]
        await producer.send(topics.resolutions("social"), value, key=key, headers=headers)

    async def all_overdue() -> list[dict[str, Any]]:
        found = await service.items("/v1/followups", deputy="social", level=3)
        return found if len(found) == MANY else []

    before = {item["resolution_id"]: item for item in await eventually(all_overdue, 60, "levels")}
    worked_on = f"/v1/followups/{before['m-7']['followup_id']}"
    for action, body in (("acknowledge", {}), ("progress", {"progress": 40})):
        answer = await service.http.post(f"{worked_on}/{action}", json=body, headers=SOCIAL)
        assert answer.status_code == 200, answer.text
    pdf = {**SOCIAL, "Content-Type": "application/pdf"}
    handed_in = await service.http.post(
        f"{worked_on}/evidence?name=a.pdf", content=b"%PDF-1", headers=pdf
    )
    assert handed_in.status_code == 201, handed_in.text

    assert (await tool(service, "social", "civil", *WHY, "--dry-run"))[:2] == (
        0,
        f"{MANY} would be moved from social to civil, 0 refused\n",
    )
    for fault in (Failpoint.COMMIT_RECORDED, Failpoint.COMMIT_DONE):
        service.kill()
        await service.died()
        await service.start(PEYGIR_RUN="api", PEYGIR_FAULT=fault.value)
        code, _, err = await tool(service, "social", "civil", *WHY)
        assert (code, "run this again" in err) == (2, True), err
        await service.died()
    await service.start()
    code, out, err = await tool(service, "social", "civil", *WHY, "--json")
    assert code == 0, err
    assert json.loads(out)["moved"] == MANY - 50, "one transaction of 50 was committed"

    assert await service.items("/v1/followups", deputy="social") == []
    after = {i["resolution_id"]: i for i in await service.items("/v1/followups", deputy="civil")}
    assert after.keys() == before.keys()
    for id_, item in after.items():
        assert (item["deputy"], item["former_deputies"], item["level"]) == ("civil", ["social"], 3)
        assert item["followup_id"] == before[id_]["followup_id"]
        assert item["version"] == before[id_]["version"] + (4 if id_ == "m-7" else 1)
    piece = after["m-7"]["evidence"][0]["evidence_id"]
    given_back = await service.http.get(f"{worked_on}/evidence/{piece}", headers=CIVIL)
    assert given_back.content == b"%PDF-1"
    history = (await service.http.get(f"{worked_on}/history", headers=CIVIL)).json()
    assert [entry["by"] for entry in history[-4:]] == [*["d.sadeghi"] * 3, "xxxxx"]
    assert history[-1]["data"]["reason"] == "ادغام دو معاونت (رضایی)"
    answer = await service.http.post(f"{worked_on}/progress", json={"progress": 60}, headers=CIVIL)
    assert answer.status_code == 200, answer.text
    await _topics_tell_it_all(cluster, topics, {**after, "m-7": answer.json()})
    cards = (await service.http.get("/v1/scorecards")).json()
    assert {i["id"]: i["total"] for i in cards["items"] if i["total"]} == {"civil": MANY}


async def _topics_tell_it_all(
    cluster: Cluster, topics: Topics, after: dict[str, dict[str, Any]]
) -> None:
    """Each topic tells each history once, in order and without a gap; the new one to its end."""

    async def told(topic: str) -> dict[str, list[tuple[int, str, str]]]:
        found: defaultdict[str, dict[str, tuple[int, str, str]]] = defaultdict(dict)
        for record in await records(cluster, topic):
            head = {name: raw.decode() for name, raw in record.headers}
            line = (int(head["ce_sequence"]), head["ce_id"], head["ce_type"])
            found[head["ce_subject"]].setdefault(head["ce_id"], line)
        return {id_: list(lines.values()) for id_, lines in found.items()}

    async def whole() -> bool:
        new = await told(topics.followups("civil"))
        return all(
            [line[0] for line in new.get(item["followup_id"], [])]
            == list(range(1, item["version"] + 1))
            for item in after.values()
        )

    await eventually(whole, 60, "the histories in the new topic")
    old, new = await told(topics.followups("social")), await told(topics.followups("civil"))
    for item in after.values():
        mine = new[item["followup_id"]]
        assert old[item["followup_id"]] == mine[: len(old[item["followup_id"]])]
        assert old[item["followup_id"]][-1][2] == "peygir.FollowupMoved.v1"
        types = Counter(line[2] for line in mine)
        assert types["peygir.FollowupOverdue.v1"] == 3
        assert types["peygir.FollowupMoved.v1"] == 1


async def test_both_deputies_databases_are_rebuilt_each_from_its_own_topic(
    cluster: Cluster, namespace: str, service: Service
) -> None:
    """That of the former deputy knows again who answers now, as the next test shows."""
    before = {item["followup_id"]: item for item in await service.items("/v1/followups")}
    assert {item["deputy"] for item in before.values()} == {"civil"}
    service.kill()
    await service.died()
    client = mongo.connect(cluster.mongodb_uri, app="test")
    for deputy in ("civil", "social"):
        await client.drop_database(f"{namespace}followups_{deputy}")
    client.close()
    await service.start()
    assert {item["followup_id"]: item for item in await service.items("/v1/followups")} == before
    levels = {item["level"] for item in before.values()}
    assert levels == {3}, "they are announced already: no sweep begins anew"


async def test_what_still_comes_to_the_old_topic_goes_on_to_who_answers_now(
    service: Service, producer: Producer, topics: Topics
) -> None:
    topic = topics.resolutions("social")
    await producer.event(topic, "ResolutionApproved", approval("m-8"), key="m-8", id_="again")
    change = {"resolution_id": "m-8", "deputy": "social", "amended_at": "2020-03-01T00:00:00Z"}
    for _ in range(2):
        data = {**change, "title": "نو"}
        await producer.event(topic, "ResolutionAmended", data, key="m-8", id_="amend")

    async def amended() -> bool:
        (item,) = await service.items("/v1/followups", resolution_id="m-8")
        return bool(item["title"] == "نو")

    await eventually(amended, 30, "the amendment")
    await producer.event(topic, "ResolutionApproved", approval("new"), key="m-8", id_="new")

    async def opened() -> list[dict[str, Any]]:
        return await service.items("/v1/followups", resolution_id="new")

    (item,) = await eventually(opened, 30, "a new one")
    assert item["deputy"] == "social", "what is new there is his"
    (moved,) = await service.items("/v1/followups", resolution_id="m-8")
    history = (await service.http.get(f"/v1/followups/{moved['followup_id']}/history")).json()
    assert Counter(entry["type"] for entry in history)["peygir.FollowupAmended.v1"] == 1


async def test_what_cannot_be_moved_is_told(
    service: Service, producer: Producer, topics: Topics
) -> None:
    for deputy in ("social", "civil"):
        data = approval("both", deputy)
        topic = topics.resolutions(deputy)
        await producer.event(topic, "ResolutionApproved", data, key="both", id_=f"both-{deputy}")

    async def both() -> bool:
        return len(await service.items("/v1/followups", resolution_id="both")) == 2

    await eventually(both, 30, "two follow-ups of one resolution")
    code, out, _ = await tool(service, "social", "civil", *WHY, "--resolution", "both", "--json")
    (line,) = json.loads(out)["refused"]
    assert (code, line["resolution_id"], line["error"]) == (1, "both", "already-followed")
    code, out, _ = await tool(service, "social", "civil", *WHY, "--resolution", "both")
    assert (code, "0 moved" in out, "already-followed" in out) == (1, True, True)
    code, _, err = await tool(service, "social", "nobody", *WHY)
    assert (code, "to: not served here" in err) == (2, True)
    code, _, err = await tool(service, "civil", "civil", *WHY)
    assert (code, "to: is who answers for them now" in err) == (2, True)
    path, body = "/v1/deputies/social/move", {"to": "civil", "reason": "x"}
    minister = {"X-Peygir-User": "m.karimi", "X-Peygir-Roles": "minister-office"}
    answer = await service.http.post(path, json=body, headers=COORDINATION)
    assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (403, "not-allowed")
    answer = await service.http.post(path, json={**body, "limit": 51}, headers=minister)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "limit")
    long = {**body, "reason": "ن" * 2_001}  # the event that tells it takes no more
    answer = await service.http.post(path, json=long, headers=minister)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "reason")
