"""The table of transitions, compared with the documents."""

from __future__ import annotations

from deploy.local.layout import PROJECT
from services.followups.domain.records import State
from services.followups.domain.transitions import RULES, Actor, Transition
from tools.lifecycle import diagram, table


def test_the_documents_show_the_rules_as_they_are() -> None:
    text = (PROJECT / "docs/followups.md").read_text(encoding="utf-8")
    assert diagram() in text, "paste the output of python -m tools.lifecycle"
    assert table() in text


def test_every_state_can_be_reached_and_all_but_closed_can_be_left() -> None:
    reached = {State.OPENED} | {rule.target for rule in RULES.values() if rule.target}
    assert reached == set(State)
    for state in State:
        moves = [s for s, rule in RULES.items() if state in rule.sources and rule.target]
        assert bool(moves) is (state is not State.CLOSED)


def test_time_changes_only_what_waits_for_the_deputy() -> None:
    of_time = [step for step, rule in RULES.items() if rule.by is Actor.CLOCK]
    assert set(of_time) >= {Transition.COME_DUE_SOON, Transition.FALL_OVERDUE, Transition.LAPSE}
    for step in of_time:
        assert not RULES[step].sources & {State.DONE, State.VERIFIED, State.CLOSED}
