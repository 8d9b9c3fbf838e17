"""No query parameter is taken that the route does not document: a misspelt filter would else
answer everything."""

from __future__ import annotations

from fastapi import FastAPI, Request

from shared.runtime.http.middleware import template
from shared.runtime.problems import FieldError, invalid


async def known_parameters(request: Request) -> None:
    """Dependency of every route. Raises Problem 422 that names each unknown query parameter."""
    known = _documented(request)
    if known is None:
        return
    unknown = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if unknown:
        allowed = ", ".join(sorted(known)) or "none"
        detail = f"no parameter of this list or item; allowed: {allowed}"
        raise invalid([FieldError(name, detail) for name in unknown])


def _documented(request: Request) -> set[str] | None:
    app: FastAPI = request.app
    operations = app.openapi()["paths"].get(template(request.scope), {})
    operation = operations.get(request.method.lower())
    if operation is None:
        return None
    parameters = operation.get("parameters", [])
    return {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
