"""The HTTP API under /v1: parse a request, call a handler, answer."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from services.followups.api import (
    absences,
    bulk,
    evidence,
    inspection,
    lists,
    moving,
    scores,
    steps,
    teamwork,
)
from services.followups.api.absences import AppliedAbsences
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
    """The routes for the deputies that this process serves, by the contexts of these deputies.

    `formats` are the formats of scorecards besides JSON, by their suffix. `sheets` reads and writes
    spreadsheets of many follow-ups. `picture` draws the life of one.
    """
    served = ApiContexts(contexts, clock)
    act = Acts(served, clock)
    return [
        lists.routes(served, clock, picture),
        steps.routes(act, rules),
        teamwork.routes(act),
        scores.routes(served, clock, formats),
        evidence.routes(served, clock),
        bulk.routes(served, sheets, clock),
        moving.routes(served, clock),
        absences.routes(served, clock),
        inspection.routes(served, clock),
    ]


def long_bodies(evidence_bytes: int, sheet_bytes: int) -> list[LongBody]:
    """The routes that take their bodies as streams, with the most bytes that each accepts."""
    return [
        LongBody("POST", f"/v1{evidence.PATH}", evidence_bytes),
        LongBody("POST", f"/v1{bulk.PATH}", sheet_bytes),
    ]


__all__ = [
    "ApiContext",
    "AppliedAbsences",
    "Format",
    "Picture",
    "ReadableFollowups",
    "long_bodies",
    "routes",
]
