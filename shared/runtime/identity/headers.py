"""The open identity of development, which believes the headers."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from shared.runtime.identity.caller import USER
from shared.runtime.principals import Principal, Roles, UnknownRole
from shared.runtime.problems import invalid_header

USER_HEADER = "X-Peygir-User"
ROLES_HEADER = "X-Peygir-Roles"


class OpenIdentity:
    """Believes the headers X-Peygir-User and X-Peygir-Roles (separated by commas).

    Without them the sender is `developer` in every role. For development only.
    """

    def __init__(self, existing: Callable[[], Roles] = Roles.of) -> None:
        """`existing`: the roles that exist; by default those of the reference data."""
        self._existing = existing

    async def authenticate(self, request: Request) -> Principal:
        users = request.headers.getlist(USER_HEADER) or ["developer"]
        if len(users) > 1 or not USER.fullmatch(users[0]):
            raise invalid_header(
                USER_HEADER, "once, 1 to 100 of the characters A-Z a-z 0-9 . _ @ : + -"
            )
        existing = self._existing()
        claimed = request.headers.getlist(ROLES_HEADER)  # may come in parts: RFC 9110, 5.3
        roles = _names(",".join(claimed)) if claimed else existing.every
        try:
            return Principal.with_roles(users[0], roles, existing)
        except UnknownRole as error:
            raise invalid_header(ROLES_HEADER, str(error)) from error


def _names(listed: str) -> frozenset[str]:
    return frozenset(name.strip() for name in listed.split(",") if name.strip())
