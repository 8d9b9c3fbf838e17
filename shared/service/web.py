"""The HTTP of a process: one app, or a second one for operators on a port of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, FastAPI

from shared.runtime.health import Health
from shared.runtime.http import LongBody, RateLimits, RequestLimits, create_app
from shared.runtime.http.access import require_actions
from shared.runtime.identity import Authenticator
from shared.runtime.metrics import Metrics
from shared.runtime.persian import SHARED, Catalogue, Persian
from shared.runtime.settings import CommonSettings
from shared.runtime.version import VERSION
from shared.service import error_handlers


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of a process. Those of `api` and `operations` come under /v1, `pages` have their
    own paths at the root; `needs` are checked before each of them."""

    api: Iterable[APIRouter]
    operations: APIRouter
    pages: Iterable[APIRouter]
    long_bodies: Iterable[LongBody]
    needs: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Apps:
    """What a process serves; `operations` is None if it is on the same port as the rest."""

    main: FastAPI
    operations: FastAPI | None


def build(
    settings: CommonSettings,
    routes: Routes,
    *,
    title: str,
    health: Health,
    metrics: Metrics,
    authenticator: Authenticator,
    asyncapi: Callable[[], Mapping[str, Any]],
    persian: Catalogue | None = None,
) -> Apps:
    """The apps of a process: all routes if it runs `api`, else only probes, metrics and documents.

    `persian` translates the service's problems.
    """
    make = partial(
        create_app,
        persian=Persian(SHARED, *([] if persian is None else [persian])),
        version=VERSION,
        health=health,
        metrics=metrics,
        authenticator=authenticator,
        limits=_request_limits(settings),
        rates=_rate_limits(settings),
        is_encrypted=bool(settings.http_tls),
    )
    own = make(title=f"{title}, operations") if settings.has_own_operations else None
    main = make(
        title=title, long_bodies=routes.long_bodies, asyncapi=asyncapi, is_operational=own is None
    )
    if "api" in settings.run:
        _include(routes, main, own or main)
    for app in (main, own):
        if app is not None:
            error_handlers.install(app)
            require_actions(app)
    return Apps(main, own)


def _include(routes: Routes, main: FastAPI, operations: FastAPI) -> None:
    needs = [Depends(routes.needs)]
    for router in routes.api:
        main.include_router(router, prefix="/v1", dependencies=needs)
    operations.include_router(routes.operations, prefix="/v1", dependencies=needs)
    for page in routes.pages:
        main.include_router(page, dependencies=needs)


def _request_limits(settings: CommonSettings) -> RequestLimits:
    return RequestLimits(
        body_bytes=settings.body_limit_bytes,
        target_bytes=settings.target_limit_bytes,
        header_bytes=settings.header_limit_bytes,
        query_parameters=settings.query_parameters_most,
        json_depth=settings.json_depth_most,
        json_values=settings.json_values_most,
        json_characters=settings.json_characters_most,
        body_seconds=settings.body_seconds,
        body_bytes_per_second=settings.body_bytes_per_second,
        uploads=settings.uploads_most,
        requests=settings.requests_most,
    )


def _rate_limits(settings: CommonSettings) -> RateLimits:
    return RateLimits(
        per_second=settings.rate_per_second,
        burst=settings.rate_burst,
        unknown_per_second=settings.rate_unknown_per_second,
        unknown_burst=settings.rate_unknown_burst,
        remembered=settings.rate_remembered,
    )
