"""HTTP under /v1: parse, call a handler, answer."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from services.followups.api import lists, steps, teamwork
from services.followups.api.acts import Acts
from services.followups.api.desks import Desk, Desks, ReadableFollowups
from services.followups.domain.extensions import ExtensionRules
from shared.runtime.clocks import DomainClock


def routes(desks: Mapping[str, Desk], rules: ExtensionRules, clock: DomainClock) -> list[APIRouter]:
    """The routes over the desks of the deputies that this process serves."""
    served = Desks(desks)
    act = Acts(served, clock)
    return [lists.routes(served, clock), steps.routes(act, rules), teamwork.routes(act)]


__all__ = ["Desk", "ReadableFollowups", "routes"]
