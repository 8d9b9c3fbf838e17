"""Where a role gets its mail, and what things are called in Persian."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.contracts.reference import AXES, DEPUTIES, PROVINCES
from shared.runtime.principals import COORDINATION, MINISTER_OFFICE

_DEPUTIES: Mapping[str, str] = {deputy.id: deputy.title_fa for deputy in DEPUTIES}
_PROVINCES: Mapping[str, str] = {province.code: province.name_fa for province in PROVINCES}
_AXES: Mapping[str, str] = {axis.id: axis.title_fa for axis in AXES}


@dataclass(frozen=True, slots=True)
class Addresses:
    """The address of a role: the one that is known, else one made from the role's name."""

    domain: str
    known: Mapping[str, str] = field(default_factory=dict)

    def of(self, role: str) -> str:
        """`deputy:civil` is `deputy.civil@<domain>`."""
        return self.known.get(role) or f"{role.replace(':', '.').lower()}@{self.domain}"


def greeting_of(role: str) -> str:
    """How a letter begins that goes to a role."""
    kind, _, id_ = role.partition(":")
    match kind:
        case "province":
            return f"استاندار محترم {province_name(id_)}"
        case "deputy":
            return deputy_name(id_)
        case _:
            return {COORDINATION: _DEPUTIES[COORDINATION], MINISTER_OFFICE: "دفتر وزیر"}[role]


def deputy_name(deputy: str) -> str:
    """A deputy's title; one that only this installation knows goes by the id."""
    return _DEPUTIES.get(deputy, f"معاونت {deputy}")


def province_name(code: str) -> str:
    return _PROVINCES.get(code, code)


def axis_name(axis: str) -> str:
    return _AXES.get(axis, axis)
