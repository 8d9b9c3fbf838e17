"""The commands of the random lives in `test_life`, and the people who give them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from services.followups.domain import decisions, teamwork
from services.followups.domain.evidence import Link, add_link
from services.followups.domain.facts import Fact
from services.followups.domain.records import Followup
from services.followups.domain.transitions import Actor, Transition
from shared.runtime.calendar import tehran_date
from shared.runtime.principals import Principal
from tests.unit.followups.examples import (
    AIDE,
    CIVIL,
    COORDINATION,
    EXTENSIONS,
    KHORASAN,
    SOCIAL,
    principal,
)

BOTH = principal("d.karimi", "deputy:civil", "coordination")
PEOPLE = [CIVIL, COORDINATION, KHORASAN, SOCIAL, BOTH, AIDE]
DATES = [date(2023, 12, 20), date(2024, 1, 1), date(2024, 1, 20), date(2024, 2, 1)]
IDS = ["R-1", "R-2"]
Decide = Callable[[Followup, Principal, datetime], Fact]


def _link(followup: Followup, by: Principal, now: datetime) -> Fact:
    fact = add_link(followup, by, Link(f"https://edari.example/{followup.version}"), None, now)
    assert fact is not None, "each version has another link"
    return fact


COMMANDS: dict[str, Decide] = {
    "agree": lambda f, by, now: decisions.acknowledge(f, by, "agreed", None, now),
    "dispute": lambda f, by, now: decisions.acknowledge(f, by, "disputed", "نه ما", now),
    "settle": lambda f, by, now: decisions.settle(f, by, "بجاست", now),
    "progress": lambda f, by, now: decisions.report_progress(f, by, 40, None, now),
    "block": lambda f, by, now: decisions.block(f, by, "استانداری", "زمین", now),
    "unblock": lambda f, by, now: decisions.unblock(f, by, None, now),
    "request": lambda f, by, now: decisions.request_extension(
        f, by, f.resolution.due_on + timedelta(days=20), "باران", EXTENSIONS, now
    ),
    "extend": lambda f, by, now: decisions.extend(f, by, None, None, EXTENSIONS, now),
    "refuse": lambda f, by, now: decisions.refuse_extension(f, by, "نه", now),
    "complete": lambda f, by, now: decisions.complete(f, by, None, now),
    "verify": lambda f, by, now: decisions.verify(f, by, "done", None, now),
    "reopen": lambda f, by, now: decisions.reopen(f, by, "ناقص", now),
    "close": lambda f, by, now: decisions.close(f, by, "superseded", "ادغام", now),
    "assign": lambda f, by, now: teamwork.assign(f, by, somebody(now), None, now),
    "unassign": lambda f, by, now: teamwork.unassign(f, by, None, now),
    "delegate": lambda f, by, now: teamwork.delegate(
        f, by, somebody(now), tehran_date(now) + timedelta(days=9), None, now
    ),
    "comment": lambda f, by, now: teamwork.comment(f, by, "بازدید شد", now),
    "report part": lambda f, by, now: teamwork.report_part(
        f, by, ["social", "شهرداري مشهد"][now.day % 2], now.day, None, now
    ),
    "link": lambda f, by, now: teamwork.link(f, by, IDS[now.day % 2], None, now),
    "add item": lambda f, by, now: teamwork.add_item(
        f, by, "تملک زمین", "شهرداری", min(f.resolution.due_on, DATES[0]), now
    ),
    "finish item": lambda f, by, now: teamwork.finish_item(f, by, now.day % 2 + 1, None, now),
    "drop item": lambda f, by, now: teamwork.drop_item(f, by, now.day % 2 + 1, "نه", now),
    "end delegation": lambda f, by, now: teamwork.end_delegation(f, by, None, now),
    "evidence": _link,
}


def somebody(now: datetime) -> str:
    """Return whom the deputy names: possibly somebody who decides and confirms."""
    return ["a.nouri", "c.ahmadi", "g.razavi"][now.day % 3]


STEPS = {
    "agree": Transition.ACKNOWLEDGE,
    "dispute": Transition.DISPUTE,
    "settle": Transition.SETTLE,
    "progress": Transition.PROGRESS,
    "block": Transition.BLOCK,
    "unblock": Transition.UNBLOCK,
    "request": Transition.REQUEST_EXTENSION,
    "extend": Transition.EXTEND,
    "complete": Transition.COMPLETE,
    "verify": Transition.VERIFY,
    "reopen": Transition.REOPEN,
    "add item": Transition.ADD_ITEM,
    "finish item": Transition.FINISH_ITEM,
    "evidence": Transition.ADD_EVIDENCE,
}


MAY = {
    Actor.DEPUTY: [CIVIL, BOTH],
    Actor.OFFICER: [CIVIL, BOTH, AIDE],
    Actor.DECIDER: [COORDINATION, BOTH],
    Actor.VERIFIER: [COORDINATION, KHORASAN, BOTH],
    Actor.CONCERNED: [CIVIL, COORDINATION, KHORASAN, BOTH],
}
