"""A small world on running services: what is one's own, and the same of somebody else."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from deploy.local.cluster import Cluster
from shared.contracts.services import SERVICES
from shared.runtime.access import Who
from shared.runtime.calendar import tehran_date
from shared.runtime.principals import Principal, Roles, Substitution
from tests.component.harness import Producer, Service, create_topics, eventually

OWN: Final = {"deputy": "civil", "province": "IR-09", "axis": "civil-infrastructure"}
OTHER: Final = {"deputy": "crisis", "province": "IR-10", "axis": "crisis"}

PEOPLE: Final[Mapping[Who, tuple[str, tuple[str, ...]]]] = {
    Who.COORDINATION: ("c.ahmadi", ("coordination",)),
    Who.MINISTER_OFFICE: ("m.karimi", ("minister-office",)),
    Who.DEPUTY: ("d.karimi", ("deputy:civil",)),
    Who.PROVINCE: ("g.razavi", ("province:IR-09",)),
    Who.ADVISER: ("v.amini", ("adviser:civil-infrastructure",)),
    Who.OFFICER: ("a.nouri", ()),
    Who.SUBSTITUTE: ("s.moradi", ()),
    Who.AUDITOR: ("b.sharifi", ("auditor",)),
    Who.OPERATOR: ("o.rezaei", ("operator",)),
    Who.SYSTEM: ("archive", ("system",)),
    Who.INTEGRATOR: ("letters", ("integrator:example",)),
}
"""One person of each kind: name and roles."""

RESTRICTED: Final = {"own": "محرمانه؛ گذرگاه دوغارون", "other": "محرمانه؛ پاسگاه میرجاوه"}
"""What each province reports on the axis of security."""

SERVED: Final = frozenset({"civil"})
"""The deputies whose resolutions the integrator approves."""

_INTEGRATORS: Final = """
[[integrators]]
name = "example"
sources = ["/letters"]
deputies = ["civil"]
"""


def principal(who: Who) -> Principal:
    """That person, as the services see them."""
    user, roles = PEOPLE[who]
    found = Principal.with_roles(user, roles, Roles.of(integrators={"example": SERVED}))
    absent = {OWN["deputy"]: Substitution("any", date.max)} if who is Who.SUBSTITUTE else {}
    return found.with_absences(absent)


Headers = Callable[[Who], Mapping[str, str]]
"""How that person proves who they are."""


@dataclass
class World:
    """The running services, and what is in them."""

    services: Mapping[str, Service]
    headers: Headers
    ids: dict[str, dict[str, str]] = field(default_factory=lambda: {"own": {}, "other": {}})
    followups: dict[Who, dict[str, str]] = field(default_factory=dict)
    """For each person a follow-up of their own and another, so that nobody disturbs another."""

    async def ask(
        self, service: str, who: Who, method: str, path: str, body: Any = None, **parameters: Any
    ) -> Any:
        """The answer to a request by that person."""
        sent = self.headers(who)
        http = self.services[service].http
        return await http.request(method, path, json=body, headers=sent, params=parameters)

    async def do(
        self, service: str, who: Who, path: str, body: Any, status: int = 201
    ) -> dict[str, Any]:
        answer = await self.ask(service, who, "POST", path, body)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def running(
    cluster: Cluster, folder: Path, provider: Mapping[str, str], headers: Headers
) -> AsyncIterator[World]:
    """Every service on stores of its own names, filled; `provider`: the settings of identity."""
    namespace = f"p{uuid.uuid4().hex[:10]}"
    topics = await asyncio.to_thread(create_topics, cluster, namespace)
    integrators = folder / f"{namespace}.toml"
    integrators.write_text(_INTEGRATORS, encoding="utf-8")
    settings = {
        **provider,
        "PEYGIR_DEPUTIES": "civil,crisis",
        "PEYGIR_SMTP_PORT": "1",
        "PEYGIR_INTEGRATORS_FILE": str(integrators),
    }
    async with AsyncExitStack() as stack:
        services: dict[str, Service] = {}
        for name in SERVICES:
            service = Service(name, cluster, namespace, folder, **settings)
            services[name] = await stack.enter_async_context(service)
        producer = await stack.enter_async_context(Producer(cluster))
        world = World(services, headers)
        await fill(world, producer, topics.resolutions)
        yield world


async def fill(world: World, producer: Producer, topic: Callable[[str], str]) -> None:
    """Sessions with resolutions, reports with restricted axes, notices, and their follow-ups."""
    for side, of in (("own", OWN), ("other", OTHER)):
        await _gatherings(world, side, of)
        await _absence(world, side, of["deputy"])
    await _reports(world)
    for who in Who:
        world.followups[who] = {}
        for side, of in (("own", OWN), ("other", OTHER)):
            world.followups[who][side] = await _followup(world, producer, topic, who, side, of)
    for who in Who:
        officer = {"officer": PEOPLE[Who.OFFICER][0]}
        if who is Who.OFFICER:
            path = f"/v1/followups/{world.followups[who]['own']}/assign"
            await world.do("followups", Who.DEPUTY, path, officer, 200)
    await _notices(world)


async def _gatherings(world: World, side: str, of: Mapping[str, str]) -> None:
    starts_at = datetime.now(UTC) + timedelta(days=30)
    common = {
        "provinces": [of["province"]],
        "title": f"نشست {of['province']}",
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=4)).isoformat(),
        "mode": "in-person",
    }
    planned = {**common, "kind": "provincial", "session_id": f"S-{side}"}
    await world.do("scheduler", Who.COORDINATION, "/v1/sessions", planned)
    visit = {**common, "kind": "visit", "session_id": f"V-{side}"}
    await world.do("scheduler", Who.COORDINATION, "/v1/sessions", visit)
    await world.do("scheduler", Who.COORDINATION, f"/v1/sessions/V-{side}/open", None, 200)
    resolution = {**of, "resolution_id": f"V-{side}-R1", "title": "پل", "due_on": "2035-01-01"}
    path = f"/v1/sessions/V-{side}/resolutions"
    await world.do("scheduler", Who.COORDINATION, path, {"resolutions": [resolution]})
    world.ids[side] |= {"session_id": f"S-{side}", "resolution_id": f"V-{side}-R1"}


async def _absence(world: World, side: str, deputy: str) -> None:
    today = tehran_date(datetime.now(UTC))
    absence = {
        "substitute": PEOPLE[Who.SUBSTITUTE][0] if side == "own" else "b.nouri",
        "first_on": today.isoformat(),
        "last_on": (today + timedelta(days=30)).isoformat(),
        "reason": "سفر",
    }
    path = f"/v1/deputies/{deputy}/absences"
    declared = await world.do("followups", Who.MINISTER_OFFICE, path, absence)
    world.ids[side]["absence_id"] = declared["absence_id"]


async def _reports(world: World) -> None:
    for side, of in (("own", OWN), ("other", OTHER)):
        session_id = world.ids[side]["session_id"]

        async def expected(session_id: str = session_id) -> bool:
            path = f"/v1/expectations/{session_id}"
            answer = await world.ask("reports", Who.COORDINATION, "GET", path)
            return bool(answer.status_code == 200)

        await eventually(expected, 30, "the report being expected")
        sent = {
            "session_id": session_id,
            "province": of["province"],
            "catalogue_version": 1,
            "answers": {"security": {"borders": RESTRICTED[side]}},
        }
        report = await world.do("reports", Who.COORDINATION, "/v1/reports", sent)
        world.ids[side]["report_id"] = report["report_id"]


async def _followup(
    world: World,
    producer: Producer,
    topic: Callable[[str], str],
    who: Who,
    side: str,
    of: Mapping[str, str],
) -> str:
    resolution_id = f"F-{who.value}-{side}"
    approved = {
        **of,
        "resolution_id": resolution_id,
        "title": "پل",
        "due_on": "2035-01-01",
        "approved_at": datetime.now(UTC).isoformat(),
    }
    deputy = of["deputy"]
    await producer.event(
        topic(deputy), "ResolutionApproved", approved, key=resolution_id, id_=resolution_id
    )

    async def opened() -> str:
        answer = await world.ask(
            "followups", Who.COORDINATION, "GET", "/v1/followups", resolution_id=resolution_id
        )
        items = answer.json()["items"]
        return items[0]["followup_id"] if items else ""

    return await eventually(opened, 30, "the follow-up")


async def _notices(world: World) -> None:
    async def written() -> bool:
        answer = await world.ask("notify", Who.COORDINATION, "GET", "/v1/notices", limit=500)
        for notice in answer.json()["items"]:
            for side, of in (("own", OWN), ("other", OTHER)):
                if notice["recipient_role"] == f"province:{of['province']}":
                    world.ids[side].setdefault("notice_id", notice["notice_id"])
        return all("notice_id" in ids for ids in world.ids.values())

    await eventually(written, 30, "notices to both provinces")
