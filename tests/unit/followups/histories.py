"""The history of a follow-up, read from its events and checked against the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from services.followups import events
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import (
    CameDueSoon,
    Fact,
    FellOverdue,
    Opened,
    WentUnacknowledged,
)
from services.followups.domain.records import Followup
from services.followups.domain.transitions import RULES, Actor, Transition
from services.followups.domain.work import ItemAdded, ItemDone, ItemDropped, Linked, PartReported
from shared.contracts.envelope import CloudEvent, read, write
from shared.contracts.events import FollowupEvent, parse
from shared.messaging.core.model import Entry, Event
from shared.runtime.calendar import start_of_day
from tests.unit.followups.examples import SOCIAL
from tests.unit.followups.life_commands import DATES
from tests.unit.followups.transitions import transition_of


def lived(history: Sequence[Entry]) -> Followup | None:
    """Return the follow-up as a reader of its events sees it; each fact has to be allowed."""
    current: Followup | None = None
    announced: Counter[object] = Counter()
    for entry in history:
        fact = events.from_event(_as_read(entry.event), current)
        assert fact is not None
        if current is None:
            assert isinstance(fact, Opened)
            current = opened(fact)
            continue
        _require_allowed(current, entry, fact)
        _require_consistent(current, entry, fact)
        match fact:
            case FellOverdue():
                announced["level", fact.due_on, fact.level] += 1
            case CameDueSoon():
                announced["soon", fact.due_on] += 1
            case WentUnacknowledged():
                announced["unacknowledged"] += 1
            case _:
                pass
        current = evolve(current, fact)
        assert current.original_due_on <= max(DATES)
    repeated = [what for what, times in announced.items() if times > 1]
    assert not repeated, "each is announced once"
    return current


def _as_read(event: Event) -> FollowupEvent:
    sent = CloudEvent(event.id, "urn:peygir:followups", event.type, event.data)
    data = parse(read(*write(sent)), recorded=True)
    assert isinstance(data, FollowupEvent)
    return data


def _require_allowed(current: Followup, entry: Entry, fact: Fact) -> None:
    rule = RULES[transition_of(fact)]
    assert current.state in rule.sources
    if rule.by in {Actor.DECIDER, Actor.VERIFIER}:
        is_delegate = current.work.delegated_to(entry.by, fact.at) is not None
        acts_for_the_deputy = is_delegate or entry.by == current.work.officer
        assert not acts_for_the_deputy, "whoever acts for the deputy decides nothing"
        claimants = {current.claimed_by, current.claimed_for}
        assert rule.by is Actor.DECIDER or entry.by not in claimants


def _require_consistent(current: Followup, entry: Entry, fact: Fact) -> None:
    if isinstance(fact, FellOverdue):
        assert fact.level == current.level + 1, "levels come in order"
        assert current.request is None, "escalation pauses while an extension is requested"
    if transition_of(fact) is Transition.LAPSE:
        assert current.request is not None
        assert fact.at >= current.request.lapses_at
    if isinstance(fact, Linked):
        assert fact.predecessor != current.resolution_id
    if isinstance(fact, PartReported):
        assert fact.body in current.resolution.bodies
        assert entry.by != SOCIAL.id or fact.body == "social"
    if isinstance(fact, ItemAdded):
        assert fact.item == len(current.work.items) + 1
        assert fact.due_on <= current.resolution.due_on
    if isinstance(fact, ItemDone | ItemDropped):
        assert current.work.items[fact.item - 1].state == "open", "an item ends once"
    if isinstance(fact, WentUnacknowledged):
        assert fact.acknowledge_by == current.acknowledge_by
        assert fact.at >= start_of_day(fact.acknowledge_by + timedelta(days=1))
