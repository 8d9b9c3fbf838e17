"""Who acts, and in which roles; independent of how a sender proves it.

Roles: `coordination` (the deputy for coordination of provincial affairs, who owns the process),
`minister-office`, `operator` (keeps the installation running), `system` (another system),
`deputy:<id>` and `province:<ISO 3166-2:IR code>`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Self

from shared.runtime.sentences import sentence

COORDINATION = "coordination"
MINISTER_OFFICE = "minister-office"
OPERATOR = "operator"
SYSTEM = "system"
PLAIN_ROLES = frozenset({COORDINATION, MINISTER_OFFICE, OPERATOR, SYSTEM})

_DEPUTY = "deputy:"
_PROVINCE = "province:"


class UnknownRole(ValueError):
    """A role that does not exist; the message names it and the allowed ones."""


@dataclass(frozen=True, slots=True)
class Authority:
    """By what somebody acts, for the audit trail: it names the token, and never contains it."""

    token_id: str  # its `jti`, or a hash of it
    client: str | None  # the application that the token was issued to
    address: str | None  # from where the request came
    roles: tuple[str, ...]  # in alphabetical order: those of the token


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request, with its roles. Build it with `with_roles`."""

    id: str
    roles: frozenset[str]
    deputies: frozenset[str]
    provinces: frozenset[str]
    authority: Authority | None = field(default=None, compare=False)
    """None in development, where headers are believed."""

    @classmethod
    def with_roles(
        cls,
        user: str,
        roles: Iterable[str],
        known_deputies: Collection[str],
        known_provinces: Collection[str],
    ) -> Self:
        """A principal with those roles. Raises UnknownRole for one that does not exist."""
        claimed = frozenset(roles)
        deputies = frozenset(r.removeprefix(_DEPUTY) for r in claimed if r.startswith(_DEPUTY))
        provinces = frozenset(r.removeprefix(_PROVINCE) for r in claimed if r.startswith(_PROVINCE))
        for role in sorted(claimed):
            kind, _, name = role.partition(":")
            if not (
                role in PLAIN_ROLES
                or (kind == "deputy" and name in known_deputies)
                or (kind == "province" and name in known_provinces)
            ):
                allowed = [*sorted(PLAIN_ROLES), "deputy:<id>", "province:<code>"]
                template = "{role} is no role; allowed: {allowed}"
                raise UnknownRole(sentence(template, role=f"'{role}'", allowed=allowed))
        return cls(user, claimed, deputies, provinces)

    @property
    def is_coordination(self) -> bool:
        """Receives reports, verifies closure, decides on extensions."""
        return COORDINATION in self.roles

    @property
    def is_minister_office(self) -> bool:
        """Verifies resolutions for which coordination itself was responsible."""
        return MINISTER_OFFICE in self.roles

    @property
    def is_operator(self) -> bool:
        """Keeps the installation running; decides nothing in the domain."""
        return OPERATOR in self.roles

    @property
    def is_system(self) -> bool:
        """Another system, without a person behind the request."""
        return SYSTEM in self.roles

    def answers_for(self, deputy: str) -> bool:
        """Whether this is that deputy or a member of the deputy's staff."""
        return deputy in self.deputies

    def speaks_for(self, province: str) -> bool:
        """Whether this is that province's governor or a member of the governor's staff."""
        return province in self.provinces


def every_role(deputies: Iterable[str], provinces: Iterable[str]) -> frozenset[str]:
    """All roles that exist with those deputies and provinces."""
    return (
        PLAIN_ROLES
        | {_DEPUTY + deputy for deputy in deputies}
        | {_PROVINCE + province for province in provinces}
    )
