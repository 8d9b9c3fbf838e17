"""The headers that tell a browser what it must not do with an answer (OWASP ASVS 5.0, V3.4)."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Message

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_PAGE: Final = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
"""Swagger UI styles its elements itself, and its pictures are in its style sheet."""

_DATA: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_PICTURE: Final = f"{_DATA}; style-src 'unsafe-inline'; sandbox"
"""A picture opened as a page has no origin and runs nothing, whatever somebody got into it."""

_YEAR_SECONDS: Final = 31_536_000


def secured(start: Message, path: str, is_encrypted: bool) -> None:
    """Add the security headers to the first message of a response.

    A page for people gets what it needs from this host, everything under /v1 nothing at all: it is
    data, also a file of evidence that claims to be a page. No cache keeps what is under /v1,
    unless the route says otherwise.
    """
    headers = MutableHeaders(scope=start)
    headers.update(_ALWAYS)
    is_data = "/v1/" in path
    media_type = headers.get("content-type", "").partition(";")[0]
    if media_type == "text/html" and not is_data:
        headers["Content-Security-Policy"] = _PAGE
    elif media_type in {"image/svg+xml", "text/html", "application/xhtml+xml"}:
        headers["Content-Security-Policy"] = _PICTURE
    else:
        headers["Content-Security-Policy"] = _DATA
    if is_data:
        headers.setdefault("Cache-Control", "no-store")
    if is_encrypted:
        headers["Strict-Transport-Security"] = f"max-age={_YEAR_SECONDS}"
