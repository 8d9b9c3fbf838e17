"""HTTP under /v1: parse, call a handler, answer."""

from __future__ import annotations

from fastapi import APIRouter

from services.scheduler.api import resolutions, seasons, sessions
from services.scheduler.api.context import ApiContext


def routes(desk: ApiContext) -> list[APIRouter]:
    """The routes of seasons, sessions and resolutions."""
    return [seasons.routes(desk), sessions.routes(desk), resolutions.routes(desk)]


__all__ = ["ApiContext", "routes"]
