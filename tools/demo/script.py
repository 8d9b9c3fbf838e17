"""The script of the season: who does what, and when.

Pure and seeded: no service is asked. The same seed always gives the same provinces in the same
order, the same resolutions, and the same actions at the same instants. A shorter script is the
beginning of the longer one; the sessions that it leaves out are cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import product
from random import Random
from typing import Final

from shared.contracts.reference import AXES, COORDINATION, DEPUTIES, PROVINCES
from tools.demo.actions import Action, plan_actions
from tools.demo.counties import COUNTIES
from tools.demo.texts import EXECUTING_BODIES, TITLES
from tools.demo.workdays import ACTION_TIME, DAY, WorkDays, in_tehran

SEASON: Final = "1402"
SESSIONS: Final = len(PROVINCES)
SESSION_OPENS: Final = time(9, 0)  # in Tehran
SESSION_LENGTH: Final = timedelta(minutes=270)

_FIRST_DAY: Final = date(2023, 8, 14)  # Monday 23 Mordad 1402; 30 weeks later is 21 Esfand
_PREPARATION: Final = timedelta(days=19)  # before the first session: circular and calendar
_AFTERMATH: Final = timedelta(days=132)  # after the last session: until the end of Tir 1403
_REPORT_BEFORE: Final = timedelta(hours=72)
_RESOLUTIONS: Final = 36  # per session, on average
_DUE_WEEKS: Final = (2, 3, 4, 6, 8, 10, 12, 16)  # at most 120 days
_URGENT_DUE_WEEKS: Final = (2, 3, 4)
_DEPUTY_WEIGHTS: Final = {"civil": 7, "economic": 6, "municipalities": 5, "coordination": 2}
_OTHER_WEIGHT: Final = 4
_SESSIONS_PER_LATE_REPORT: Final = 10


@dataclass(frozen=True, slots=True)
class Resolution:
    """A resolution, with all actions on its follow-up."""

    resolution_id: str
    session_id: str
    province: str
    deputy: str
    axis: str | None
    title: str
    text: str
    number: str
    due_on: date  # in Tehran
    urgent: bool
    supporting: tuple[str, ...]
    executing_body: str | None
    approved_at: datetime
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """A revision of a report, and when it is distributed to the deputies."""

    revision: int
    at: datetime
    distributed_at: datetime
    initiatives: int
    unanswered: int  # sub-axes that stay empty


@dataclass(frozen=True, slots=True)
class Session:
    """A province's session, the report before it, and the resolutions that it approves."""

    session_id: str
    province: str
    opens_at: datetime
    closes_at: datetime
    report_due_at: datetime
    submissions: tuple[Submission, ...]
    resolutions: tuple[Resolution, ...]

    @property
    def report_is_late(self) -> bool:
        """Whether the first revision comes after the report was due."""
        return self.submissions[0].at > self.report_due_at


@dataclass(frozen=True, slots=True)
class Script:
    """The whole season; all instants are UTC."""

    seed: int
    starts_on: date  # in Tehran
    provinces: tuple[str, ...]  # all of them, in the order of their sessions
    begins_at: datetime
    ends_at: datetime
    sessions: tuple[Session, ...]  # of the first provinces; those of the others are cancelled

    @property
    def cancelled(self) -> tuple[str, ...]:
        """The ids of the sessions that a shorter script leaves out."""
        return tuple(session_id_of(code) for code in self.provinces[len(self.sessions) :])

    @property
    def cancelled_at(self) -> datetime:
        """When these sessions are cancelled."""
        return self.begins_at + DAY

    @property
    def resolutions(self) -> tuple[Resolution, ...]:
        """The resolutions of all sessions, in the order of their approval."""
        return tuple(r for session in self.sessions for r in session.resolutions)


def session_id_of(province: str) -> str:
    """Return the id of a province's session."""
    return f"{SEASON}-{province}"


def write_script(seed: int, sessions: int = SESSIONS) -> Script:
    """Write the script of a season of which the first `sessions` sessions (1 to 31) are held."""
    days = WorkDays()
    provinces = [province.code for province in PROVINCES]
    Random(f"{seed}/provinces").shuffle(provinces)
    counts = _resolution_counts(Random(f"{seed}/counts"))
    late = _late_sessions(Random(f"{seed}/late"))
    held_on = [days.nearest_in_week(_FIRST_DAY + 7 * DAY * n) for n in range(sessions)]
    ends_at = in_tehran(held_on[-1] + _AFTERMATH, ACTION_TIME)
    return Script(
        seed=seed,
        starts_on=_FIRST_DAY,
        provinces=tuple(provinces),
        begins_at=in_tehran(_FIRST_DAY - _PREPARATION, ACTION_TIME),
        ends_at=ends_at,
        sessions=tuple(
            _SessionWriter(seed, provinces[n], held_on[n], ends_at, days).write(
                counts[n], late=n in late
            )
            for n in range(sessions)
        ),
    )


