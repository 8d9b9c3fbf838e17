"""Checks of a request that FastAPI itself does not make."""

from __future__ import annotations

from collections import Counter
from typing import Final

from fastapi import FastAPI, Request
from pydantic_core import from_json

from shared.runtime.http.bodies import has_long_body
from shared.runtime.http.json_limits import require_simple, too_deep
from shared.runtime.http.limits import RequestLimits
from shared.runtime.http.middleware import template
from shared.runtime.problems import FieldError, claims_json, invalid, malformed_json
from shared.runtime.sentences import sentence

_TOO_DEEP_FOR_THE_PARSER: Final = "recursion limit exceeded"


async def known_parameters(request: Request) -> None:
    """Dependency of every route: raises Problem 422 for query parameters that the route does not
    document, and for those that are repeated but take one value.

    Otherwise a misspelt filter would return everything, and of a repeated one only the last would
    count.
    """
    known = _documented(request)
    if known is None:
        return
    given = Counter(name for name, _ in request.query_params.multi_items())
    allowed = sorted(known) or sentence("none")
    unknown = sentence("no parameter of this list or item; allowed: {allowed}", allowed=allowed)
    errors = [FieldError(name, unknown) for name in given if name not in known]
    errors += [
        FieldError(name, sentence("is given {times} times, and can be once", times=times))
        for name, times in given.items()
        if times > 1 and known.get(name) == "once"
    ]
    if errors:
        raise invalid(errors)


async def standard_json(request: Request) -> None:
    """Dependency of every route: raises Problem 400 for a JSON body that is not JSON by RFC 8259,
    and 422 for one that is deeper, longer or fuller than the limits allow.

    Python's parser also accepts NaN and half a surrogate pair, which can be neither stored nor
    sent. This uses the same parser as events from Kafka. A body that its route reads in parts is a
    file, whatever type it claims to have, and is not checked.
    """
    if has_long_body(request.scope):
        return
    if claims_json(request) and (body := await request.body()):
        limits: RequestLimits = request.app.state.limits
        try:
            document = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            if str(error).startswith(_TOO_DEEP_FOR_THE_PARSER):
                raise too_deep(limits) from error
            raise malformed_json(str(error)) from error
        require_simple(document, limits)


def _documented(request: Request) -> dict[str, str] | None:
    """Whether each parameter can be given `once` or `often`, by its name; None without a route."""
    app: FastAPI = request.app
    operations = app.openapi()["paths"].get(template(request.scope), {})
    operation = operations.get(request.method.lower())
    if operation is None:
        return None
    parameters = operation.get("parameters", [])
    return {
        parameter["name"]: "often" if parameter["schema"].get("type") == "array" else "once"
        for parameter in parameters
        if parameter["in"] == "query"
    }
