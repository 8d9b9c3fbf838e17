"""Build the FastAPI app of a service, with everything except its own routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Depends, FastAPI

from shared.runtime import problems
from shared.runtime.health import Health
from shared.runtime.http import docs, idempotency, operations
from shared.runtime.http.middleware import BodyLimit, Head, LongBody, Observation
from shared.runtime.http.openapi import PROBLEM_RESPONSES, describe_problems
from shared.runtime.http.strict import known_parameters, standard_json
from shared.runtime.identity import Authenticator
from shared.runtime.metrics import Metrics
from shared.runtime.persian import Persian


def create_app(
    *,
    title: str,
    version: str,
    health: Health,
    metrics: Metrics,
    authenticator: Authenticator,
    body_limit: int = 1_000_000,
    long_bodies: Iterable[LongBody] = (),
    asyncapi: Callable[[], Mapping[str, Any]] | None = None,
    persian: Persian | None = None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """An app with /livez, /readyz, /metrics, /openapi.json, /docs and, if the service has events,
    /asyncapi and /asyncapi.json. It opens nothing before its lifespan begins.

    `body_limit` is in bytes and holds for all routes except those of `long_bodies`. `asyncapi`
    makes the AsyncAPI document on request. `persian` translates the service's problems.
    """
    app = FastAPI(
        title=title,
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(known_parameters), Depends(standard_json)],
        responses=PROBLEM_RESPONSES,
    )
    app.state.authenticator = authenticator
    problems.install(app, persian)
    idempotency.install(app)
    describe_problems(app)
    app.include_router(operations.routes(health, metrics))
    app.include_router(docs.swagger(title))
    if asyncapi is not None:
        app.include_router(docs.events(asyncapi))
    app.add_middleware(BodyLimit, limit=body_limit, long=tuple(long_bodies))
    app.add_middleware(Head)
    app.add_middleware(Observation, metrics=metrics)
    return app
