"""Lives of follow-ups for benchmarks, made by the domain's decisions and escalation policy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final, TypeAlias
from uuid import UUID

from services.followups.domain import decisions
from services.followups.domain.escalation import EscalationPolicy
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import Fact, Opened
from services.followups.domain.records import Followup, Resolution
from services.followups.events import _dedup_key, to_event
from services.followups.handlers import Change, HandlerContext
from services.followups.store import MongoFollowupRepository
from shared.contracts.reference import AXES, PROVINCES
from shared.contracts.topics import Topics
from shared.messaging.core.model import Event
from shared.messaging.ledger.ledger import Ledger
from shared.runtime import mongo
from shared.runtime.calendar import WorkingCalendar, start_of_day, tehran_date, to_jalali
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.principals import COORDINATION, MINISTER_OFFICE, Principal, Roles
from shared.service.sources import source_of

DAYS: Final = 1_095
"""The number of days with approvals; the latest of them is `_LATEST` days ago."""

_LATEST: Final = 60
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_TEXT: Final = "تکمیل و بهره‌برداری از طرح آبرسانی روستاهای بخش مرکزی تا پایان سال جاری. " * 2


class Kind(StrEnum):
    """The present condition of a follow-up."""

    OPENED = "opened"  # in time, not acknowledged
    WORKED = "worked"  # in time
    LEVEL_1 = "level-1"
    LEVEL_2 = "level-2"
    LEVEL_3 = "level-3"
    VERIFIED = "verified"
    DUE = "due"  # level 1 is reached, but not announced yet


Stock: TypeAlias = Mapping[Kind, int]


def stock(
    count: int, verified: int = 70, overdue: tuple[int, int, int] = (1, 1, 3), due: int = 0
) -> Stock:
    """Return the number of follow-ups per kind; `due` come on top of `count`.

    `verified` and `overdue` (by level) are percentages of `count`; the rest is in time.
    """
    kinds = (Kind.VERIFIED, Kind.LEVEL_1, Kind.LEVEL_2, Kind.LEVEL_3)
    shares = zip(kinds, (verified, *overdue), strict=True)
    found = {kind: count * share // 100 for kind, share in shares}
    left = count - sum(found.values())
    return {**found, Kind.OPENED: left // 2, Kind.WORKED: left - left // 2, Kind.DUE: due}


@dataclass(frozen=True, slots=True)
class Place:
    """What distinguishes a copy from others of its kind and day."""

    resolution_id: str
    province: str
    axis: str

    @property
    def fingerprint(self) -> str:
        """A replacement for the fingerprint of the approval, which would be too slow."""
        return sha256(self.resolution_id.encode()).hexdigest()


class Life:
    """The life of one follow-up, version by version."""

    def __init__(self, resolution: Resolution, fingerprint: str, context: HandlerContext) -> None:
        self._tracking = context
        self.versions: list[Followup] = []
        self.events: list[Event] = []
        self.distinctions: list[str | int] = []
        at = resolution.approved_at + _HOUR
        last = context.escalation.acknowledge_by(resolution, at)
        self._add(decisions.open_(resolution, source_of("scheduler"), fingerprint, at, last))

    @property
    def change(self) -> Change:
        """The whole life as one change."""
        alert = self._tracking.escalation.next_alert(self.versions[-1])
        passed = self.versions[:-1]
        return Change(None, self.versions[-1], self.events, alert, passed=passed)

    def act(self, at: datetime, decide: Callable[[Followup], Fact]) -> None:
        """Announce what is due by an instant (UTC), then apply a decision."""
        self.wait(at)
        self._add(decide(self.versions[-1]))

    def wait(self, until: datetime) -> None:
        """Announce what is due up to an instant (UTC)."""
        escalation = self._tracking.escalation
        while (at := escalation.next_alert(self.versions[-1])) is not None and at <= until:
            for fact in escalation.passed(self.versions[-1], at):
                self._add(fact)

    def _add(self, fact: Fact) -> None:
        after = opened(fact) if isinstance(fact, Opened) else evolve(self.versions[-1], fact)
        self.versions.append(after)
        self.events.append(to_event(after, fact, self._tracking.topic, None))
        self.distinctions.append(_dedup_key(after, fact))


class Lives:
    """The lives of a deputy's follow-ups up to an instant (UTC)."""

    def __init__(self, context: HandlerContext, now: datetime) -> None:
        self._tracking = context
        self._now = now
        self._today = tehran_date(now)
        known = [context.deputy]
        of_deputy = [f"deputy:{context.deputy}"]
        self._deputy = Principal.with_roles("d.bench", of_deputy, Roles.of(known))
        of_centre = [COORDINATION, MINISTER_OFFICE]
        self._verifier = Principal.with_roles("m.bench", of_centre, Roles.of())
        self._latest_due = {1: self._latest(1), 2: self._latest(2)}

    def of(self, kind: Kind, number: int, place: Place) -> Life:
        """Return a life; `number` counts the days from the earliest approval."""
        on = self._today - (_LATEST + DAYS - 1 - number) * _DAY
        deputy, life = self._deputy, self._open(on, self._due(kind, number, on), place)
        one, ten, twenty, later = (start_of_day(on) + n * _DAY + 9 * _HOUR for n in (1, 10, 20, 25))
        if kind is not Kind.OPENED:
            life.act(one, lambda f: decisions.acknowledge(f, deputy, "agreed", None, one))
            if number % 2:
                life.act(ten, lambda f: decisions.report_progress(f, deputy, 40, None, ten))
        if kind is Kind.VERIFIED:
            verifier = self._verifier
            life.act(twenty, lambda f: decisions.complete(f, deputy, None, twenty))
            life.act(later, lambda f: decisions.verify(f, verifier, "done", None, later))
        announced_before = start_of_day(self._latest_due[1] + _DAY) - _HOUR
        life.wait(announced_before if kind is Kind.DUE else self._now)
        return life

    def _due(self, kind: Kind, number: int, approved_on: date) -> date:
        match kind:
            case Kind.OPENED | Kind.WORKED:
                return self._today + (60 + number % 200) * _DAY
            case Kind.LEVEL_1 | Kind.DUE:
                return self._latest_due[1]
            case Kind.LEVEL_2:
                return self._latest_due[2]
            case Kind.LEVEL_3:
                return approved_on + 30 * _DAY
            case Kind.VERIFIED:  # every twentieth was late
                return approved_on + (30 if number % 20 else 15) * _DAY

    def _latest(self, level: int) -> date:
        """Return the latest due date that has this level now, so that it stays there for days."""
        for back in itertools.count(1):
            due_on = self._today - back * _DAY
            life = self._open(due_on - _LATEST * _DAY, due_on, BLANK)
            life.wait(self._now)
            if life.versions[-1].level == level:
                return due_on
        raise AssertionError(level)

    def _open(self, approved_on: date, due_on: date, place: Place) -> Life:
        resolution = Resolution(
            resolution_id=place.resolution_id,
            deputy=self._tracking.deputy,
            title=f"طرح آبرسانی روستایی {place.resolution_id}",
            approved_at=start_of_day(approved_on) + 9 * _HOUR,
            due_on=due_on,
            session_id=f"{to_jalali(approved_on).year}-{place.province}",
            session_kind="provincial",
            province=place.province,
            axis=place.axis,
            text=_TEXT,
        )
        return Life(resolution, place.fingerprint, self._tracking)


BLANK: Final = Place(str(UUID(int=0)), PROVINCES[0].code, AXES[0].id)


def tracking_of(deputy: str, namespace: str) -> HandlerContext:
    """Return the context as the service creates it by default."""
    topics = Topics((deputy,), namespace)
    escalation, scheduler = EscalationPolicy(WorkingCalendar.iran()), source_of("scheduler")
    return HandlerContext(
        deputy, escalation, topics.followups(deputy), scheduler, topics.resolutions
    )


def store_of(
    client: mongo.Client, deputy: str, namespace: str
) -> tuple[MongoFollowupRepository, mongo.Database]:
    """Return the store as the service creates it, and its database."""
    database = mongo.database(client, f"{namespace}followups_{deputy}")
    return MongoFollowupRepository(Ledger(database, clock=SystemMachineClock()), deputy), database
