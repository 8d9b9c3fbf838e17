"""The life of a follow-up: which step leads from where to where, and who may take it.

This table is the rule; decisions ask it, and the diagram in the docs is drawn from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.followups.domain.records import ENDED, OPEN, WAITS_FOR_THE_DEPUTY, State


class Who(StrEnum):
    """Who may take a step."""

    DEPUTY = "the deputy"  # or to whom he delegated it
    HIMSELF = "the deputy himself"
    OFFICER = "the deputy or his officer"
    DECIDER = "coordination, but nobody who acts for the deputy"
    """Of coordination's own: the Minister's office."""

    VERIFIER = "coordination or the province, never who claimed it or acts for the deputy"
    CONCERNED = "whoever is concerned"
    """The deputy and whoever acts for him, coordination, the province, the Minister's office."""

    OFFICE = "the Minister's office, or an operator for it"
    BODY = "the deputy, his officer or whoever speaks for the body"
    APPROVER = "whoever approved"  # or the scheduler
    CLOCK = "time"


class Step(StrEnum):
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
    """From which states somebody may take a step, and where it leads."""

    by: Who
    sources: frozenset[State]
    target: State | None  # None: it stays where it is


_ANY = frozenset(State)
_AT_WORK = frozenset({State.ACKNOWLEDGED, State.IN_PROGRESS, State.REOPENED})

RULES: Final[Mapping[Step, Rule]] = {
    Step.ACKNOWLEDGE: Rule(Who.DEPUTY, frozenset({State.OPENED}), State.ACKNOWLEDGED),
    Step.DISPUTE: Rule(Who.DEPUTY, frozenset({State.OPENED}), State.DISPUTED),
    Step.SETTLE: Rule(Who.DECIDER, frozenset({State.DISPUTED}), State.ACKNOWLEDGED),
    Step.PROGRESS: Rule(Who.OFFICER, _AT_WORK, State.IN_PROGRESS),
    Step.BLOCK: Rule(Who.OFFICER, _AT_WORK, State.BLOCKED),
    Step.UNBLOCK: Rule(Who.OFFICER, frozenset({State.BLOCKED}), State.IN_PROGRESS),
    Step.COMPLETE: Rule(Who.DEPUTY, _AT_WORK | {State.BLOCKED}, State.DONE),
    Step.VERIFY: Rule(Who.VERIFIER, frozenset({State.DONE}), State.VERIFIED),
    Step.REOPEN: Rule(Who.VERIFIER, frozenset({State.DONE, State.VERIFIED}), State.REOPENED),
    Step.CLOSE: Rule(Who.DECIDER, OPEN, State.CLOSED),
    Step.WITHDRAW: Rule(Who.APPROVER, OPEN, State.CLOSED),
    Step.ASSIGN: Rule(Who.DEPUTY, OPEN, None),
    Step.UNASSIGN: Rule(Who.OFFICER, OPEN, None),
    Step.DELEGATE: Rule(Who.HIMSELF, OPEN, None),
    Step.END_DELEGATION: Rule(Who.DEPUTY, OPEN, None),
    Step.REPORT_PART: Rule(Who.BODY, OPEN, None),
    Step.ADD_ITEM: Rule(Who.OFFICER, _AT_WORK | {State.BLOCKED}, None),
    Step.FINISH_ITEM: Rule(Who.OFFICER, _AT_WORK | {State.BLOCKED}, None),
    Step.DROP_ITEM: Rule(Who.OFFICER, _AT_WORK | {State.BLOCKED}, None),
    Step.LINK: Rule(Who.DECIDER, _ANY, None),
    Step.COMMENT: Rule(Who.CONCERNED, _ANY, None),
    Step.AMEND: Rule(Who.APPROVER, OPEN, None),
    Step.REQUEST_EXTENSION: Rule(Who.DEPUTY, _AT_WORK | {State.BLOCKED}, None),
    Step.EXTEND: Rule(Who.DECIDER, WAITS_FOR_THE_DEPUTY, None),
    Step.REFUSE_EXTENSION: Rule(Who.DECIDER, WAITS_FOR_THE_DEPUTY, None),
    Step.LAPSE: Rule(Who.CLOCK, WAITS_FOR_THE_DEPUTY, None),
    Step.GO_UNACKNOWLEDGED: Rule(Who.CLOCK, frozenset({State.OPENED}), None),
    Step.COME_DUE_SOON: Rule(Who.CLOCK, WAITS_FOR_THE_DEPUTY, None),
    Step.FALL_OVERDUE: Rule(Who.CLOCK, WAITS_FOR_THE_DEPUTY, None),
    Step.ADD_EVIDENCE: Rule(Who.CONCERNED, _AT_WORK | {State.DONE}, None),
    Step.MOVE: Rule(Who.OFFICE, _ANY, None),
}


def diagram() -> str:
    """The states and the steps between them, as Mermaid draws them."""
    lines = ["stateDiagram-v2", f"    [*] --> {_name(State.OPENED)}: approved"]
    for step, rule in RULES.items():
        if rule.target is None:
            continue
        sources = [_OPEN] if rule.sources == OPEN else sorted(map(_name, rule.sources))
        lines += [f"    {source} --> {_name(rule.target)}: {step}" for source in sources]
    lines += [f"    {_name(state)} --> [*]" for state in sorted(ENDED)]
    return "\n".join(lines) + "\n"


def table() -> str:
    """Every step with who may take it, as a Markdown table."""
    lines = ["| step | who | from | to |", "| --- | --- | --- | --- |"]
    for step, rule in RULES.items():
        sources = _TOGETHER.get(rule.sources) or ", ".join(sorted(rule.sources))
        lines.append(f"| {step} | {rule.by} | {sources} | {rule.target or 'the same'} |")
    return "\n".join(lines) + "\n"


_OPEN: Final = "open"
_TOGETHER: Final = {OPEN: "whatever is open", _ANY: "whatever it is"}


def _name(state: State) -> str:
    return state.replace("-", "_")
