"""Prints the policy for docs/roles.md: each action, and who may take it on what.

python -m tools.roles
"""

from __future__ import annotations

from typing import Final

from shared.runtime.access import POLICY, Action, Rule, Who

_HEADS: Final = {
    Who.COORDINATION: "coordination",
    Who.MINISTER_OFFICE: "Minister's office",
    Who.DEPUTY: "deputy",
    Who.PROVINCE: "province",
    Who.ADVISER: "adviser",
    Who.OFFICER: "officer",
    Who.SUBSTITUTE: "substitute",
    Who.AUDITOR: "auditor",
    Who.OPERATOR: "operator",
    Who.SYSTEM: "system",
    Who.INTEGRATOR: "integrator",
}


def table() -> str:
    """Return the policy as a Markdown table."""
    lines = [
        f"| action | {' | '.join(_HEADS[who] for who in Who)} |",
        "| --- " * (len(Who) + 1) + "|",
    ]
    for action in Action:
        cells = [_cell(POLICY[action], who) for who in Who]
        lines.append(f"| `{action.value}` | {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(line.replace("|  |", "| |") for line in lines) + "\n"


def _cell(rule: Rule, who: Who) -> str:
    return "all" if who in rule.on_all else "own" if who in rule.on_own else ""


if __name__ == "__main__":
    print(table(), end="")
