"""A follow-up in each state, and one decision per step of the deputy and of coordination."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from services.followups.domain import decisions
from services.followups.domain.facts import ExtensionRequested, Fact
from services.followups.domain.records import Followup, State
from shared.runtime.principals import Principal
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    BLOCKED,
    CIVIL,
    CLOSED,
    COMPLETED,
    COORDINATION,
    DISPUTED,
    EXTENSIONS,
    LATER,
    PROGRESSED,
    REOPENED,
    VERIFIED,
    after,
    followup,
)

IN_STATE: dict[State, Followup] = {
    State.OPENED: followup(),
    State.ACKNOWLEDGED: after(ACKNOWLEDGED),
    State.DISPUTED: after(DISPUTED),
    State.IN_PROGRESS: after(ACKNOWLEDGED, PROGRESSED),
    State.BLOCKED: after(ACKNOWLEDGED, BLOCKED),
    State.DONE: after(ACKNOWLEDGED, COMPLETED),
    State.REOPENED: after(ACKNOWLEDGED, COMPLETED, REOPENED),
    State.VERIFIED: after(ACKNOWLEDGED, COMPLETED, VERIFIED),
    State.CLOSED: after(CLOSED),
}
DECIDE: dict[str, tuple[Principal, Callable[[Followup, Principal], Fact]]] = {
    "acknowledge": (CIVIL, lambda f, by: decisions.acknowledge(f, by, "agreed", None, LATER)),
    "dispute": (CIVIL, lambda f, by: decisions.acknowledge(f, by, "disputed", "نه ما", LATER)),
    "settle": (COORDINATION, lambda f, by: decisions.settle(f, by, "بجاست", LATER)),
    "progress": (CIVIL, lambda f, by: decisions.report_progress(f, by, 60, None, LATER)),
    "block": (CIVIL, lambda f, by: decisions.block(f, by, "استانداری", "اعتبار", LATER)),
    "unblock": (CIVIL, lambda f, by: decisions.unblock(f, by, None, LATER)),
    "request": (CIVIL, lambda f, by: request(f, by, date(2024, 2, 1))),
    "complete": (CIVIL, lambda f, by: decisions.complete(f, by, None, LATER)),
    "verify": (COORDINATION, lambda f, by: decisions.verify(f, by, "done", None, LATER)),
    "reopen": (COORDINATION, lambda f, by: decisions.reopen(f, by, "ناقص", LATER)),
    "close": (COORDINATION, lambda f, by: decisions.close(f, by, "superseded", "ادغام", LATER)),
}
WORK = {"progress", "block", "request", "complete", "close"}
ALLOWED = {
    State.OPENED: {"acknowledge", "dispute", "close"},
    State.ACKNOWLEDGED: WORK,
    State.DISPUTED: {"settle", "close"},
    State.IN_PROGRESS: WORK,
    State.BLOCKED: {"unblock", "request", "complete", "close"},
    State.DONE: {"verify", "reopen", "close"},
    State.REOPENED: WORK,
    State.VERIFIED: {"reopen"},
    State.CLOSED: set[str](),
}
DEPUTYS = ["acknowledge", "dispute", "progress", "block", "unblock", "request", "complete"]
COORDINATIONS = ["settle", "close"]


def request(current: Followup, by: Principal, due_on: date) -> ExtensionRequested:
    return decisions.request_extension(current, by, due_on, "بارش سنگین", EXTENSIONS, LATER)


def state_for(name: str) -> Followup:
    """Return a follow-up in a state that allows this step."""
    return next(IN_STATE[state] for state, names in ALLOWED.items() if name in names)
