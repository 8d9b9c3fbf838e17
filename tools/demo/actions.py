"""What people do to one follow-up: acknowledge, report progress, complete, verify, reopen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from random import Random
from typing import Final, Literal, TypeAlias

from shared.contracts.reference import COORDINATION
from tools.demo.actors import COORDINATION_DESK, MINISTER_OFFICE, Actor, deputy_of, governor_of
from tools.demo.texts import NOTES, REASONS
from tools.demo.workdays import ACTION_TIME, DAY, WorkDays, in_tehran

Kind: TypeAlias = Literal["acknowledge", "progress", "complete", "verify", "reopen"]

_ACTION_WEEKDAYS: Final = (5, 0, 2)  # Saturday, Monday, Wednesday: each day costs the replay a step
_OUTCOMES: Final = ("in time", "late", "never")
_OUTCOME_WEIGHTS: Final = (70, 24, 6)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that somebody does to a follow-up, at a UTC instant."""

    at: datetime
    by: Actor
    kind: Kind
    body: Mapping[str, str | int] = field(default_factory=dict)


def plan_actions(
    rng: Random, deputy: str, province: str, approved_on: date, due_on: date, days: WorkDays
) -> list[Action]:
    """Plan all actions on one follow-up, in order, each on a different day.

    Most follow-ups are completed and verified; some are late, some are never completed. Nobody
    verifies their own work: coordination or the province does, and for coordination the
    Minister's office. The dates are days in Tehran.
    """
    plan = _Plan(rng, deputy, province, days)
    outcome = rng.choices(_OUTCOMES, _OUTCOME_WEIGHTS)[0]
    if outcome == "never":
        plan.acknowledge(approved_on + DAY * rng.randint(1, 6))
        plan.report_progress(due_on)
        return plan.actions
    completed_on = _completion_day(rng, outcome, approved_on, due_on, days)
    wait = rng.randint(1, 6) if rng.random() < 0.9 else (completed_on - approved_on).days - 3
    plan.acknowledge(min(approved_on + DAY * max(wait, 1), completed_on - DAY))
    plan.report_progress(completed_on - DAY)
    plan.complete(completed_on)
    while rng.random() < 0.08:
        plan.reopen(rng.randint(2, 12))
        plan.complete(plan.last_day + DAY * rng.randint(4, 18))
    plan.verify(rng.randint(2, 12))
    if rng.random() < 0.02:
        plan.reopen(rng.randint(10, 30))
        plan.complete(plan.last_day + DAY * rng.randint(4, 15))
        plan.verify(rng.randint(2, 10))
    return plan.actions


def _completion_day(
    rng: Random, outcome: str, approved_on: date, due_on: date, days: WorkDays
) -> date:
    """Choose when the deputy says that it is done: by the due date, or up to four weeks later."""
    if outcome == "late":
        return days.on_or_after(due_on + DAY * rng.randint(1, 28))
    term = (due_on - approved_on).days
    return days.on_or_before(approved_on + DAY * rng.randint(term // 2, term - 2))


def _next_action_day(day: date, days: WorkDays) -> date:
    """Return the day, or the first one after it on which people act on follow-ups."""
    while not (day.weekday() in _ACTION_WEEKDAYS and days.is_worked(day)):
        day += DAY
    return day


class _Plan:
    """The actions so far; each falls on a worked day after the one before."""

    def __init__(self, rng: Random, deputy: str, province: str, days: WorkDays) -> None:
        self._rng = rng
        self._deputy = deputy_of(deputy)
        self._verifiers = (
            (MINISTER_OFFICE,)
            if deputy == COORDINATION
            else (COORDINATION_DESK, governor_of(province))
        )
        self._days = days
        self._progress = 0
        self.actions: list[Action] = []
        self.last_day = date.min  # of the last action

    def acknowledge(self, day: date) -> None:
        self._rng.random()  # unused, but without it the same seed would give another season
        self._add(day, self._deputy, "acknowledge", stance="agreed")

    def report_progress(self, until: date) -> None:
        """Add zero, one or two progress reports between the last action and `until`."""
        for _ in range(self._rng.randint(0, 2)):
            left = (until - self.last_day).days
            if left < 3:
                return
            self._progress = min(95, self._progress + self._rng.randint(10, 45))
            day = self.last_day + DAY * self._rng.randint(1, left - 2)
            if _next_action_day(day, self._days) > until:
                return
            note = self._rng.choice(NOTES)
            self._add(day, self._deputy, "progress", progress=self._progress, note=note)

    def complete(self, day: date) -> None:
        self._add(day, self._deputy, "complete", note=self._rng.choice(NOTES))

    def verify(self, days_later: int) -> None:
        day = self.last_day + DAY * days_later
        self._add(day, self._rng.choice(self._verifiers), "verify")

    def reopen(self, days_later: int) -> None:
        verifier, reason = self._rng.choice(self._verifiers), self._rng.choice(REASONS)
        self._add(self.last_day + DAY * days_later, verifier, "reopen", reason=reason)

    def _add(self, day: date, by: Actor, kind: Kind, **body: str | int) -> None:
        self.last_day = _next_action_day(max(day, self.last_day + DAY), self._days)
        self.actions.append(Action(in_tehran(self.last_day, ACTION_TIME), by, kind, body))
