"""The people of the season, each with the role in which they send requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.contracts.reference import DEPUTIES, PROVINCES


@dataclass(frozen=True, slots=True)
class Actor:
    """A person and their role, as the services' development identity takes them from headers."""

    id: str
    role: str


MINISTER_OFFICE: Final = Actor("office.minister", "minister-office")
COORDINATION_DESK: Final = Actor("desk.coordination", "coordination")


def deputy_of(deputy: str) -> Actor:
    """Return the deputy minister who answers for the follow-ups of this deputy id."""
    return Actor(f"deputy.{deputy}", f"deputy:{deputy}")


def governor_of(province: str) -> Actor:
    """Return the governor who speaks for a province (ISO 3166-2:IR code)."""
    return Actor(f"governor.{province}", f"province:{province}")


EVERYBODY: Final = (
    MINISTER_OFFICE,
    COORDINATION_DESK,
    *(deputy_of(deputy.id) for deputy in DEPUTIES),
    *(governor_of(province.code) for province in PROVINCES),
)
"""Everybody who sends a request in any season."""

_FOLDERS: Final[Mapping[str, str]] = {"deputy": "deputies", "province": "provinces"}


def group_of(actor: Actor) -> str:
    """Return the group of the identity provider that gives an actor the role."""
    kind, colon, what = actor.role.partition(":")
    return f"/{_FOLDERS[kind]}/{what}" if colon else f"/{actor.role}"
