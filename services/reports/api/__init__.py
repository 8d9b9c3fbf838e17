"""HTTP under /v1: parse, call a handler, answer."""

from __future__ import annotations

from fastapi import APIRouter

from services.reports.api import circulars, expectations, reports
from services.reports.api.context import (
    ApiContext,
    ReadableCirculars,
    ReadableExpectations,
    ReadLog,
)
from shared.runtime.clocks import DomainClock


def routes(api: ApiContext, clock: DomainClock) -> APIRouter:
    """The routes of circulars, reports and expectations."""
    router = APIRouter()
    router.include_router(circulars.routes(api, clock))
    router.include_router(reports.routes(api, clock))
    router.include_router(expectations.routes(api))
    return router


__all__ = ["ApiContext", "ReadLog", "ReadableCirculars", "ReadableExpectations", "routes"]
