"""HTTP under /v1: parse, call a handler, answer."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from services.followups.api import (
    bulk,
    evidence,
    inspection,
    lists,
    moving,
    scores,
    steps,
    teamwork,
)
from services.followups.api.acts import Acts
from services.followups.api.context import ApiContext, ApiContexts, ReadableFollowups
from services.followups.api.lists import Picture
from services.followups.api.scores import Format
from services.followups.domain.extensions import ExtensionRules
from services.followups.handlers import Sheets
from shared.runtime.clocks import DomainClock
from shared.runtime.http import LongBody


def routes(
    contexts: Mapping[str, ApiContext],
    rules: ExtensionRules,
    clock: DomainClock,
    formats: Mapping[str, Format],
    sheets: Sheets,
    picture: Picture,
) -> list[APIRouter]:
    """The routes over the desks of the deputies that this process serves.

    `formats` are those in which scorecards can be had besides JSON, by their suffix; `sheets`
    reads and writes the spreadsheets of many follow-ups at once; `picture` draws one's life.
    """
    served = ApiContexts(contexts)
    act = Acts(served, clock)
    return [
        lists.routes(served, clock, picture),
        steps.routes(act, rules),
        teamwork.routes(act),
        scores.routes(served, clock, formats),
        evidence.routes(served, clock),
        bulk.routes(served, sheets, clock),
        moving.routes(served, clock),
        inspection.routes(served, clock),
    ]


def long_bodies(evidence_bytes: int, sheet_bytes: int) -> list[LongBody]:
    """The routes that take their bodies piece by piece, with what each may take."""
    return [
        LongBody("POST", f"/v1{evidence.PATH}", evidence_bytes),
        LongBody("POST", f"/v1{bulk.PATH}", sheet_bytes),
    ]


__all__ = ["ApiContext", "Format", "Picture", "ReadableFollowups", "long_bodies", "routes"]
