"""What people do about one follow-up: taken note of, moved on, claimed, confirmed or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from random import Random
from typing import Final, Literal, TypeAlias

from shared.contracts.reference import COORDINATION
from tools.demo.days import DAY, DESK_HOUR, WorkDays, in_tehran
from tools.demo.titles import NOTES, REASONS

Kind: TypeAlias = Literal["acknowledge", "progress", "complete", "verify", "reopen"]

_DESK_DAYS: Final = (5, 0, 2)  # few, since each day costs the replay a step
_FATES: Final = ("in time", "late", "never")
_FATE_WEIGHTS: Final = (70, 24, 6)


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody as the services' open identity takes them."""

    id: str
    role: str


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that somebody does to a follow-up."""

    at: datetime
    by: Actor
    kind: Kind
    body: Mapping[str, str | int] = field(default_factory=dict)


OFFICE: Final = Actor("office.minister", "minister-office")
DESK: Final = Actor("desk.coordination", "coordination")


def deputy_of(deputy: str) -> Actor:
    """Who answers for a deputy's follow-ups."""
    return Actor(f"deputy.{deputy}", f"deputy:{deputy}")


def governor_of(province: str) -> Actor:
    """Who speaks for a province."""
    return Actor(f"governor.{province}", f"province:{province}")


def live(
    rng: Random, deputy: str, province: str, approved_on: date, due_on: date, days: WorkDays
) -> list[Deed]:
    """One life: deeds on different days, in order. Most are done and confirmed, some late or never.

    Nobody confirms their own: coordination or the province does, for coordination the Minister's
    office.
    """
    life = _Life(rng, deputy, province, days)
    fate = rng.choices(_FATES, _FATE_WEIGHTS)[0]
    if fate == "never":
        life.acknowledge(approved_on + DAY * rng.randint(1, 6))
        life.progress_until(due_on)
        return life.deeds
    claimed_on = _claim(rng, fate, approved_on, due_on, days)
    noted_after = rng.randint(1, 6) if rng.random() < 0.9 else (claimed_on - approved_on).days - 3
    life.acknowledge(min(approved_on + DAY * max(noted_after, 1), claimed_on - DAY))
    life.progress_until(claimed_on - DAY)
    life.complete(claimed_on)
    while rng.random() < 0.08:
        life.reopen(rng.randint(2, 12))
        life.complete(life.day + DAY * rng.randint(4, 18))
    life.verify(rng.randint(2, 12))
    if rng.random() < 0.02:
        life.reopen(rng.randint(10, 30))
        life.complete(life.day + DAY * rng.randint(4, 15))
        life.verify(rng.randint(2, 10))
    return life.deeds


def _claim(rng: Random, fate: str, approved_on: date, due_on: date, days: WorkDays) -> date:
    """When the deputy says it is done: at the latest on the due date, or up to four weeks later."""
    if fate == "late":
        return days.from_(due_on + DAY * rng.randint(1, 28))
    term = (due_on - approved_on).days
    return days.until(approved_on + DAY * rng.randint(term // 2, term - 2))


def _desk_day(day: date, days: WorkDays) -> date:
    """The day, or the next one, on which this is worked on: Saturday, Monday, Wednesday."""
    while not (day.weekday() in _DESK_DAYS and days.is_worked(day)):
        day += DAY
    return day


class _Life:
    """Deeds so far; each falls on a worked day after the one before."""

    def __init__(self, rng: Random, deputy: str, province: str, days: WorkDays) -> None:
        self._rng = rng
        self._deputy = deputy_of(deputy)
        self._others = (OFFICE,) if deputy == COORDINATION else (DESK, governor_of(province))
        self._days = days
        self._progress = 0
        self.deeds: list[Deed] = []
        self.day = date.min  # of the last deed

    def acknowledge(self, day: date) -> None:
        self._rng.random()  # chance has one more word here, so that a seed gives the season it gave
        self._add(day, self._deputy, "acknowledge", stance="agreed")

    def progress_until(self, last: date) -> None:
        """No, one or two reports of progress between now and then."""
        for _ in range(self._rng.randint(0, 2)):
            left = (last - self.day).days
            if left < 3:
                return
            self._progress = min(95, self._progress + self._rng.randint(10, 45))
            day = self.day + DAY * self._rng.randint(1, left - 2)
            if _desk_day(day, self._days) > last:
                return
            note = self._rng.choice(NOTES)
            self._add(day, self._deputy, "progress", progress=self._progress, note=note)

    def complete(self, day: date) -> None:
        self._add(day, self._deputy, "complete", note=self._rng.choice(NOTES))

    def verify(self, days_later: int) -> None:
        self._add(self.day + DAY * days_later, self._rng.choice(self._others), "verify")

    def reopen(self, days_later: int) -> None:
        other, reason = self._rng.choice(self._others), self._rng.choice(REASONS)
        self._add(self.day + DAY * days_later, other, "reopen", reason=reason)

    def _add(self, day: date, by: Actor, kind: Kind, **body: str | int) -> None:
        self.day = _desk_day(max(day, self.day + DAY), self._days)
        self.deeds.append(Deed(in_tehran(self.day, DESK_HOUR), by, kind, body))
