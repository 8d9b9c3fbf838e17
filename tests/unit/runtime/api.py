"""A small service on the shared HTTP code, for its tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from pydantic import BaseModel

from shared.runtime.health import Health
from shared.runtime.http import (
    Limit,
    LongBody,
    Page,
    RateLimits,
    RequestLimits,
    SortKeys,
    create_app,
)
from shared.runtime.http.rates import NO_LIMITS
from shared.runtime.identity import Caller, OpenIdentity
from shared.runtime.metrics import Metrics
from shared.runtime.problems import Problem, not_found

BODY_LIMIT = 10_000
FILE_LIMIT = 100_000
LIMITS = RequestLimits(body_bytes=BODY_LIMIT)
BY_DUE = SortKeys(date, str)


class Axis(BaseModel):
    """A nested part of the body."""

    answered: int


class Body(BaseModel):
    """The body of POST /v1/things."""

    title: str
    axes: list[Axis] = []
    notes: dict[str, int] = {}


class Filters(BaseModel):
    """A route may declare its filters as a model."""

    deputy: str | None = None


things = APIRouter(prefix="/things")


@things.get("")
async def list_things(
    filters: Annotated[Filters, Query()],
    after: Annotated[tuple[Any, ...] | None, Depends(BY_DUE)],
    limit: Limit = 100,
) -> Page[str]:
    """Returns what it understood."""
    items = [f"{filters.deputy} {limit} {after}"]
    return Page(items=items, next_cursor=BY_DUE.write(date(2024, 3, 11), "الف/۱"))


@things.post("", status_code=201)
async def make(body: Body, caller: Caller) -> dict[str, str]:
    """Returns the sender and what was made."""
    return {"title": body.title, "by": caller.id}


@things.get("/{thing_id}")
async def show(thing_id: str) -> dict[str, str]:
    """Finds nothing, and fails unexpectedly for one id."""
    if thing_id == "boom":
        raise RuntimeError("the password is hunter2")
    if thing_id == "teapot":
        raise Problem(418, "teapot", "A teapot", "کتری", headers={"Retry-After": "3"})
    raise not_found(f"no thing {thing_id}")


@things.put("/{thing_id}/file")
@things.put("/{thing_id}/raw")
async def raw(thing_id: str, request: Request) -> dict[str, int]:
    """Reads the body itself, in parts."""
    size = 0
    async for part in request.stream():
        size += len(part)
    return {"bytes": size}


def build(
    health: Health | None = None,
    metrics: Metrics | None = None,
    asyncapi: Callable[[], Mapping[str, Any]] | None = None,
    limits: RequestLimits = LIMITS,
    rates: RateLimits = NO_LIMITS,
) -> FastAPI:
    """The whole service."""
    app = create_app(
        title="Things",
        version="9.9.9",
        health=health or Health(),
        metrics=metrics or Metrics(),
        authenticator=OpenIdentity(),
        limits=limits,
        rates=rates,
        long_bodies=[LongBody("PUT", "/v1/things/{thing_id}/file", FILE_LIMIT)],
        asyncapi=asyncapi,
    )
    app.include_router(things, prefix="/v1")
    return app


@asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that app, without a network."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://peygir") as client:
        yield client
