"""One life with all that people do about the work, by two replicas of the real service.

Time is simulated, so that days pass; the service is killed and started anew on the way.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from deploy.local.cluster import Cluster
from services.followups import events
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import Opened
from services.followups.domain.records import Followup
from shared.contracts.envelope import read
from shared.contracts.events import FollowupEvent, parse
from shared.contracts.topics import Topics
from shared.runtime import mongo
from shared.runtime.calendar import start_of_day
from shared.runtime.simulation import SimulatedDomainClock
from tests.component.harness import Producer, Service, create_topics, eventually, records

CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
AIDE = {"X-Peygir-User": "a.nouri", "X-Peygir-Roles": "coordination"}
COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
SOCIAL = {"X-Peygir-User": "d.sadeghi", "X-Peygir-Roles": "deputy:social"}
KHORASAN = {"X-Peygir-User": "g.razavi", "X-Peygir-Roles": "province:IR-09"}

MONDAY = datetime(2023, 10, 16, 6, 0, tzinfo=UTC)
"""Three working days later is Thursday 19; on Friday 20 nobody works."""

LAND: dict[str, Any] = {
    "title": "تملک زمین",
    "owner": "استانداری خراسان رضوی",
    "due_on": "2023-11-01",
}


def approval(resolution_id: str) -> dict[str, Any]:
    return {
        "resolution_id": resolution_id,
        "deputy": "civil",
        "title": "تکمیل پل روستای سرآسیاب",
        "approved_at": "2023-10-16T09:00:00+03:30",
        "due_on": "2024-01-01",
        "province": "IR-09",
        "supporting": ["شهرداری مشهد", "social"],
    }


async def test_one_life_with_all_that_people_do(
    cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    topics = create_topics(cluster, namespace)
    client = mongo.connect(cluster.mongodb_uri, app="test")
    clock = SimulatedDomainClock(client, namespace)
    await clock.set(MONDAY)
    settings = {"PEYGIR_DEPUTIES": "civil", "PEYGIR_CLOCK": "simulated"}
    first = Service("followups", cluster, namespace, test_folder, **settings)
    second = Service("followups", cluster, namespace, test_folder, **settings)
    async with first, second, Producer(cluster) as producer:
        for id_ in ("life", "silent"):
            topic = topics.resolutions("civil")
            await producer.event(topic, "ResolutionApproved", approval(id_), key=id_, id_=id_)
        items = {id_: await followup_of(second, id_) for id_ in ("life", "silent")}
        assert {item["acknowledge_by"] for item in items.values()} == {"2023-10-19"}
        followup_id = items["life"]["followup_id"]

        async def step(name: str, who: dict[str, str], status: int = 200, **body: Any) -> Any:
            path = f"/v1/followups/{followup_id}/{name}"
            answer = await second.http.post(path, json=body, headers=who)
            assert answer.status_code == status, answer.text
            return answer.json()

        await step("delegate", CIVIL, to="a.nouri", until="2023-10-20")
        await step("acknowledge", AIDE)
        await step("assign", AIDE, officer="s.moradi")
        await step("items", CIVIL, **LAND)
        await step("items", AIDE, **{**LAND, "title": "آسفالت"})
        await step("items/1/done", CIVIL, note="تحویل شد")
        await step("items/2/drop", CIVIL, reason="لازم نیست")
        await step("items/3/done", CIVIL, 404)
        await step("parts", SOCIAL, body="social", progress=20)
        await step("parts", SOCIAL, 403, body="شهرداری مشهد", progress=20)
        await step("parts", CIVIL, body="شهرداري مشهد", progress=60)
        await step("comments", KHORASAN, text="پل هنوز بسته است")
        await step("comments", SOCIAL, 403, text="نه")
        await step("link", COORDINATION, predecessor="1401-R7", predecessor_deputy="social")
        await step("link", AIDE, 403, predecessor="1401-R8")
        await step("complete", AIDE)
        await step("verify", AIDE, 403)

        first.kill()
        await clock.set(start_of_day(date(2023, 10, 20)))
        assert (await told(cluster, topics, "silent", 2)) == [
            *("FollowupOpened", "FollowupUnacknowledged"),
        ]
        assert (await followup_of(second, "silent"))["unacknowledged"]
        await first.start()
        await clock.set(start_of_day(date(2023, 10, 25)))

        assert (await step("verify", AIDE, 403))["type"].endswith("not-allowed"), "he claimed it"
        await step("verify", COORDINATION)
        await step("comments", COORDINATION, text="با تشکر")
        item = await followup_of(second, "life")
        assert (item["state"], item["officer"], item["delegation"]) == (
            *("verified", "s.moradi", None),
        )
        assert await second.items("/v1/followups", predecessor="1401-R7") == [item]
        assert [part["progress"] for part in item["parts"]] == [20, 60]
        comments = (await second.http.get(f"/v1/followups/{followup_id}/comments")).json()
        assert [comment["by"] for comment in comments] == ["g.razavi", "c.ahmadi"]
        names = Counter(await told(cluster, topics, "life", item["version"]))
        assert names["FollowupUnacknowledged"] == 0
        lived = await from_topic(cluster, topics, "life")
        assert (lived.version, lived.state, lived.work.officer) == (
            *(item["version"], "verified", "s.moradi"),
        )
        assert [item.state for item in lived.work.items] == ["done", "dropped"]
        assert await told(cluster, topics, "silent", 2) == [
            *("FollowupOpened", "FollowupUnacknowledged"),
        ]
    client.close()


async def followup_of(service: Service, resolution_id: str) -> dict[str, Any]:
    async def found() -> list[dict[str, Any]]:
        return await service.items("/v1/followups", resolution_id=resolution_id)

    (item,) = await eventually(found, 20, f"the follow-up of {resolution_id}")
    return item


async def told(cluster: Cluster, topics: Topics, resolution_id: str, at_least: int) -> list[str]:
    """The names of a follow-up's events, once so many are told; their versions have no gap.

    What was sent again, because its sender was killed before it had noted it, is left out.
    """

    async def there() -> list[Any]:
        mine: dict[bytes, Any] = {}
        for record in await records(cluster, topics.followups("civil")):
            if record.key == resolution_id.encode():
                mine.setdefault(dict(record.headers)["ce_id"], record)
        return list(mine.values()) if len(mine) >= at_least else []

    found = await eventually(there, 20, f"{at_least} events of {resolution_id}")
    heads = [dict(record.headers) for record in found]
    versions = [int(head["ce_sequence"]) for head in heads]
    assert versions == list(range(1, len(found) + 1))
    assert {json.loads(record.value)["deputy"] for record in found} == {"civil"}
    return [head["ce_type"].decode().split(".")[1] for head in heads]


async def from_topic(cluster: Cluster, topics: Topics, resolution_id: str) -> Followup:
    """The follow-up as its events tell it."""
    current: Followup | None = None
    for record in await records(cluster, topics.followups("civil")):
        event = read(record.headers, record.value)
        data = parse(event)
        assert isinstance(data, FollowupEvent)
        is_next = event.sequence == (current.version if current else 0) + 1  # else sent again
        if data.resolution_id == resolution_id and is_next:
            fact = events.from_event(data, current)
            assert fact is not None
            if current is None:
                assert isinstance(fact, Opened)
                current = opened(fact)
            else:
                current = evolve(current, fact)
    assert current is not None
    return current
