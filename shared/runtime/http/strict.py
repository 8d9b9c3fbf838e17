"""What a request may hold beyond what FastAPI itself looks at."""

from __future__ import annotations

from collections import Counter

from fastapi import FastAPI, Request
from pydantic_core import from_json

from shared.runtime.http.middleware import has_long_body, template
from shared.runtime.problems import FieldError, claims_json, invalid, malformed_json
from shared.runtime.sentences import sentence


async def known_parameters(request: Request) -> None:
    """Dependency of every route: Problem 422 names each query parameter it does not document, and
    each that is given several times and has one value.

    A misspelt filter would else answer everything, and of a repeated one the last alone count.
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
    """Dependency of every route: Problem 400 where a JSON body is not what RFC 8259 calls JSON.

    Python's parser also takes NaN and half a surrogate pair, which can be neither stored nor
    sent. The one used here is that of events from Kafka. A body that its route reads piece by piece
    is a file, whatever kind it claims to be.
    """
    if has_long_body(request.scope):
        return
    if claims_json(request) and (body := await request.body()):
        try:
            from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise malformed_json(str(error)) from error


def _documented(request: Request) -> dict[str, str] | None:
    """How often each parameter can be given, `once` or `often`, by its name."""
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
