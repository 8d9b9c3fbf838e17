"""The mail address of each role, and the Persian names of roles, provinces and axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.contracts.reference import AXIS_TITLES_FA, DEPUTY_TITLES_FA, PROVINCE_NAMES_FA
from shared.runtime.principals import COORDINATION, MINISTER_OFFICE


@dataclass(frozen=True, slots=True)
class Addresses:
    """The address of a role: the configured one, otherwise one made from the role's name."""

    domain: str
    known: Mapping[str, str] = field(default_factory=dict)

    def of(self, role: str) -> str:
        """The address of a role; by default that of `deputy:civil` is `deputy.civil@<domain>`."""
        return self.known.get(role) or f"{role.replace(':', '.').lower()}@{self.domain}"


def greeting_of(role: str) -> str:
    """The greeting of a letter to a role."""
    kind, _, id_ = role.partition(":")
    match kind:
        case "province":
            return f"استاندار محترم {province_name(id_)}"
        case "deputy":
            return deputy_name(id_)
        case _:
            return {COORDINATION: deputy_name(COORDINATION), MINISTER_OFFICE: "دفتر وزیر"}[role]


def deputy_name(deputy: str) -> str:
    """A deputy's title; for a deputy that only this installation has, the id."""
    return DEPUTY_TITLES_FA.get(deputy, f"معاونت {deputy}")


def province_name(code: str) -> str:
    return PROVINCE_NAMES_FA.get(code, code)


def axis_name(axis: str) -> str:
    return AXIS_TITLES_FA.get(axis, axis)
