"""What a request may hold beyond what FastAPI itself looks at."""

from __future__ import annotations

from fastapi import FastAPI, Request
from pydantic_core import from_json

from shared.runtime.http.middleware import has_long_body, template
from shared.runtime.problems import FieldError, claims_json, invalid, malformed_json


async def known_parameters(request: Request) -> None:
    """Dependency of every route: Problem 422 names each query parameter it does not document.

    A misspelt filter would else answer everything.
    """
    known = _documented(request)
    if known is None:
        return
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        allowed = ", ".join(sorted(known)) or "none"
        detail = f"no parameter of this list or item; allowed: {allowed}"
        raise invalid([FieldError(name, detail) for name in unknown])


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


def _documented(request: Request) -> set[str] | None:
    app: FastAPI = request.app
    operations = app.openapi()["paths"].get(template(request.scope), {})
    operation = operations.get(request.method.lower())
    if operation is None:
        return None
    parameters = operation.get("parameters", [])
    return {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
