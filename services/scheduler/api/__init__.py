"""HTTP under /v1: parse, call a handler, answer."""

from __future__ import annotations

from fastapi import APIRouter

from services.scheduler.api import resolutions, seasons, sessions
from services.scheduler.api.context import ApiContext


def routes(api: ApiContext) -> list[APIRouter]:
    """The routes of seasons, sessions and resolutions."""
    return [seasons.routes(api), sessions.routes(api), resolutions.routes(api)]


__all__ = ["ApiContext", "routes"]
