"""HTTP under /v1: parse, call a handler, answer."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from services.followups.api import lists, scores, steps, teamwork
from services.followups.api.acts import Acts
from services.followups.api.desks import Desk, Desks, ReadableFollowups
from services.followups.api.scores import Format
from services.followups.domain.extensions import ExtensionRules
from shared.runtime.clocks import DomainClock


def routes(
    desks: Mapping[str, Desk],
    rules: ExtensionRules,
    clock: DomainClock,
    formats: Mapping[str, Format],
) -> list[APIRouter]:
    """The routes over the desks of the deputies that this process serves.

    `formats` are those in which scorecards can be had besides JSON, by their suffix.
    """
    served = Desks(desks)
    act = Acts(served, clock)
    return [
        lists.routes(served, clock),
        steps.routes(act, rules),
        teamwork.routes(act),
        scores.routes(served, clock, formats),
    ]


__all__ = ["Desk", "Format", "ReadableFollowups", "routes"]
