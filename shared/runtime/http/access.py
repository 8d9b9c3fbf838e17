"""The action of a route: a dependency that refuses whoever may not take it at all.

    async def list_sessions(by: Annotated[Principal, may(Action.READ_SESSIONS)]) -> …

A route under /v1 without an action does not start (`require_actions`). Which items somebody may
see or change within an action, `reach` says; the route narrows its query by that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from shared.runtime.access.policy import Action, reach
from shared.runtime.identity import Caller
from shared.runtime.principals import Principal
from shared.runtime.problems import Problem
from shared.runtime.sentences import sentence

ACTION_EXTENSION: Final = "x-peygir-action"
"""The field of an operation in OpenAPI that names its action."""


class RouteWithoutAction(Exception):
    """A route that nobody has said who may call; a mistake in the code."""


class Allowed:
    """Gives the sender of a request, if there is anything on which it may take the action."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, by: Caller) -> Principal:
        """The sender. Raises Problem 403, before anything is looked up."""
        if not reach(by, self.action):
            raise refusal(by, self.action)
        return by


def may(action: Action) -> Any:
    """The dependency of a route that takes this action."""
    return Depends(Allowed(action))


def refusal(by: Principal, action: Action) -> Problem:
    """403 for somebody who may not take an action."""
    detail = sentence("{by} has no role that may do this: {action}", by=by.id, action=action.value)
    return Problem(403, "not-allowed", "Not allowed", detail)


def action_of(route: APIRoute) -> Action | None:
    """The action that a route names."""
    found = {one.call.action for one in _all(route.dependant) if isinstance(one.call, Allowed)}
    if len(found) > 1:
        raise RouteWithoutAction(f"{route.path} names several actions: {sorted(found)}")
    return next(iter(found), None)


def require_actions(app: FastAPI, prefix: str = "/v1") -> None:
    """Check that each route under a prefix names its action, and show it in OpenAPI.

    Raises RouteWithoutAction.
    """
    for route in _api_routes(app.routes, prefix):
        action = action_of(route)
        if action is None:
            methods = ", ".join(sorted(route.methods or ()))
            raise RouteWithoutAction(f"{methods} {route.path} names no action: who may call it?")
        route.openapi_extra = {**(route.openapi_extra or {}), ACTION_EXTENSION: action.value}


def _api_routes(routes: Iterable[BaseRoute], prefix: str) -> Iterator[APIRoute]:
    return (r for r in routes if isinstance(r, APIRoute) and r.path.startswith(prefix))


def _all(dependant: Dependant) -> Iterator[Dependant]:
    for one in dependant.dependencies:
        yield one
        yield from _all(one)
