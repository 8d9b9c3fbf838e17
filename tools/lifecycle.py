"""Prints the life cycle of a follow-up for docs/followups.md: a diagram and a table.

python -m tools.lifecycle
"""

from __future__ import annotations

from typing import Final

from services.followups.domain.records import ENDED, OPEN, State
from services.followups.domain.transitions import RULES

_OPEN: Final = "open"
_SOURCE_NAMES: Final = {OPEN: "whatever is open", frozenset(State): "whatever it is"}


def diagram() -> str:
    """Return the states and the transitions between them, as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {_name(State.OPENED)}: approved"]
    for transition, rule in RULES.items():
        if rule.target is None:
            continue
        sources = [_OPEN] if rule.sources == OPEN else sorted(map(_name, rule.sources))
        lines += [f"    {source} --> {_name(rule.target)}: {transition}" for source in sources]
    lines += [f"    {_name(state)} --> [*]" for state in sorted(ENDED)]
    return "\n".join(lines) + "\n"


def table() -> str:
    """Return every transition with the people who may take it, as a Markdown table."""
    lines = ["| step | who | from | to |", "| --- | --- | --- | --- |"]
    for transition, rule in RULES.items():
        sources = _SOURCE_NAMES.get(rule.sources) or ", ".join(sorted(rule.sources))
        lines.append(f"| {transition} | {rule.by} | {sources} | {rule.target or 'the same'} |")
    return "\n".join(lines) + "\n"


def _name(state: State) -> str:
    return state.replace("-", "_")


if __name__ == "__main__":
    print(f"{diagram()}\n{table()}", end="")
