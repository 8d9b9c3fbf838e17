"""The life of a follow-up: from which states each transition leads to which, and who may take it.

`permissions.require` enforces this table; `tools.lifecycle` draws the diagram in the docs from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.followups.domain.records import OPEN, WAITS_FOR_THE_DEPUTY, State


class Actor(StrEnum):
    """Who may take a transition."""

    DEPUTY = "the deputy"  # or the delegate, or the substitute while the deputy is absent
    HIMSELF = "the deputy himself"  # or the substitute
    OFFICER = "the deputy or his officer"
    DECIDER = "coordination, but nobody who acts for the deputy"
    """For follow-ups of coordination itself: the Minister's office."""

    VERIFIER = "coordination or the province, never who claimed it or acts for the deputy"
    CONCERNED = "whoever is concerned"
    """The deputy, the substitute, the officer, the delegate, coordination, the province, the
    Minister's office."""

    OFFICE = "the Minister's office, or an operator for it"
    BODY = "the deputy, his officer or whoever speaks for the body"
    APPROVER = "whoever approved"  # or the scheduler
    CLOCK = "time"


class Transition(StrEnum):
    """What may happen to a follow-up."""

    ACKNOWLEDGE = "acknowledge"
    DISPUTE = "dispute"
    SETTLE = "settle"
    ASSIGN = "assign"
    UNASSIGN = "unassign"
    DELEGATE = "delegate"
    END_DELEGATION = "end delegation"
    LINK = "link"
    COMMENT = "comment"
    REPORT_PART = "report part"
    ADD_ITEM = "add item"
    FINISH_ITEM = "finish item"
    DROP_ITEM = "drop item"
    PROGRESS = "progress"
    BLOCK = "block"
    UNBLOCK = "unblock"
    COMPLETE = "complete"
    VERIFY = "verify"
    REOPEN = "reopen"
    CLOSE = "close"
    REQUEST_EXTENSION = "request extension"
    EXTEND = "extend"
    REFUSE_EXTENSION = "refuse extension"
    AMEND = "amend"
    WITHDRAW = "withdraw"
    GO_UNACKNOWLEDGED = "go unacknowledged"
    COME_DUE_SOON = "come due soon"
    FALL_OVERDUE = "fall overdue"
    LAPSE = "lapse"
    ADD_EVIDENCE = "add evidence"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may take a transition, from which states, and to which state it leads."""

    by: Actor
    sources: frozenset[State]
    target: State | None  # None: the state stays


_ANY = frozenset(State)
_AT_WORK = frozenset({State.ACKNOWLEDGED, State.IN_PROGRESS, State.REOPENED})

RULES: Final[Mapping[Transition, Rule]] = {
    Transition.ACKNOWLEDGE: Rule(Actor.DEPUTY, frozenset({State.OPENED}), State.ACKNOWLEDGED),
    Transition.DISPUTE: Rule(Actor.DEPUTY, frozenset({State.OPENED}), State.DISPUTED),
    Transition.SETTLE: Rule(Actor.DECIDER, frozenset({State.DISPUTED}), State.ACKNOWLEDGED),
    Transition.PROGRESS: Rule(Actor.OFFICER, _AT_WORK, State.IN_PROGRESS),
    Transition.BLOCK: Rule(Actor.OFFICER, _AT_WORK, State.BLOCKED),
    Transition.UNBLOCK: Rule(Actor.OFFICER, frozenset({State.BLOCKED}), State.IN_PROGRESS),
    Transition.COMPLETE: Rule(Actor.DEPUTY, _AT_WORK | {State.BLOCKED}, State.DONE),
    Transition.VERIFY: Rule(Actor.VERIFIER, frozenset({State.DONE}), State.VERIFIED),
    Transition.REOPEN: Rule(
        Actor.VERIFIER, frozenset({State.DONE, State.VERIFIED}), State.REOPENED
    ),
    Transition.CLOSE: Rule(Actor.DECIDER, OPEN, State.CLOSED),
    Transition.WITHDRAW: Rule(Actor.APPROVER, OPEN, State.CLOSED),
    Transition.ASSIGN: Rule(Actor.DEPUTY, OPEN, None),
    Transition.UNASSIGN: Rule(Actor.OFFICER, OPEN, None),
    Transition.DELEGATE: Rule(Actor.HIMSELF, OPEN, None),
    Transition.END_DELEGATION: Rule(Actor.DEPUTY, OPEN, None),
    Transition.REPORT_PART: Rule(Actor.BODY, OPEN, None),
    Transition.ADD_ITEM: Rule(Actor.OFFICER, _AT_WORK | {State.BLOCKED}, None),
    Transition.FINISH_ITEM: Rule(Actor.OFFICER, _AT_WORK | {State.BLOCKED}, None),
    Transition.DROP_ITEM: Rule(Actor.OFFICER, _AT_WORK | {State.BLOCKED}, None),
    Transition.LINK: Rule(Actor.DECIDER, _ANY, None),
    Transition.COMMENT: Rule(Actor.CONCERNED, _ANY, None),
    Transition.AMEND: Rule(Actor.APPROVER, OPEN, None),
    Transition.REQUEST_EXTENSION: Rule(Actor.DEPUTY, _AT_WORK | {State.BLOCKED}, None),
    Transition.EXTEND: Rule(Actor.DECIDER, WAITS_FOR_THE_DEPUTY, None),
    Transition.REFUSE_EXTENSION: Rule(Actor.DECIDER, WAITS_FOR_THE_DEPUTY, None),
    Transition.LAPSE: Rule(Actor.CLOCK, WAITS_FOR_THE_DEPUTY, None),
    Transition.GO_UNACKNOWLEDGED: Rule(Actor.CLOCK, frozenset({State.OPENED}), None),
    Transition.COME_DUE_SOON: Rule(Actor.CLOCK, WAITS_FOR_THE_DEPUTY, None),
    Transition.FALL_OVERDUE: Rule(Actor.CLOCK, WAITS_FOR_THE_DEPUTY, None),
    Transition.ADD_EVIDENCE: Rule(Actor.CONCERNED, _AT_WORK | {State.DONE}, None),
    Transition.MOVE: Rule(Actor.OFFICE, _ANY, None),
}
