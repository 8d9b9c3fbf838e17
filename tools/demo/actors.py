"""The people of the season, each with the role in which they send requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


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
