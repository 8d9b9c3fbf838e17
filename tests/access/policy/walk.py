"""Every route of every service, asked by one person of every kind, held to the policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from shared.runtime.access import POLICY, Action, Reach, Who, reach
from tests.access.policy.world import OTHER, OWN, World, principal

_LATER: Final = "2036-01-01"
BODIES: Final[dict[str, Any]] = {
    "/acknowledge": {},
    "/settle": {"reason": "تصمیم"},
    "/progress": {"progress": 10},
    "/block": {"blocked_by": "استانداری", "reason": "زمین"},
    "/unblock": {},
    "/request-extension": {"due_on": _LATER, "reason": "باران"},
    "/extend": {"due_on": _LATER},
    "/refuse-extension": {"reason": "نه"},
    "/complete": {},
    "/verify": {},
    "/reopen": {"reason": "نه"},
    "/close": {"outcome": "superseded", "reason": "ادغام"},
    "/assign": {"officer": "a.nouri"},
    "/unassign": {},
    "/delegate": {"to": "b.nouri", "until": "2031-01-01"},
    "/end-delegation": {},
    "/parts": {"body": "civil", "progress": 1},
    "/items": {"title": "زمین", "owner": "کسی", "due_on": "2034-01-01"},
    "/items/{item}/done": {},
    "/items/{item}/drop": {"reason": "نه"},
    "/link": {"predecessor": "F-none"},
    "/comments": {"text": "دیدم"},
    "/evidence-links": {"url": "https://example.org/a"},
    "/move": {"to": "social", "reason": "ادغام"},
    "/absences": {
        "substitute": "b.nouri",
        "first_on": "2034-01-01",
        "last_on": "2034-01-10",
        "reason": "سفر",
    },
    "/absences/{absence_id}/end": {},
}
"""Valid bodies, by the end of the path: whoever may not see an item gets 404 for a good request."""

LAST: Final = ("/unassign", "/close", "/withdraw", "/cancel")
"""What ends that somebody sees or may do something: asked after the rest."""

LAST_OF_ALL: Final = "/absences/{absence_id}/end"
"""What ends all that the substitute may do, also what is last for others."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a service's OpenAPI document."""

    service: str
    method: str
    path: str
    action: Action
    required: tuple[str, ...]  # query parameters

    @property
    def is_item(self) -> bool:
        """Whether it is about one session, resolution, report, notice, follow-up, or deputy."""
        if self.path.endswith("/absences"):
            return True
        return "_id}" in self.path and "circular" not in self.path and "replay" not in self.path

    @property
    def reads(self) -> bool:
        return self.method == "GET"


@dataclass(frozen=True, slots=True)
class Breach:
    """An answer that the policy does not allow."""

    who: Who
    operation: Operation
    side: str
    status: int
    wanted: str


async def operations(world: World) -> list[Operation]:
    """All operations of the running services, those that end something last."""
    found = [
        operation
        for service in world.services
        for operation in _of(
            service, (await world.services[service].http.get("/openapi.json")).json()
        )
    ]
    return sorted(found, key=lambda one: (one.path.endswith(LAST_OF_ALL), one.path.endswith(LAST)))


