"""An absence on real services: two replicas, a clock that passes its borders, a lost database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.runtime import mongo
from shared.runtime.calendar import start_of_day
from shared.runtime.simulation import SimulatedDomainClock
from tests.component.harness import Producer, Service, create_topics, eventually, records

CIVIL: Final = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
DEPUTY_AND_MORE: Final = {**CIVIL, "X-Peygir-Roles": "deputy:civil,coordination"}
COORDINATION: Final = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
MORADI: Final = {"X-Peygir-User": "s.moradi", "X-Peygir-Roles": ""}
PATH: Final = "/v1/deputies/civil/absences"
MONDAY: Final = datetime(2023, 10, 16, 6, 0, tzinfo=UTC)
FIRST, LAST = date(2023, 10, 18), date(2023, 10, 20)
INSTANT: Final = timedelta(milliseconds=1)
ABSENCE: Final = {
    "substitute": "s.moradi",
    "first_on": FIRST.isoformat(),
    "last_on": LAST.isoformat(),
    "reason": "سفر",
}
APPROVAL: Final = {
    "resolution_id": "bridge",
    "deputy": "civil",
    "title": "تکمیل پل روستای سرآسیاب",
    "approved_at": "2023-10-16T09:00:00+03:30",
    "due_on": "2024-01-01",
    "province": "IR-09",
}


async def test_a_substitute_acts_on_these_days_at_every_replica_and_after_a_restore(
    cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    topics = create_topics(cluster, namespace)
    client = mongo.connect(cluster.mongodb_uri, app="test")
    clock = SimulatedDomainClock(client, namespace)
    await clock.set(MONDAY)
    settings = {"PEYGIR_DEPUTIES": "civil,social", "PEYGIR_CLOCK": "simulated"}
    first = Service("followups", cluster, namespace, test_folder, **settings)
    second = Service("followups", cluster, namespace, test_folder, **settings)
    async with first, second, Producer(cluster) as producer:
        topic = topics.resolutions("civil")
        await producer.event(topic, "ResolutionApproved", APPROVAL, key="bridge", id_="bridge")
        path = f"/v1/followups/{await opened(first)}"
        declared = (await first.http.post(PATH, json=ABSENCE, headers=CIVIL)).json()
        overlapping = {**ABSENCE, "substitute": "b.nouri"}
        answer = await second.http.post(PATH, json=overlapping, headers=CIVIL)
        assert (answer.status_code, answer.json()["type"]) == (
            *(409, "urn:peygir:problem:absence-overlaps"),
        )

        for now, status in (
            (start_of_day(FIRST) - INSTANT, 404),
            (start_of_day(FIRST), 200),
            (start_of_day(LAST + timedelta(days=1)) - INSTANT, 200),
        ):
            await clock.set(now)
            for service in (first, second):
                await answers(service, path, MORADI, status)
        for step in ("acknowledge", "complete"):
            done = await second.http.post(f"{path}/{step}", json={}, headers=MORADI)
            assert done.status_code == 200, done.text
        end = f"{PATH}/{declared['absence_id']}/end"
        assert (await first.http.post(end, json={}, headers=CIVIL)).status_code == 200
        assert (await second.http.get(path, headers=MORADI)).status_code == 404, "at once"

        before = await listed(second)
        assert await told(cluster, topics, declared["absence_id"]) == [
            ("AbsenceDeclared", 1),
            ("AbsenceEnded", 2),
        ]
        for service in (first, second):
            service.kill()
            await service.died()
        await client.drop_database(f"{namespace}followups_civil")
        await first.start()
        assert await listed(first) == before
        refused = await first.http.post(f"{path}/verify", json={}, headers=DEPUTY_AND_MORE)
        assert refused.status_code == 403, "the claim was made for that deputy"
        verified = await first.http.post(f"{path}/verify", json={}, headers=COORDINATION)
        assert verified.status_code == 200, verified.text
    client.close()


async def opened(service: Service) -> str:
    async def found() -> list[dict[str, Any]]:
        return await service.items("/v1/followups", resolution_id="bridge")

    (item,) = await eventually(found, 20, "the follow-up")
    return str(item["followup_id"])


async def answers(service: Service, path: str, who: Mapping[str, str], status: int) -> None:
    """Wait until the service's clock has followed."""

    async def does() -> bool:
        return (await service.http.get(path, headers=who)).status_code == status

    await eventually(does, 20, f"{status}")


async def listed(service: Service) -> Any:
    return (await service.http.get(PATH, headers=CIVIL)).json()["items"]


async def told(cluster: Cluster, topics: Topics, absence_id: str) -> list[tuple[str, int]]:
    """Both events of an absence, by its key, once they are there; one sent again counts once."""

    async def there() -> list[tuple[str, int]]:
        found: dict[bytes, tuple[str, int]] = {}
        for record in await records(cluster, topics.followups("civil")):
            if record.key == absence_id.encode():
                head = dict(record.headers)
                name = head["ce_type"].decode().split(".")[1]
                found.setdefault(head["ce_id"], (name, int(head["ce_sequence"])))
                assert json.loads(record.value or b"")["deputy"] == "civil"
        return list(found.values()) if len(found) == 2 else []

    return await eventually(there, 20, "both events")
