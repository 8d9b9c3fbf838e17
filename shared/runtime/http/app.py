"""Build the FastAPI app of a service, with everything except its own routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Depends, FastAPI

from shared.runtime import problems
from shared.runtime.health import Health
from shared.runtime.http import docs, idempotency, operations
from shared.runtime.http.bodies import BodyGate, LongBody
from shared.runtime.http.limits import DEFAULTS, RequestGate, RequestLimits
from shared.runtime.http.middleware import Head, Observation
from shared.runtime.http.openapi import PROBLEM_RESPONSES, describe_problems
from shared.runtime.http.rates import NO_LIMITS, RateGate, RateLimits, Rates
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
    limits: RequestLimits = DEFAULTS,
    rates: RateLimits = NO_LIMITS,
    long_bodies: Iterable[LongBody] = (),
    asyncapi: Callable[[], Mapping[str, Any]] | None = None,
    persian: Persian | None = None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
    is_operational: bool = True,
    is_encrypted: bool = False,
) -> FastAPI:
    """An app with /openapi.json, /docs and, if the service has events, /asyncapi and
    /asyncapi.json; if it is operational, with /livez, /readyz and /metrics too. It opens nothing
    before its lifespan begins.

    `limits` hold for all routes; those of `long_bodies` have their own length of a body.
    `asyncapi` makes the AsyncAPI document on request. `persian` translates the service's problems.
    `is_encrypted`: whether clients come over TLS, here or at a proxy in front.
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
    app.state.limits = limits
    app.state.rates = Rates(rates)
    problems.install(app, persian)
    idempotency.install(app)
    describe_problems(app)
    if is_operational:
        app.include_router(operations.routes(health, metrics))
    app.include_router(docs.swagger(title))
    if asyncapi is not None:
        app.include_router(docs.events(asyncapi))
    _guard(app, limits, tuple(long_bodies))
    app.add_middleware(Observation, metrics=metrics, is_encrypted=is_encrypted)
    return app


def _guard(app: FastAPI, limits: RequestLimits, long_bodies: tuple[LongBody, ...]) -> None:
    """Limit the requests of an app. The middleware that is added last comes first."""
    app.add_middleware(BodyGate, limits=limits, long=long_bodies)
    app.add_middleware(RequestGate, limits=limits)
    app.add_middleware(RateGate, rates=app.state.rates)
    app.add_middleware(Head)
