"""Violations of laws, and their kinds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kind of law that is broken."""

    LOST = "lost"  # what was acknowledged, committed or published is not there
    DOUBLED = "doubled"  # one event too many, or two under one id
    UNASKED = "unasked"  # an effect that nobody asked for, or that was refused
    ABORTED = "aborted"  # an effect of a transaction that was aborted
    DISORDER = "disorder"
    GAP = "gap"
    LEVEL = "level"
    POISON = "poison"
    PENDING = "pending"
    LAG = "lag"
    SCORECARD = "scorecard"


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """A law that a history breaks."""

    kind: Kind
    about: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.about}: {self.detail}"


def by_kind(violations: Iterable[Violation]) -> Mapping[Kind, int]:
    """Count the violations of each kind, also those with none."""
    counted = Counter(violation.kind for violation in violations)
    return {kind: counted[kind] for kind in Kind}
