"""Changes of follow-ups for the tests of stores, and a MongoDB store to save them in."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from services.followups import events
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import Fact
from services.followups.domain.records import Followup
from services.followups.domain.scores import By
from services.followups.handlers import Change
from services.followups.store import MongoFollowupRepository
from shared.messaging.core.model import CommitContext
from shared.messaging.ledger.ledger import Ledger
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.mongo import Database
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import TOPIC, fact_of_opening

AnyFollowups: TypeAlias = MemoryFollowups | MongoFollowupRepository

CAUSE = CommitContext("request", "d.karimi", roles=("deputy:civil",))
DAY = timedelta(days=1)


async def prepared(database: Database) -> MongoFollowupRepository:
    real = MongoFollowupRepository(Ledger(database, clock=SystemMachineClock()), "civil")
    await real.prepare()
    await real.prepare()  # every process does this
    return real


def new(
    resolution_id: str,
    *inbox: str,
    alert: datetime | None = None,
    acknowledge_by: date | None = None,
    **changes: Any,
) -> Change:
    """Return the change that adds a new follow-up, with its event."""
    opening = fact_of_opening(resolution_id=resolution_id, **changes)
    fact = replace(opening, acknowledge_by=acknowledge_by)
    followup = opened(fact)
    return Change(None, followup, [events.to_event(followup, fact, TOPIC, None)], alert, inbox)


def step(
    before: Followup, *facts: Fact, inbox: tuple[str, ...] = (), alert: datetime | None = None
) -> Change:
    """Return the change that applies these facts, with their events."""
    versions, made = [before], []
    for fact in facts:
        versions.append(evolve(versions[-1], fact))
        made.append(
            events.to_event(
                versions[-1], fact, TOPIC, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
            )
        )
    return Change(before, versions[-1], made, alert, inbox, versions[1:-1])


async def counted(
    store: AnyFollowups, by: By, as_of: date | None = None
) -> dict[str, dict[str, int]]:
    """Return the counts above zero, by subject and name."""
    found = {
        subject: {name: n for name, n in counts.items() if n}
        for subject, counts in (await store.counts(by, as_of)).items()
    }
    return {subject: counts for subject, counts in found.items() if counts}


async def counted_states(store: AnyFollowups) -> dict[str, int]:
    """Return the counts of all states and levels."""
    counts = (await counted(store, By.DEPUTY))[""]
    return {n: count for n, count in counts.items() if n.startswith(("state:", "overdue:"))}
