"""Who sends an HTTP request: one dependency that every route under /v1 takes."""

from __future__ import annotations

import re
from typing import Annotated, Final, Protocol

from fastapi import Depends, FastAPI, Request
from starlette.types import Scope

from shared.runtime.principals import Principal

USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:+-]{0,99}")
"""The names that a person or a system may have."""


class Authenticator(Protocol):
    """Finds out who sent a request."""

    async def authenticate(self, request: Request) -> Principal:
        """The sender. Raises Problem: 401 if the sender is unknown, 400 for a broken claim."""
        ...


class Rates(Protocol):
    """Counts the requests of a sender (implemented in `shared.runtime.http.rates`)."""

    async def admit(self, key: str, scope: Scope) -> None:
        """Count a request of the sender `key`. Raises Problem 429 if it is one too many."""
        ...


class Absences(Protocol):
    """Knows which deputies are absent, and who acts for them."""

    async def applied_to(self, by: Principal, *, reads: bool) -> Principal:
        """The sender with the absent deputies for whom it acts now; `reads`: it changes nothing."""
        ...


def apply_absences(app: FastAPI, absences: Absences) -> None:
    """Let the senders of an app's requests act for absent deputies too."""
    app.state.absences = absences


async def principal(request: Request) -> Principal:
    """Who sent this request, by the authenticator that the app was built with.

    It also stays in `request.state.principal`, for what has no argument of its own. Raises the
    authenticator's Problems, and 429 if the sender sends too many.
    """
    authenticator: Authenticator = request.app.state.authenticator
    found = await authenticator.authenticate(request)
    request.state.principal = found
    rates: Rates = request.app.state.rates
    await rates.admit(found.id, request.scope)
    absences: Absences | None = getattr(request.app.state, "absences", None)
    if absences is None:
        return found
    return await absences.applied_to(found, reads=request.method in {"GET", "HEAD"})


Caller = Annotated[Principal, Depends(principal)]
"""The type of a route's argument that receives the sender."""
