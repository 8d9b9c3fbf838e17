"""Errors at the API as problem details (RFC 9457, `application/problem+json`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:peygir:problem:"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field.

    `field` is its dotted name (`axes.0.answered`) or the name of a parameter or header;
    `pointer` is its JSON pointer (RFC 6901) where it stands in the body.
    """

    field: str
    detail: str
    pointer: str | None = None


class Problem(HTTPException):
    """An answer that says what is wrong: raise it anywhere below a route.

    `slug` ends the problem's type, `urn:peygir:problem:<slug>`; `title` belongs to the type and
    `detail` to this occurrence.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail or title, dict(headers or {}))
        self.slug = slug
        self.title = title
        self.explanation = detail
        self.errors = tuple(errors)

    def document(self) -> dict[str, Any]:
        """The JSON document of RFC 9457."""
        document: dict[str, Any] = {
            "type": _TYPE + self.slug,
            "title": self.title,
            "status": self.status_code,
        }
        if self.explanation is not None:
            document["detail"] = self.explanation
        if self.errors:
            document["errors"] = [_without_nothing(error) for error in self.errors]
        return document


def invalid_field(field: str, detail: str) -> Problem:
    """422 for one field or parameter."""
    return invalid([FieldError(field, detail)])


def invalid(errors: Sequence[FieldError]) -> Problem:
    """422 that names the fields."""
    told = "; ".join(f"{error.field}: {error.detail}" for error in errors)
    return Problem(422, "invalid", "The request is not valid", told, errors=errors)


def not_found(what: str) -> Problem:
    """404 for an item that does not exist."""
    return Problem(404, "not-found", "Not found", what)


def malformed_json(why: str) -> Problem:
    """400 for a body that is not JSON."""
    return Problem(400, "malformed-json", "The body is not JSON", why)


def unavailable(why: str) -> Problem:
    """503 for what passes by itself."""
    return Problem(503, "unavailable", "Not available now", why)


def internal() -> Problem:
    """500 that tells nothing of what is inside; the log has it."""
    return Problem(500, "internal", "The service failed; its log says why")


def respond(problem: Problem) -> Response:
    """The problem as an HTTP answer."""
    # A lone surrogate from the request's own JSON may stand in a field's name.
    content = json.dumps(problem.document(), ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, problem.status_code, problem.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of this app with a problem."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)


def claims_json(request: Request) -> bool:
    """Whether the request says that its body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


async def _http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return respond(error)
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _other_methods(request)
    phrase = HTTPStatus(error.status_code).phrase
    detail = error.detail if error.detail != phrase else None
    slug = re.sub("[^a-z]+", "-", phrase.lower()).strip("-")
    return respond(
        Problem(
            error.status_code,
            slug,
            phrase,
            detail,
            headers=getattr(error, "headers", None),
        )
    )


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    for wrong in errors:
        if wrong["type"] == "json_invalid":
            reason = wrong.get("ctx", {}).get("error", wrong["msg"])
            return respond(malformed_json(f"{reason} at character {wrong['loc'][-1]}"))
        if wrong["loc"] == ("body",) and wrong["type"] != "missing" and not claims_json(request):
            return respond(_not_json())
    return respond(invalid([_field_error(wrong["loc"], wrong["msg"]) for wrong in errors]))


def _other_methods(request: Request) -> Response:
    """What a path of this app answers to a method that none of its routes has.

    A router tells the methods of one route alone, and a path may have several; HEAD is answered
    wherever GET is.
    """
    found = {method for method in _METHODS if _has_route(request, method)}
    told = {*found, "OPTIONS", *(["HEAD"] if "GET" in found else [])}
    allow = {"Allow": ", ".join(sorted(told))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    return respond(Problem(405, "method-not-allowed", "Method Not Allowed", headers=allow))


def _has_route(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def _not_json() -> Problem:
    return Problem(
        415,
        "unsupported-media-type",
        "The body is of another kind",
        "Content-Type: application/json",
    )


def _field_error(location: Sequence[str | int], message: str) -> FieldError:
    """FastAPI says first where a value came from: body, query, path, header."""
    source, *path = location or ("body",)
    if source == "query":  # one of the values of a parameter is wrong: its name tells enough
        path = path[:1]
    if source != "body":
        return FieldError(".".join(map(str, path)), message)
    pointer = "".join(f"/{_escaped(step)}" for step in path)
    return FieldError(_dotted(path), message, pointer)


def _dotted(path: Iterable[str | int]) -> str:
    return ".".join(map(str, path)) or "body"


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _without_nothing(error: FieldError) -> dict[str, str]:
    document = {"field": error.field, "detail": error.detail}
    return document if error.pointer is None else {**document, "pointer": error.pointer}
