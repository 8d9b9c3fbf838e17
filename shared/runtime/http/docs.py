"""Pages that describe the service to people. They load nothing from other hosts, since
installations may run on closed networks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from shared.runtime.http import events_page
from shared.runtime.safe_text import writable

_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}

_START = """\
SwaggerUIBundle({
  url: %s,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


def swagger(title: str) -> APIRouter:
    """/docs: Swagger UI over /openapi.json, its files from the package fastapi-offline."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def page(request: Request) -> Response:
        return HTMLResponse(_render("docs.html", title=title, root=_root(request)))

    @router.get("/docs/start.js")
    async def start(request: Request) -> Response:
        # A separate file: the content security policy allows no script within a page.
        script = _START % json.dumps(f"{_root(request)}/openapi.json")
        return Response(script, media_type="text/javascript")

    for name, media_type in _ASSETS.items():
        router.add_api_route(f"/docs/{name}", _asset(name, media_type), methods=["GET"])
    return router


def events(asyncapi: Callable[[], Mapping[str, Any]]) -> APIRouter:
    """/asyncapi.json, the AsyncAPI document, and /asyncapi, the same as a page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/asyncapi.json")
    async def document() -> Response:
        return JSONResponse(asyncapi())

    @router.get("/asyncapi")
    async def page(request: Request) -> Response:
        spec = asyncapi()
        return HTMLResponse(
            _render(
                "asyncapi.html",
                root=_root(request),
                spec=spec,
                channels=events_page.channels(spec),
                messages=events_page.messages(spec),
                headers=events_page.headers(spec),
            )
        )

    return router


def _asset(name: str, media_type: str) -> Callable[[], Any]:
    async def send() -> Response:
        return FileResponse(_assets() / name, media_type=media_type)

    return send


def _assets() -> Path:
    """The folder of Swagger UI in fastapi-offline. Raises FileNotFoundError if it is missing."""
    package = find_spec("fastapi_offline")
    if package is None or package.origin is None:
        raise FileNotFoundError("the package fastapi-offline is not installed")
    return Path(package.origin).parent / "static"


def _root(request: Request) -> str:
    """The part of the path that a proxy has removed."""
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")


def _render(template: str, **values: Any) -> str:
    # It needs some 5 MB, for pages that are rarely read.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=_writable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def _writable(value: Any) -> Any:
    """A value of a template made safe; markup and other types stay as they are."""
    return writable(value) if type(value) is str else value