def _of(service: str, document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            needed = [p["name"] for p in described.get("parameters", ()) if p["in"] == "query"]
            required = {
                p["name"] for p in described.get("parameters", ()) if p.get("required", False)
            }
            yield Operation(
                service,
                method.upper(),
                path,
                Action(described["x-peygir-action"]),
                tuple(name for name in needed if name in required),
            )


async def walk(world: World) -> tuple[int, list[Breach]]:
    """Ask everything; return how many requests were held to the policy, and the breaches."""
    asked, breaches = 0, list[Breach]()
    for operation in await operations(world):
        for who in Who:
            for side in ("own", "other") if operation.is_item else ("own",):
                found = await _hold(world, operation, who, side)
                asked += 1
                breaches += [] if found is None else [found]
    return asked, breaches


async def _hold(world: World, operation: Operation, who: Who, side: str) -> Breach | None:
    answer = await world.ask(
        operation.service,
        who,
        operation.method,
        path_of(world, operation, who, side),
        body_of(operation),
        **dict.fromkeys(operation.required, "a"),
    )
    wanted = expected(operation, who, side)
    if not _fits(answer, operation, wanted, who):
        return Breach(who, operation, side, answer.status_code, f"{wanted}: {answer.text[:300]}")
    return None


def expected(operation: Operation, who: Who, side: str) -> str:
    """`refused` for the action, `hidden` as if it did not exist, or `allowed`."""
    by = principal(who)
    within = reach(by, operation.action)
    if not within:
        return "refused"
    if not operation.is_item:
        return "allowed"
    seen = _seen_by(operation, who, within)
    return "allowed" if seen.everything or _is_own(seen, who, side, operation) else "hidden"


def _seen_by(operation: Operation, who: Who, within: Reach) -> Reach:
    """On follow-ups, whoever may act at all is held to what they may read."""
    if operation.action.value.startswith("followups."):
        return reach(principal(who), Action.READ_FOLLOWUPS)
    return within


def _is_own(seen: Reach, who: Who, side: str, operation: Operation) -> bool:
    of = OWN if side == "own" else OTHER
    if operation.service == "notify":  # the notice went to the province
        return of["province"] in seen.provinces
    is_officer = who is Who.OFFICER and side == "own" and operation.service == "followups"
    return (
        of["deputy"] in seen.deputies
        or of["province"] in seen.provinces
        or of["axis"] in seen.axes
        or is_officer
    )


def _fits(answer: Any, operation: Operation, wanted: str, who: Who) -> bool:
    gate = answer.status_code == 403 and operation.action.value in answer.text
    if wanted == "refused":
        return bool(gate)
    if wanted == "hidden":
        return bool(answer.status_code == 404)
    if answer.status_code in {401, 500, 502} or gate:
        return False
    if operation.reads and answer.status_code not in _READ_ALLOWED:
        return False
    if operation.is_item and answer.status_code == 404:
        return operation.path.endswith(_SECONDARY)
    return True


_READ_ALLOWED: Final = (200, 404)
_SECONDARY: Final = ("/{evidence_id}", "/done", "/drop")
"""Routes about a part of an item, which need not exist."""


def path_of(world: World, operation: Operation, who: Who, side: str) -> str:
    ids = world.ids[side]
    session_id = ids["session_id"]
    if operation.service == "scheduler" and operation.path.endswith("/resolutions"):
        session_id = f"V-{side}"
    values = {
        "session_id": session_id,
        "resolution_id": ids["resolution_id"],
        "report_id": ids["report_id"],
        "notice_id": ids["notice_id"],
        "followup_id": world.followups[who][side],
        "evidence_id": "none",
        "circular_id": "none",
        "replay_id": "none",
        "season": "1499",
        "version": "1",
        "item": "1",
        "group": "none",
        "deputy": (OWN if side == "own" else OTHER)["deputy"],
        "absence_id": ids["absence_id"],
    }
    return operation.path.format(**values)


def body_of(operation: Operation) -> Any:
    if operation.reads:
        return None
    matching = [end for end in BODIES if operation.path.endswith(end)]
    return BODIES[max(matching, key=len)] if matching else {}


async def narrowed(world: World) -> list[str]:
    """Lists and scorecards that show what somebody may not see, or hide what they may."""
    faults = []
    lists = (
        ("scheduler", "/v1/sessions", Action.READ_SESSIONS, "session_id", ("S-own", "S-other")),
        ("scheduler", "/v1/resolutions", Action.READ_RESOLUTIONS, "resolution_id", None),
        ("reports", "/v1/reports", Action.READ_REPORTS, "session_id", ("S-own", "S-other")),
        ("reports", "/v1/expectations", Action.READ_EXPECTATIONS, "session_id", None),
        ("notify", "/v1/notices", Action.READ_NOTICES, "notice_id", None),
        ("followups", "/v1/followups", Action.READ_FOLLOWUPS, "followup_id", None),
    )
    for service, path, action, name, pair in lists:
        for who in Who:
            within = reach(principal(who), action)
            if not within:
                continue
            answer = await world.ask(service, who, "GET", path, limit=500)
            shown = {item[name] for item in answer.json()["items"]}
            own, other = pair or _pair(world, who, name)
            operation = Operation(service, "GET", path, action, ())
            for id_, side in ((own, "own"), (other, "other")):
                sees = within.everything or _is_own(within, who, side, operation)
                if (id_ in shown) is not sees:
                    faults.append(f"{who} {path}: {side} {'hidden' if sees else 'shown'}")
    return faults


def _pair(world: World, who: Who, name: str) -> tuple[str, str]:
    if name == "followup_id":
        return world.followups[who]["own"], world.followups[who]["other"]
    return world.ids["own"][name], world.ids["other"][name]


def kinds_without_any_right() -> set[Who]:
    """Those who may do nothing at all; a mistake in the policy."""
    named = {who for rule in POLICY.values() for who in rule.on_all | rule.on_own}
    return set(Who) - named
