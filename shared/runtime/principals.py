"""Who acts, and in which roles; independent of how a sender proves it.

Roles: `coordination` (the deputy for coordination of provincial affairs, who owns the process),
`minister-office`, `auditor` (reads, and changes nothing), `operator` (keeps the installation
running), `system` (another system that reads), `deputy:<id>`, `province:<ISO 3166-2:IR code>`,
`adviser:<axis>` and `integrator:<name>` (another system that also publishes events).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, Self

from shared.contracts.reference import AXES, DEPUTIES, PROVINCES
from shared.runtime.sentences import sentence

COORDINATION = "coordination"
MINISTER_OFFICE = "minister-office"
AUDITOR = "auditor"
OPERATOR = "operator"
SYSTEM = "system"
PLAIN_ROLES = frozenset({COORDINATION, MINISTER_OFFICE, AUDITOR, OPERATOR, SYSTEM})

_DEPUTY = "deputy:"
_PROVINCE = "province:"
_ADVISER = "adviser:"
_INTEGRATOR = "integrator:"

INTEGRATOR_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


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
class Substitution:
    """The absence by which somebody acts for a deputy."""

    absence_id: str
    last_on: date  # the last day, Asia/Tehran


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles that exist in an installation."""

    deputies: frozenset[str]
    provinces: frozenset[str]
    axes: frozenset[str]
    integrators: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By name, the deputies whose resolutions that system approves."""

    @classmethod
    def of(
        cls,
        deputies: Iterable[str] | None = None,
        integrators: Mapping[str, frozenset[str]] | None = None,
    ) -> Self:
        """The roles with these deputies; by default those of the domain's reference data."""
        return cls(
            frozenset(deputies or (deputy.id for deputy in DEPUTIES)),
            frozenset(province.code for province in PROVINCES),
            frozenset(axis.id for axis in AXES),
            integrators or {},
        )

    @property
    def every(self) -> frozenset[str]:
        """All roles of people and of systems that read; integrators have theirs by agreement."""
        return (
            PLAIN_ROLES
            | {_DEPUTY + deputy for deputy in self.deputies}
            | {_PROVINCE + province for province in self.provinces}
            | {_ADVISER + axis for axis in self.axes}
        )

    def has(self, role: str) -> bool:
        """Whether a role exists. Each integrator's does, even if no deputy is assigned to it."""
        name = role.removeprefix(_INTEGRATOR)
        return role in self.every or (name != role and bool(INTEGRATOR_NAME.fullmatch(name)))


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request, with its roles. Build it with `with_roles`."""

    id: str
    roles: frozenset[str]
    deputies: frozenset[str] = frozenset()
    provinces: frozenset[str] = frozenset()
    axes: frozenset[str] = frozenset()  # on which it advises
    integrates: frozenset[str] = frozenset()  # deputies whose resolutions it approves
    authority: Authority | None = field(default=None, compare=False)
    """None in development, where headers are believed."""
    substitutions: Mapping[str, Substitution] = field(default_factory=dict, hash=False)
    """The absent deputies for whom it acts at this moment. No role says it: see `with_absences`."""

    @classmethod
    def with_roles(cls, user: str, roles: Iterable[str], existing: Roles) -> Self:
        """A principal with those roles. Raises UnknownRole for one that does not exist."""
        claimed = frozenset(roles)
        for role in sorted(claimed):
            if not existing.has(role):
                raise UnknownRole(
                    sentence(
                        "{role} is no role; allowed: {allowed}", role=f"'{role}'", allowed=_ALLOWED
                    )
                )
        names = _named(claimed, _INTEGRATOR)
        return cls(
            user,
            claimed,
            _named(claimed, _DEPUTY),
            _named(claimed, _PROVINCE),
            _named(claimed, _ADVISER),
            frozenset(
                deputy for name in names for deputy in existing.integrators.get(name, frozenset())
            ),
        )

    def with_absences(self, substitutions: Mapping[str, Substitution]) -> Self:
        """The same, acting for these absent deputies. Who has a deputy's role needs no absence."""
        needed = {d: s for d, s in substitutions.items() if not self.answers_for(d)}
        return replace(self, substitutions=needed)

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
    def is_machine(self) -> bool:
        """Another system, without a person behind the request."""
        return any(role == SYSTEM or role.startswith(_INTEGRATOR) for role in self.roles)

    def answers_for(self, deputy: str) -> bool:
        """Whether this is that deputy or a member of the deputy's staff."""
        return deputy in self.deputies

    def substitution(self, deputy: str) -> Substitution | None:
        """The absence by which it acts for that deputy; None if it is not the substitute."""
        return self.substitutions.get(deputy)

    def acts_as(self, deputy: str) -> bool:
        """Whether this is that deputy, the deputy's staff, or the substitute while it is absent."""
        return self.answers_for(deputy) or deputy in self.substitutions

    def speaks_for(self, province: str) -> bool:
        """Whether this is that province's governor or a member of the governor's staff."""
        return province in self.provinces


_ALLOWED: Final = [
    *sorted(PLAIN_ROLES),
    "deputy:<id>",
    "province:<code>",
    "adviser:<axis>",
    "integrator:<name>",
]


def deputy_role(deputy: str) -> str:
    """The role of a deputy and the deputy's staff."""
    return _DEPUTY + deputy


def _named(roles: Collection[str], prefix: str) -> frozenset[str]:
    return frozenset(role.removeprefix(prefix) for role in roles if role.startswith(prefix))
