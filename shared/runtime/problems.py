"""Errors of the API as problem details (RFC 9457, `application/problem+json`).

They are in English, or in Persian if the request prefers that (`Accept-Language`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from shared.runtime.persian import ENGLISH, SHARED, Persian, preferred
from shared.runtime.persian.catalogue import ANY_CLIENT_ERROR, ANY_SERVER_ERROR
from shared.runtime.persian.validation import ANY, PREFIX
from shared.runtime.sentences import Sentence, sentence

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:peygir:problem:"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PLACE = re.compile(r"at line (\d+) column (\d+)$")
_MOST_IN_DETAIL = 20  # fields that a detail names; `errors` names all


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field.

    `field` is its dotted name (`axes.0.answered`) or the name of a parameter or header;
    `pointer` is its JSON pointer (RFC 6901) if it is in the body.
    """

    field: str
    detail: str
    pointer: str | None = None

    def document(self) -> dict[str, str]:
        """The error as JSON."""
        document = {"field": self.field, "detail": str(self.detail)}
        return document if self.pointer is None else {**document, "pointer": self.pointer}

    def persian(self, persian: Persian) -> dict[str, str]:
        """The same in Persian, with the field's Persian name as its label."""
        detail = persian.sentence(self.detail) or persian.sentence(ANY) or ""
        return {**self.document(), "detail": detail, "label": persian.label(self.field)}


class Problem(HTTPException):
    """An error response: raise it anywhere in the code of a route.

    `slug` ends the problem's type, `urn:peygir:problem:<slug>`; `title` belongs to the type and
    `detail` to this occurrence. Make a detail with values by `sentence`, so that it can be
    translated to Persian.
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
            document["errors"] = [error.document() for error in self.errors]
        return document

    def persian(self, persian: Persian) -> dict[str, Any]:
        """The same in Persian; a detail without a translation is replaced or left out."""
        any_ = ANY_CLIENT_ERROR if self.status_code < 500 else ANY_SERVER_ERROR
        document = self.document()
        document["title"] = persian.sentence(self.title) or persian.sentence(any_)
        document.pop("detail", None)
        errors = [error.persian(persian) for error in self.errors]
        detail = None if self.explanation is None else persian.sentence(self.explanation)
        if detail is None and errors:
            detail = "؛ ".join(f"{e['label']}: {e['detail']}" for e in errors[:_MOST_IN_DETAIL])
        if detail is not None:
            document["detail"] = detail
        if errors:
            document.pop("errors", None)  # puts it after the detail, as in English
            document["errors"] = errors
        return document


def invalid_field(field: str, detail: str) -> Problem:
    """422 for one field or parameter."""
    return invalid([FieldError(field, detail)])


def invalid(errors: Sequence[FieldError]) -> Problem:
    """422 that names the fields."""
    detail = "; ".join(f"{error.field}: {error.detail}" for error in errors)
    return Problem(422, "invalid", "The request is not valid", detail, errors=errors)


def invalid_header(header: str, detail: str) -> Problem:
    """400 for a header that cannot be read."""
    explanation = sentence("{header}: {detail}", header=header, detail=detail)
    error = FieldError(header, detail)
    return Problem(400, "invalid-header", "A header cannot be read", explanation, errors=[error])


def not_found(what: str) -> Problem:
    """404 for an item that does not exist."""
    return Problem(404, "not-found", "Not found", what)


def malformed_json(why: str) -> Problem:
    """400 for a body that is not JSON."""
    if (place := _PLACE.search(why)) is not None:
        position = {"line": int(place[1]), "column": int(place[2])}
        why = Sentence.of(why, "not JSON at line {line}, column {column}", position)
    return Problem(400, "malformed-json", "The body is not JSON", why)


def unavailable(why: str) -> Problem:
    """503 for a condition that passes by itself."""
    return Problem(503, "unavailable", "Not available now", why)


def internal() -> Problem:
    """500 without any internals; the log has them."""
    return Problem(500, "internal", "The service failed; its log says why")


def respond(problem: Problem, scope: Scope) -> Response:
    """The problem as an HTTP answer, in the language that the request prefers."""
    language = preferred(",".join(Headers(scope=scope).getlist("accept-language")))
    document = problem.document() if language == ENGLISH else problem.persian(_persian(scope))
    # A field's name may hold a lone surrogate from the request's own JSON.
    content = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    headers = {
        **(problem.headers or {}),
        "Content-Language": language,
        "Vary": "Accept-Language",
    }
    return Response(content, problem.status_code, headers, MEDIA_TYPE)


def install(app: FastAPI, persian: Persian | None = None) -> None:
    """Answer every error of this app with a problem; `persian` translates it."""
    app.state.persian = persian or Persian(SHARED)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)


def claims_json(request: Request) -> bool:
    """Whether the request says that its body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _persian(scope: Scope) -> Persian:
    app: FastAPI = scope["app"]
    persian: Persian = app.state.persian
    return persian


async def _http_error(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return respond(error, request.scope)
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
        ),
        request.scope,
    )


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    for wrong in errors:
        if wrong["type"] == "json_invalid":
            reason, place = wrong.get("ctx", {}).get("error", wrong["msg"]), wrong["loc"][-1]
            why = f"{reason} at character {place}"
            template = "not JSON at character {place}"
            problem = malformed_json(Sentence.of(why, template, {"place": place}))
            return respond(problem, request.scope)
        if wrong["loc"] == ("body",) and wrong["type"] != "missing" and not claims_json(request):
            return respond(_not_json(), request.scope)
    fields = [_field_error(wrong["loc"], _message(wrong)) for wrong in errors]
    return respond(invalid(fields), request.scope)


def _message(error: Mapping[str, Any]) -> Sentence:
    """Pydantic's message about a value; the type of its error is the key of the translation."""
    context = error.get("ctx", {})
    return Sentence.of(error["msg"], PREFIX + error["type"], context)


def _other_methods(request: Request) -> Response:
    """The response to a method that no route of this path has, with the allowed ones.

    The framework would list the methods of one route only, and a path may have several routes. HEAD
    is allowed if GET is.
    """
    found = {method for method in _METHODS if _has_route(request, method)}
    allowed = {*found, "OPTIONS", *(["HEAD"] if "GET" in found else [])}
    allow = {"Allow": ", ".join(sorted(allowed))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    problem = Problem(405, "method-not-allowed", "Method Not Allowed", headers=allow)
    return respond(problem, request.scope)


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
    """A location starts with the source of the value: body, query, path or header."""
    source, *path = location or ("body",)
    if source == "query":  # for one of several values, the parameter's name is enough
        path = path[:1]
    if source != "body":
        return FieldError(".".join(map(str, path)), message)
    pointer = "".join(f"/{_escaped(step)}" for step in path)
    return FieldError(_dotted(path), message, pointer)


def _dotted(path: Iterable[str | int]) -> str:
    return ".".join(map(str, path)) or "body"


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
