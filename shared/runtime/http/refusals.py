"""How a domain's refusal is answered: 403 if it is about rights, else 409."""

from __future__ import annotations

from shared.runtime.problems import Problem
from shared.runtime.refusals import NotAllowed, Refused


def refusal(refused: Refused) -> Problem:
    """The problem that a refusal is answered with."""
    if isinstance(refused, NotAllowed):
        return Problem(403, refused.reason, "Not allowed", str(refused))
    return Problem(409, refused.reason, "Not possible as things stand", str(refused))
