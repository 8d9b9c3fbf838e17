"""What HTTP answers if the database fails or others change the same at once."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from pymongo.errors import PyMongoError
from starlette.responses import Response

from shared.messaging.core.classification import FailureKind, classify
from shared.messaging.core.errors import HistoryChanged, Stale, StillRecovering
from shared.runtime.problems import Problem, internal, respond, unavailable
from shared.runtime.refused_rights import refused_right
from shared.runtime.sentences import sentence

_log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Answer 409 for a conflict of writers, and 503 or 500 for failures of the database."""
    app.add_exception_handler(Stale, _busy)
    app.add_exception_handler(PyMongoError, _database_failed)
    app.add_exception_handler(StillRecovering, _database_failed)
    app.add_exception_handler(HistoryChanged, _restored)


async def _busy(request: Request, _: Exception) -> Response:
    why = "Others change the same at this moment; try again"
    return respond(Problem(409, "busy", "Changed by others meanwhile", why), request.scope)


async def _restored(request: Request, _: Exception) -> Response:
    why = "The database was restored from an older copy; this process starts anew, try again"
    return respond(unavailable(why), request.scope)


async def _database_failed(request: Request, error: Exception) -> Response:
    if classify(error) is not FailureKind.TRANSIENT:
        _log.error("request failed in the database", exc_info=error)
        return respond(internal(), request.scope)
    if (refused := refused_right(error)) is not None:
        _log.error("request failed in the database", error=refused)
    name = type(error).__name__
    why = sentence("The database does not answer ({error}); try again", error=name)
    return respond(unavailable(why), request.scope)
