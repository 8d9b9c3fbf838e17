"""Describe errors in OpenAPI: every one is a problem document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from shared.runtime.problems import MEDIA_TYPE

_ANSWER = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}

PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request cannot be read", **_ANSWER},
    413: {"description": "The body is too large", **_ANSWER},
    429: {"description": "Too many requests; `Retry-After` says when to try again", **_ANSWER},
    422: {"description": "The request is not valid; `errors` names the fields", **_ANSWER},
    "default": {"description": "Any other problem", **_ANSWER},
}

_PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:peygir:problem:invalid"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {
                    "field": {"type": "string", "description": "Dotted name of the field."},
                    "detail": {"type": "string"},
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "label": {
                        "type": "string",
                        "description": "The field's Persian name, in a Persian problem.",
                    },
                },
            },
        },
    },
}


def describe_problems(app: FastAPI) -> None:
    """Add the problem's schema to the app's OpenAPI document."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("Problem", _PROBLEM)
        return document

    app.openapi = described  # type: ignore[method-assign]  # FastAPI documents this way
