"""Who sends an HTTP request: one dependency that every route under /v1 takes.

The only authenticator so far is the open one for development, which believes the headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Protocol

from fastapi import Depends, Request
from starlette.types import Scope

from shared.contracts.reference import DEPUTIES, PROVINCES
from shared.runtime.principals import Principal, UnknownRole, every_role
from shared.runtime.problems import invalid_header

USER_HEADER = "X-Peygir-User"
ROLES_HEADER = "X-Peygir-Roles"

_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:+-]{0,99}")


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


class OpenIdentity:
    """Believes the headers X-Peygir-User and X-Peygir-Roles (separated by commas).

    Without them the sender is `developer` in every role. For development only.
    """

    def __init__(self, deputies: Iterable[str] | None = None) -> None:
        """`deputies` are the existing ids; by default those of the domain's reference data."""
        self._deputies = frozenset(deputies or (deputy.id for deputy in DEPUTIES))
        self._provinces = frozenset(province.code for province in PROVINCES)
        self._everything = every_role(self._deputies, self._provinces)

    async def authenticate(self, request: Request) -> Principal:
        users = request.headers.getlist(USER_HEADER) or ["developer"]
        if len(users) > 1 or not _USER.fullmatch(users[0]):
            raise invalid_header(
                USER_HEADER, "once, 1 to 100 of the characters A-Z a-z 0-9 . _ @ : + -"
            )
        claimed = request.headers.getlist(ROLES_HEADER)  # may come in parts: RFC 9110, 5.3
        roles = _names(",".join(claimed)) if claimed else self._everything
        try:
            return Principal.with_roles(users[0], roles, self._deputies, self._provinces)
        except UnknownRole as error:
            raise invalid_header(ROLES_HEADER, str(error)) from error


async def principal(request: Request) -> Principal:
    """Who sent this request, by the authenticator that the app was built with.

    Raises its Problems, and 429 if the sender sends too many.
    """
    authenticator: Authenticator = request.app.state.authenticator
    found = await authenticator.authenticate(request)
    request.state.principal = found
    rates: Rates = request.app.state.rates
    await rates.admit(found.id, request.scope)
    return found


Caller = Annotated[Principal, Depends(principal)]
"""The type of a route's argument that receives the sender."""


def _names(listed: str) -> frozenset[str]:
    return frozenset(name.strip() for name in listed.split(",") if name.strip())