def _resolution_counts(rng: Random) -> list[int]:
    """Choose how many resolutions each session has, so that the first 17 have over 600 together.

    Sessions come in pairs: one has as many above the average as the other has below it.
    """
    counts: list[int] = []
    for _ in range(0, SESSIONS + 1, 2):
        more = rng.randint(0, 5)
        counts += [_RESOLUTIONS + more, _RESOLUTIONS - more]
    return counts[:SESSIONS]


def _late_sessions(rng: Random) -> frozenset[int]:
    """Choose whose reports are late: about one session in ten, and one of the first three."""
    others = rng.sample(range(3, SESSIONS), SESSIONS // _SESSIONS_PER_LATE_REPORT - 1)
    return frozenset({rng.randrange(3), *others})


class _SessionWriter:
    """Writes one session, from a random sequence that no other session shares."""

    def __init__(
        self, seed: int, province: str, day: date, ends_at: datetime, days: WorkDays
    ) -> None:
        """`day` is that of the session; `ends_at` is the end of the season."""
        self._session_id = session_id_of(province)
        self._rng = Random(f"{seed}/{self._session_id}")
        self._province = province
        self._day = day
        self._opens_at = in_tehran(day, SESSION_OPENS)
        self._ends_at = ends_at
        self._days = days

    def write(self, resolutions: int, *, late: bool) -> Session:
        """Write the session with so many resolutions; `late` is whether its report is."""
        return Session(
            session_id=self._session_id,
            province=self._province,
            opens_at=self._opens_at,
            closes_at=self._opens_at + SESSION_LENGTH,
            report_due_at=self._opens_at - _REPORT_BEFORE,
            submissions=self._submissions(late=late),
            resolutions=self._resolutions(resolutions),
        )

    def _submissions(self, *, late: bool) -> tuple[Submission, ...]:
        """Write the revisions of the report.

        A late report comes two days before the session, after it was due. Any other comes four to
        nine days before the session, and one in eight of these is revised on the eve of it.
        """
        eve = self._day - DAY
        if late:
            first = self._day - 2 * DAY
        else:
            first = self._days.on_or_before(self._day - DAY * self._rng.randint(4, 9))
        submissions = [self._submission(1, first, min(first + DAY, eve))]
        if not late and self._rng.random() < 1 / 8:
            submissions.append(self._submission(2, eve, eve))
        return tuple(submissions)

    def _submission(self, revision: int, day: date, distributed_on: date) -> Submission:
        return Submission(
            revision=revision,
            at=in_tehran(day, ACTION_TIME),
            distributed_at=in_tehran(distributed_on, ACTION_TIME),
            initiatives=self._rng.randint(1, 4),
            unanswered=self._rng.randint(0, 6),
        )

    def _resolutions(self, count: int) -> tuple[Resolution, ...]:
        ids = [deputy.id for deputy in DEPUTIES]
        weights = [_DEPUTY_WEIGHTS.get(id_, _OTHER_WEIGHT) for id_ in ids]
        titles = {id_: self._shuffled_titles(id_) for id_ in ids}
        deputies = self._rng.choices(ids, weights, k=count)
        return tuple(
            self._resolution(number, deputy, titles[deputy].pop())
            for number, deputy in enumerate(deputies, start=1)
        )

    def _shuffled_titles(self, deputy: str) -> list[str]:
        pairs = product(TITLES[deputy], COUNTIES[self._province])
        titles = [title.format(county=county) for title, county in pairs]
        self._rng.shuffle(titles)
        return titles

    def _resolution(self, number: int, deputy: str, title: str) -> Resolution:
        rng, province = self._rng, self._province
        urgent = rng.random() < 0.12
        due_on = self._day + 7 * DAY * rng.choice(_URGENT_DUE_WEEKS if urgent else _DUE_WEEKS)
        others = [d.title_fa for d in DEPUTIES if d.id not in {deputy, COORDINATION}]
        outside = rng.random() < 0.3
        actions = plan_actions(rng, deputy, province, self._day, due_on, self._days)
        return Resolution(
            resolution_id=f"{self._session_id}-R{number:03}",
            session_id=self._session_id,
            province=province,
            deputy=deputy,
            axis=next((axis.id for axis in AXES if axis.deputy == deputy), None),
            title=title,
            text=f"مقرر شد {title} پیگیری و نتیجه به دبیرخانه نشست اعلام شود.",
            number=f"{SEASON}/{province}/{number:03}",
            due_on=due_on,
            urgent=urgent,
            supporting=tuple(rng.sample(others, rng.choice((0, 0, 1, 2)))),
            executing_body=rng.choice(EXECUTING_BODIES[deputy]) if outside else None,
            approved_at=self._opens_at + SESSION_LENGTH,
            actions=tuple(action for action in actions if action.at <= self._ends_at),
        )
