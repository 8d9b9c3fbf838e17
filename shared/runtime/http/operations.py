"""The routes for probes and Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from shared.runtime.health import Health
from shared.runtime.metrics import CONTENT_TYPE, Metrics


def routes(health: Health, metrics: Metrics) -> APIRouter:
    """/livez, /readyz and /metrics."""
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> Response:
        return JSONResponse({"status": "ok", "checks": {}})

    @router.get("/readyz")
    async def readyz(exclude: Annotated[tuple[str, ...], Query()] = ()) -> Response:
        ok, report = await health.report(exclude)
        return JSONResponse(report, 200 if ok else 503)

    @router.get("/metrics")
    async def show_metrics() -> Response:
        return Response(metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    return router
