"""Scorecards of the real process, on simulated days, against a recount from the topics alone."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.runtime import mongo
from shared.runtime.simulation import SimulatedDomainClock
from tests.component.harness import Producer, Service, create_topics, eventually, records

DEPUTIES = ("civil", "crisis")
COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
FIRST = datetime(2024, 1, 6, 8, tzinfo=UTC)  # a Saturday
DAY = timedelta(days=1)
TEHRAN = ZoneInfo("Asia/Tehran")


def deputy_of(deputy: str) -> dict[str, str]:
    return {"X-Peygir-User": f"d.{deputy}", "X-Peygir-Roles": f"deputy:{deputy}"}


def approval(deputy: str, number: int) -> dict[str, Any]:
    """An approval of some days before, due soon, of one subject or another of every kind."""
    optional = {
        "province": [None, "IR-09", "IR-07"][number % 3],
        "axis": ["crisis", "economic", None][number % 3],
        "session_kind": ["provincial", "visit"][number % 2],
    }
    return {
        "resolution_id": f"{deputy}-{number}",
        "deputy": deputy,
        "title": f"مرمت راه روستایی {number}",
        "approved_at": (FIRST - number * 20 * DAY).isoformat(),
        "due_on": f"2024-01-{10 + number:02}",
        **{name: value for name, value in optional.items() if value is not None},
    }


# -- a recount without any of the service's code ------------------------------------------------

STATES = {
    "FollowupOpened": "opened",
    "FollowupAcknowledged": "acknowledged",
    "FollowupProgressed": "in-progress",
    "FollowupCompleted": "done",
    "FollowupVerified": "verified",
    "FollowupReopened": "reopened",
    "FollowupClosed": "closed",
}


def tehran(instant: str) -> date:
    return datetime.fromisoformat(instant).astimezone(TEHRAN).date()


def stood(events: Iterable[tuple[str, dict[str, Any]]], until: date) -> list[dict[str, Any]]:
    """Each follow-up as its events tell it at the end of a day."""
    found: dict[str, dict[str, Any]] = {}
    for type_, data in events:
        if tehran(data["at"]) > until:
            continue
        if type_ == "FollowupOpened":
            found[data["followup_id"]] = {**data, "level": 0, "extensions": 0, "claimed_on": None}
        one = found[data["followup_id"]]
        one["state"] = STATES.get(type_, one.get("state"))
        if type_ == "FollowupOverdue":
            one["level"] = data["level"]
        elif type_ == "FollowupExtended":
            one["extensions"] += 1
            one["level"] = 0
        elif type_ == "FollowupCompleted":
            one["claimed_on"] = tehran(data["at"])
    return list(found.values())


def card(followups: list[dict[str, Any]], on: date) -> dict[str, Any]:
    open_ = [f for f in followups if f["state"] not in {"verified", "closed"}]
    verified = [f for f in followups if f["state"] == "verified"]
    on_time = [f for f in verified if f["claimed_on"] <= date.fromisoformat(f["original_due_on"])]
    ages = [(on - tehran(f["approved_at"])).days for f in open_]
    levels = {f"level_{n}": sum(f["level"] == n for f in open_) for n in (1, 2, 3)}
    return {
        "total": len(followups),
        "open": len(open_),
        "in_time": sum(f["level"] == 0 for f in open_),
        "overdue": sum(levels.values()),
        "overdue_by_level": levels,
        "ended": len(followups) - len(open_),
        "verified": len(verified),
        "verified_share": round(len(verified) / len(followups), 4) if followups else None,
        "on_time": len(on_time),
        "on_time_share": round(len(on_time) / len(verified), 4) if verified else None,
        "median_age_days": float(statistics.median(ages)) if ages else None,
        "extensions": sum(f["extensions"] for f in followups),
    }


KINDS: dict[str, Callable[[dict[str, Any]], str | None]] = {
    "deputy": lambda f: f["deputy"],
    "province": lambda f: f.get("province"),
    "axis": lambda f: f.get("axis"),
    "gathering": lambda f: f.get("session_kind"),
    "season": lambda _: "1402",  # all were approved between March 2023 and March 2024
}


# -- the days -----------------------------------------------------------------------------------


@asynccontextmanager
async def clock_of(cluster: Cluster, namespace: str) -> AsyncIterator[SimulatedDomainClock]:
    client = mongo.connect(cluster.mongodb_uri, app="test")
    yield SimulatedDomainClock(client, namespace)
    client.close()


class Days:
    """What happens on some days in January, to five follow-ups of each deputy."""

    def __init__(self, cluster: Cluster, service: Service, topics: Topics) -> None:
        self.cluster = cluster
        self.service = service
        self.topics = topics
        self.ids: dict[str, str] = {}

    async def begin(self) -> None:
        async with Producer(self.cluster) as producer:
            for deputy in DEPUTIES:
                for number in range(5):
                    data = approval(deputy, number)
                    id_ = data["resolution_id"]
                    topic = self.topics.resolutions(deputy)
                    await producer.event(topic, "ResolutionApproved", data, key=id_, id_=id_)

        async def opened() -> bool:
            items = await self.service.items("/v1/followups")
            self.ids = {item["resolution_id"]: item["followup_id"] for item in items}
            return len(self.ids) == 5 * len(DEPUTIES)

        await eventually(opened, 20, "all follow-ups")

    async def act(self, deputy: str, number: int, action: str, **body: Any) -> None:
        own = action in {"acknowledge", "complete", "request-extension"}
        who = deputy_of(deputy) if own else COORDINATION
        path = f"/v1/followups/{self.ids[f'{deputy}-{number}']}/{action}"
        answer = await self.service.http.post(path, json=body, headers=who)
        assert answer.status_code == 200, answer.text

    async def swept(self, levels: dict[str, int]) -> None:
        """Wait until these have reached these levels."""

        async def reached() -> bool:
            items = await self.service.items("/v1/followups")
            found = {i["resolution_id"]: i["level"] for i in items}
            return all(found[id_] == level for id_, level in levels.items())

        await eventually(reached, 20, f"the levels {levels}")

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """All events of the topics, once they tell every follow-up's version."""
        items = await self.service.items("/v1/followups")
        stored = {item["followup_id"]: item["version"] for item in items}

        async def published() -> list[tuple[str, dict[str, Any]]]:
            found = await records(self.cluster, *map(self.topics.followups, DEPUTIES))
            seen: dict[bytes, tuple[str, dict[str, Any]]] = {}  # an event may be there twice
            versions: dict[str, int] = {}
            for record in found:
                head, data = dict(record.headers), json.loads(record.value or b"")
                type_ = head["ce_type"].decode().split(".")[1]
                seen.setdefault(head["ce_id"], (type_, data))
                versions[data["followup_id"]] = int(head["ce_sequence"])
            return list(seen.values()) if versions == stored else []

        return await eventually(published, 20, "topics that tell all versions")


