"""The action of a route: a dependency that refuses whoever may not take it at all.

    async def list_sessions(by: Annotated[Principal, may(Action.READ_SESSIONS)]) -> …

A route under /v1 without an action does not start (`require_actions`). Which items somebody may
see or change within an action, `reach` says; the route narrows its query by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

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


def require_actions(app: FastAPI, prefix: str = "/v1") -> None:
    """Check that each route under a prefix names its action, and show it in OpenAPI.

    Raises RouteWithoutAction.
    """
    actions: dict[tuple[str, str], Action] = {}
    for route in iter_route_contexts(app.routes):
        path, original = route.path_format or "", route.original_route
        if not path.startswith(prefix) or not isinstance(original, APIRoute):
            continue
        methods = sorted(original.methods or ())
        found = {
            one.call.action for one in _all(original.dependant) if isinstance(one.call, Allowed)
        }
        if len(found) != 1:
            raise RouteWithoutAction(
                f"{', '.join(methods)} {path} names {sorted(found) or 'no action'}: "
                "who may call it?"
            )
        actions |= {(path, method.lower()): action for method in methods for action in found}
    app.openapi = partial(_with_actions, app.openapi, actions)  # type: ignore[method-assign]


def _with_actions(
    describe: Callable[[], dict[str, Any]], actions: Mapping[tuple[str, str], Action]
) -> dict[str, Any]:
    document = describe()
    for (path, method), action in actions.items():
        if method in document["paths"].get(path, {}):
            document["paths"][path][method][ACTION_EXTENSION] = action.value
    return document


def _all(dependant: Dependant) -> Iterator[Dependant]:
    for one in dependant.dependencies:
        yield one
        yield from _all(one)
