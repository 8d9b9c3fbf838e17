"""A mongod restored from an older copy: the service reads on by itself, and ends equal."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.runtime import mongo
from tests.component.harness import (
    Producer,
    Service,
    binary,
    create_topics,
    eventually,
    records,
)
from tests.faults import reading
from tests.faults.reader import Place, ids_by_version
from tests.promise.checker import check
from tests.promise.history import Due, Effect, History, Level, Outcome, Sent

CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
KHORASAN = {"X-Peygir-User": "g.rezaei", "X-Peygir-Roles": "province:IR-09"}
BRIDGE = {"title": "تکمیل پل روستای سرآسیاب", "due_on": "2035-01-01"}
SESSION = {
    "kind": "provincial",
    "provinces": ["IR-09"],
    "title": "نشست تخصصی استان خراسان رضوی",
    "starts_at": "2034-12-01T09:00:00+03:30",
    "ends_at": "2034-12-01T13:00:00+03:30",
    "mode": "in-person",
}
_IN_A_MONTH = datetime.now(UTC).date() + timedelta(days=30)
WORK: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("acknowledge", CIVIL, {}),
    ("assign", CIVIL, {"officer": "a.nouri"}),
    ("delegate", CIVIL, {"to": "b.amini", "until": str(_IN_A_MONTH)}),
    ("items", CIVIL, {"title": "تملک زمین", "owner": "شهرداری", "due_on": "2029-01-01"}),
    ("items", CIVIL, {"title": "آسفالت", "owner": "شهرداری", "due_on": "2029-01-01"}),
    ("items/1/done", CIVIL, {}),
    ("items/2/drop", CIVIL, {"reason": "لازم نیست"}),
    ("parts", CIVIL, {"body": "social", "progress": 30}),
    ("comments", COORDINATION, {"text": "بازدید شد"}),
    ("link", COORDINATION, {"predecessor": "early-7"}),
]
REPORT = {
    "province": "IR-09",
    "catalogue_version": 1,
    "answers": {
        "crisis": {"relief": "سه انبار تازه آماده شد"},
        "security": {"borders": "مرز دوغارون آرام است"},
    },
}


def approval(resolution_id: str, due_on: str) -> bytes:
    data = {
        "resolution_id": resolution_id,
        "deputy": "civil",
        "title": "مرمت راه روستایی",
        "approved_at": "2025-01-01T10:00:00+03:30",
        "due_on": due_on,
        "supporting": ["social"],
    }
    return json.dumps(data).encode()


async def shown(service: Service) -> Counter[str]:
    """How many follow-ups each state and level has by the metrics."""
    answer = await service.http.get("/metrics")
    return Counter(
        {
            sample.labels.get("state") or f"overdue {sample.labels['level']}": int(sample.value)
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name in {"peygir_followups", "peygir_followups_overdue"} and sample.value
        }
    )


def count(items: Iterable[dict[str, Any]]) -> Counter[str]:
    """How many follow-ups each state and level has, counted."""
    counts: Counter[str] = Counter()
    for item in items:
        counts[item["state"]] += 1
        if item["level"] and item["state"] not in {"verified", "closed"}:
            counts[f"overdue {item['level']}"] += 1
    return counts


@pytest.mark.timeout(600)
async def test_a_restored_copy_ends_equal(
    cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    topics = create_topics(cluster, namespace)
    topic = topics.resolutions("civil")
    service = Service("followups", cluster, namespace, test_folder, PEYGIR_DEPUTIES="civil")
    early = [f"early-{n}" for n in range(20)]
    late = [f"late-{n}" for n in range(20)]

    async def send(producer: Producer, ids: list[str], due_on: str) -> None:
        for id_ in ids:
            head = binary("ResolutionApproved", id_)
            await producer.send(topic, approval(id_, due_on), key=id_, headers=head)

    async def act(id_: str, action: str, who: dict[str, str], **body: Any) -> None:
        answer = await service.http.post(f"/v1/followups/{id_}/{action}", json=body, headers=who)
        assert answer.status_code == 200, answer.text

    async def stored() -> dict[str, dict[str, Any]]:
        return {item["resolution_id"]: item for item in await service.items("/v1/followups")}

    async with service, Producer(cluster) as producer:
        await send(producer, early, "2030-01-01")

        async def there(ids: list[str]) -> bool:
            return set(ids) <= (await stored()).keys()

        await eventually(lambda: there(early))
        one = (await stored())["early-0"]["followup_id"]
        await all_published(cluster, f"{namespace}followups_civil")

        # The copy holds something that it has yet to publish, as that of a live database does.
        await asyncio.to_thread(cluster.stop, "kafka")
        await act(one, "acknowledge", CIVIL)
        copy = await back_up(cluster, test_folder / "copy")
        await asyncio.to_thread(cluster.start, "kafka")
        await service.ready()

        # What comes after it: by Kafka, by HTTP, by the clock, and an amendment.
        await send(producer, late, "2025-02-01")  # overdue by three levels
        await eventually(lambda: there(late))
        items = await stored()
        for id_ in early[1:6]:
            await act(items[id_]["followup_id"], "acknowledge", CIVIL)
            await act(items[id_]["followup_id"], "progress", CIVIL, progress=60)
        for action, who, body in WORK:
            await act(items["early-6"]["followup_id"], action, who, **body)
        await act(items["early-1"]["followup_id"], "complete", CIVIL)
        await act(items["early-1"]["followup_id"], "verify", COORDINATION)
        for due_on, id_ in (("2031-01-01", "a"), ("2032-01-01", "b")):
            change = {
                "resolution_id": "early-9",
                "deputy": "civil",
                "amended_at": "2025-01-02T00:00:00Z",
                "due_on": due_on,
            }
            await producer.event(topic, "ResolutionAmended", change, key="early-9", id_=id_)

        async def all_done() -> bool:
            now = await stored()
            levels = all(now[id_]["level"] == 3 for id_ in late)
            return levels and now["early-9"]["due_on"] == "2032-01-01"

        await eventually(all_done)
        await all_published(cluster, f"{namespace}followups_civil")
        before = await stored()

        await restore(cluster, copy, service)

        async def equal() -> bool:
            return await stored() == before

        await eventually(equal, 30, "the same follow-ups as before")

        async def counted() -> bool:
            return await shown(service) == count(before.values())

        await eventually(counted, 30, "as many shown as there are")
        await all_published(cluster, f"{namespace}followups_civil")
        told = await asyncio.to_thread(
            reading.everything, cluster.bootstrap, [topics.followups("civil")]
        )
        opened = [Effect("FollowupOpened", id_) for id_ in (*early, *late)]
        whole = History(
            sent=tuple(
                Sent(effect.about, topic, effect.about, Outcome.ACKNOWLEDGED, effects=(effect,))
                for effect in opened
            ),
            told=tuple(
                event if event.effect in opened else replace(event, effect=None)
                for event in reading.told(told)
            ),
            states=tuple(reading.shown(before.values(), topics.followups)),
            dues=tuple(Due(Level(id_, "2025-02-01", level)) for id_ in late for level in (1, 2, 3)),
        )
        assert check(whole) == []
        assert before.keys() == {*early, *late}
        await act(one, "progress", CIVIL, progress=10)  # and it goes on


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_restored_calendar_ends_equal(
    cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    own = f"{namespace}c"
    topics = create_topics(cluster, own)
    service, database = Service("scheduler", cluster, own, test_folder), f"{own}scheduler"

    async def post(path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = await service.http.post(f"/v1/{path}", json=body, headers=COORDINATION)
        assert answer.status_code == status, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def record(session_id: str, *deputies: str) -> list[str]:
        proposals = [{**BRIDGE, "deputy": deputy} for deputy in deputies]
        path = f"sessions/{session_id}/resolutions"
        recorded = await post(path, 201, resolutions=proposals)
        return [item["resolution_id"] for item in recorded["items"]]

    async def stored() -> list[list[dict[str, Any]]]:
        return [await service.items(f"/v1/{name}") for name in ("sessions", "resolutions")]

    async with service, Producer(cluster) as producer:
        await post("seasons", 201, season="1413", starts_on="2034-08-14")
        await post("sessions/1413-IR-00/open")
        early = await record("1413-IR-00", "civil", "social")
        await all_published(cluster, database)
        copy = await back_up(cluster, test_folder / "copy-of-the-calendar")
        await service.ready()

        # What comes after it, and what a stranger says in the same topics.
        await post("seasons", 201, season="1414", starts_on="2035-08-13")
        await post("sessions/1413-IR-01/cancel", reason="برف")
        instead = {"session_id": "1413-IR-01-b", "season": "1413", "provinces": ["IR-01"]}
        await post("sessions", 201, **{**SESSION, **instead})
        for id_ in ("1413-IR-01-b", "1414-IR-00"):
            await post(f"sessions/{id_}/open")
        late = await record("1413-IR-00", "civil", "crisis")
        late += await record("1414-IR-00", *["civil", "social", "political"] * 5)
        for number, id_ in enumerate([*early, *late]):
            await post(f"resolutions/{id_}/amend", due_on=f"2036-01-{number + 1:02}")
        await post(f"resolutions/{early[0]}/withdraw", reason="ادغام شد")
        await post("sessions/1413-IR-00/close", summary="جمع‌بندی وزیر")
        await post(
            "sessions/1414-IR-02/reschedule",
            starts_at="2036-01-01T09:00:00+03:30",
            ends_at="2036-01-01T13:00:00+03:30",
        )
        await producer.send(topics.resolutions("civil"), b"\xff", key="x")
        foreign = approval("foreign", "2035-01-01")
        head = binary("ResolutionApproved", "foreign")
        await producer.send(topics.resolutions("civil"), foreign, key="foreign", headers=head)
        before = await stored()

        await all_published(cluster, database)
        told = ids_by_version(await records(cluster, *published_to(topics)))
        assert told.keys() == places(*before)
        await restore(cluster, copy, service)
        assert await stored() == before, "taken in before anything else"

        # The season itself is told by no event; its sessions are there, so it is not made again.
        assert (await service.http.get("/v1/seasons/1414")).status_code == 404
        assert len(await service.items("/v1/sessions", season="1414")) == 31
        refused = await post("seasons", 409, season="1414", starts_on="2035-08-13")
        assert refused["type"] == "urn:peygir:problem:session-exists"

        # And it goes on where it stood.
        assert await record("1414-IR-00", "civil") == ["1414-IR-00-R016"]
        await post(f"resolutions/{late[0]}/amend", due_on="2037-01-01")
        await post("sessions/1414-IR-00/close")
        await all_published(cluster, database)
        after = ids_by_version(await records(cluster, *published_to(topics)))
        assert after.keys() == places(*await stored())
        assert {place: after[place] for place in told} == told
        assert all(len(ids) == 1 for ids in after.values()), "one event a version"
        assert len(after) == len(told) + 3


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_restored_reports_are_known_again_but_not_what_they_said(
    cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    own = f"{namespace}r"
    topics = create_topics(cluster, own)
    service, database = Service("reports", cluster, own, test_folder), f"{own}reports"
    own_topics = [topics.reports, topics.reports_restricted, topics.circulars]

    async def post(path: str, who: dict[str, str] = KHORASAN, **body: Any) -> dict[str, Any]:
        answer = await service.http.post(f"/v1/{path}", json=body, headers=who)
        assert answer.status_code in {200, 201}, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def submit(session_id: str, **changes: Any) -> dict[str, Any]:
        return await post("reports", **{**REPORT, "session_id": session_id, **changes})

    async def stored(*but: str) -> dict[str, list[dict[str, Any]]]:
        """All but what is another when its session was heard of anew, and what is named."""
        return {
            name: [
                {field: value for field, value in item.items() if field not in {"changed_at", *but}}
                for item in await service.items(f"/v1/{name}")
            ]
            for name in ("expectations", "reports", "circulars")
        }

    async with service, Producer(cluster) as producer:

        async def schedule(session_id: str, **changes: Any) -> None:
            data = {**SESSION, "session_id": session_id, **changes}
            type_, key = "SessionScheduled", session_id
            await producer.event(topics.sessions, type_, data, key=key, id_=session_id)

        async def states(**wanted: str) -> None:
            async def reached() -> bool:
                items = await service.items("/v1/expectations")
                return wanted.items() <= {i["session_id"]: i["state"] for i in items}.items()

            await eventually(reached)

        for id_ in ("kept", "revised"):
            await schedule(id_)
        await states(kept="awaited", revised="awaited")
        for id_ in ("kept", "revised"):
            await submit(id_)
        await all_published(cluster, database)
        copy = await back_up(cluster, test_folder / "copy-of-reports")
        await service.ready()

        # What comes after it: by Kafka, by HTTP and by the clock.
        await schedule("new")
        await schedule("missing", report_due_at="2025-01-01T00:00:00Z")
        await states(new="awaited", missing="overdue")
        initiatives = [{"title": "قرارگاه جهادی محله‌ها"}]
        await submit("revised", initiatives=initiatives)
        new = await submit("new", initiatives=initiatives)
        await post(f"reports/{new['report_id']}/distribute", COORDINATION)
        await post("circulars", COORDINATION, circular_id="c-1", catalogue_version=1)
        await all_published(cluster, database)
        before = await stored("submitted_by", "issued_by", "texts_lost")
        told = ids_by_version(await records(cluster, *own_topics))
        await restore(cluster, copy, service)

        async def equal() -> bool:
            return await stored("submitted_by", "issued_by", "texts_lost") == before

        await eventually(equal, 30, "the same reports as before")
        lost = {r["session_id"]: r for r in await service.items("/v1/reports")}
        assert [id_ for id_, r in lost.items() if r["texts_lost"]] == ["new", "revised"]
        assert lost["kept"]["submitted_by"] == "g.rezaei"
        assert lost["new"]["submitted_by"] is None
        path = f"/v1/reports/{lost['revised']['report_id']}"
        shown = (await service.http.get(path, headers=COORDINATION)).json()
        assert (shown["revision"], shown["content"], shown["initiatives"]) == (2, None, 1)
        refused = await service.http.post(f"{path}/distribute", headers=COORDINATION)
        assert (refused.status_code, "lost" in refused.text) == (409, True)

        # The province sends it again, and nothing was told under two ids.
        again = await submit("revised")
        assert (again["revision"], again["texts_lost"]) == (3, False)
        assert again["content"]["answers"] == REPORT["answers"]
        await all_published(cluster, database)
        after = ids_by_version(await records(cluster, *own_topics))
        assert {place: after[place] for place in told} == told
        assert all(len(ids) == 1 for ids in after.values()), "one event a version"
        assert after.keys() - told.keys() == {("revised", 3), ("revised/restricted", 3)}


def published_to(topics: Topics) -> list[str]:
    """The topics that the scheduler publishes to."""
    return [topics.sessions, *map(topics.resolutions, topics.deputies)]


def places(
    sessions: Sequence[Mapping[str, Any]], resolutions: Sequence[Mapping[str, Any]]
) -> set[Place]:
    """Every version of everything that is stored."""
    ids = [(item["session_id"], item["version"]) for item in sessions]
    ids += [(item["resolution_id"], item["version"]) for item in resolutions]
    return {(id_, number) for id_, version in ids for number in range(1, version + 1)}


@asynccontextmanager
async def a_client(cluster: Cluster) -> AsyncIterator[mongo.Client]:
    client = mongo.connect(cluster.mongodb_uri, app="tests")
    try:
        yield client
    finally:
        client.close()


async def all_published(cluster: Cluster, database: str) -> None:
    """Wait until nothing is left in an outbox."""
    async with a_client(cluster) as client:

        async def published() -> bool:
            return await client[database]["commits"].find_one({"pending": True}) is None

        await eventually(published)


async def back_up(cluster: Cluster, copy: Path) -> Path:
    """Copy the files of a mongod that stands still, as the databases are now."""
    await asyncio.to_thread(cluster.stop, "mongod")
    await asyncio.to_thread(cluster.copy_data, "mongod", copy)
    await asyncio.to_thread(cluster.start, "mongod")
    return copy


async def restore(cluster: Cluster, copy: Path, service: Service) -> None:
    """Put the copy in the place of what is there now; start the service as its supervisor does."""
    await asyncio.to_thread(cluster.kill, "mongod")
    await asyncio.to_thread(cluster.restore_data, "mongod", copy)
    await asyncio.to_thread(cluster.start, "mongod")
    await eventually_ended(service)  # it notices by itself that history has changed
    assert "was restored" in service.log or "went back" in service.log
    await service.start()


async def eventually_ended(service: Service) -> None:
    """Wait until the process has ended by itself."""

    async def ended() -> bool:
        return not service.process.is_running

    await eventually(ended, 30, "the process ending")