@pytest.fixture
async def days(cluster: Cluster, namespace: str, test_folder: Path) -> AsyncIterator[Days]:
    topics = create_topics(cluster, namespace)
    settings = {"PEYGIR_CLOCK": "simulated", "PEYGIR_DEPUTIES": ",".join(DEPUTIES)}
    async with clock_of(cluster, namespace) as clock:
        await clock.set(FIRST)
        async with Service("followups", cluster, namespace, test_folder, **settings) as service:
            yield Days(cluster, service, topics)


async def live(days: Days, clock: SimulatedDomainClock) -> None:
    """Six days, with a death of the process between two of them."""
    await days.begin()
    for deputy in DEPUTIES:
        for number in range(5):
            await days.act(deputy, number, "acknowledge")
    await clock.set(FIRST + DAY)
    await days.act("civil", 0, "complete")
    await days.act("civil", 1, "complete")
    await days.act("crisis", 0, "request-extension", due_on="2024-02-01", reason="بارش سنگین")
    await days.act("crisis", 0, "extend")
    days.service.kill()
    await days.service.start()
    await clock.set(FIRST + 2 * DAY)
    await days.act("civil", 0, "verify")
    await days.act("civil", 1, "reopen", reason="مستندات ناقص است")
    await days.act("crisis", 4, "close", outcome="superseded", reason="ادغام شد")
    await clock.set(FIRST + 7 * DAY)  # 13 January: what was due on the 12th is late
    await days.swept({"civil-1": 1, "civil-2": 1, "crisis-1": 1, "crisis-2": 1})
    await days.act("crisis", 1, "complete")
    await clock.set(FIRST + 8 * DAY)
    await days.act("crisis", 1, "verify")
    await clock.set(FIRST + 13 * DAY)
    await days.swept({"civil-2": 2})


@pytest.mark.timeout(240)
async def test_cards_of_today_and_of_past_days_are_what_the_topics_tell(
    cluster: Cluster, namespace: str, days: Days
) -> None:
    async with clock_of(cluster, namespace) as clock:
        await live(days, clock)
    events = await days.told()
    today = (FIRST + 13 * DAY).date()
    past = [FIRST.date() + n * DAY for n in range(-1, 14)]
    for as_of in (None, *past):
        on = as_of or today
        standing = stood(events, on)
        for by, which in KINDS.items():
            parameters = {"by": by} if as_of is None else {"by": by, "as_of": str(as_of)}
            answer = await days.service.http.get("/v1/scorecards", params=parameters)
            assert answer.status_code == 200, answer.text
            found = answer.json()
            assert (found["as_of"], found["partial"]) == (str(on), [])
            assert found["total"] == card(standing, on)
            groups: defaultdict[str | None, list[dict[str, Any]]] = defaultdict(list)
            for followup in standing:
                groups[which(followup)].append(followup)
            for item in found["items"]:
                for name in ("title_fa", "title_en"):
                    assert item.pop(name)
                assert card(groups.pop(item.pop("id"), []), on) == item
            assert not groups
    await the_metrics_agree(days)


async def the_metrics_agree(days: Days) -> None:
    answer = await days.service.http.get("/v1/scorecards")
    expected: dict[tuple[str, str], float] = {}
    for item in answer.json()["items"]:
        assert item["median_age_days"] is not None
        expected[item["id"], "verified"] = item["verified"]
        expected[item["id"], "on_time"] = item["on_time"]
        expected[item["id"], "extensions"] = item["extensions"]
        expected[item["id"], "open_age_median_seconds"] = item["median_age_days"] * 86_400

    async def agree() -> bool:
        text = (await days.service.http.get("/metrics")).text
        shown = {
            (sample.labels["deputy"], sample.name.removeprefix("peygir_followups_")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name.startswith("peygir_followups_") and set(sample.labels) == {"deputy"}
        }
        return shown == expected

    await eventually(agree, 10, "metrics that say what the cards say")
