"""The script of the season: who does what, and when. Pure and seeded; no service is asked.

One seed is one season: the same provinces in the same order, the same resolutions, the same deeds
at the same instants. A shorter script is the beginning of the longer one; what would come after
it is called off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import product
from random import Random
from typing import Final

from shared.contracts.reference import AXES, COORDINATION, DEPUTIES, PROVINCES
from tools.demo.days import DAY, DESK_HOUR, WorkDays, in_tehran
from tools.demo.lives import Deed, live
from tools.demo.places import PLACES
from tools.demo.titles import EXECUTING_BODIES, TITLES

SEASON: Final = "1402"
SESSIONS: Final = len(PROVINCES)

_FIRST_DAY: Final = date(2023, 8, 14)  # Monday 23 Mordad 1402; 30 weeks later is 21 Esfand
_BEGINS: Final = timedelta(days=19)  # before the first session: circular and calendar
_TAIL: Final = timedelta(days=132)  # after the last session: the end of Tir 1403
OPENS: Final = time(9, 0)
LASTS: Final = timedelta(minutes=270)
_REPORT_BEFORE: Final = timedelta(hours=72)
_RESOLUTIONS: Final = 36
_DUE_WEEKS: Final = (2, 3, 4, 6, 8, 10, 12, 16)  # at most 120 days
_URGENT_WEEKS: Final = (2, 3, 4)
_WEIGHTS: Final = {"civil": 7, "economic": 6, "municipalities": 5, "coordination": 2}
_FEW_LATE: Final = 10  # one report in so many comes late


@dataclass(frozen=True, slots=True)
class Resolution:
    """A resolution with all that is going to happen to its follow-up."""

    resolution_id: str
    session_id: str
    province: str
    deputy: str
    axis: str | None
    title: str
    text: str
    number: str
    due_on: date
    urgent: bool
    supporting: tuple[str, ...]
    executing_body: str | None
    approved_at: datetime
    deeds: tuple[Deed, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """A revision of a report, and when it goes to the deputies."""

    revision: int
    at: datetime
    distributed_at: datetime
    initiatives: int
    unanswered: int  # sub-axes that stay empty


@dataclass(frozen=True, slots=True)
class Session:
    """A province's session, the report before it, and the resolutions after it."""

    session_id: str
    province: str
    opens_at: datetime
    closes_at: datetime
    report_due_at: datetime
    submissions: tuple[Submission, ...]
    resolutions: tuple[Resolution, ...]

    @property
    def report_is_late(self) -> bool:
        """Whether nothing was there when it was due."""
        return self.submissions[0].at > self.report_due_at


@dataclass(frozen=True, slots=True)
class Script:
    """The season as it is going to be: all provinces in turn, of which the first are replayed."""

    seed: int
    starts_on: date
    turns: tuple[str, ...]  # provinces, in the order of their sessions
    begins_at: datetime
    ends_at: datetime
    sessions: tuple[Session, ...]

    @property
    def called_off(self) -> tuple[str, ...]:
        """The sessions of a shorter script that don't take place."""
        return tuple(session_id_of(code) for code in self.turns[len(self.sessions) :])

    @property
    def called_off_at(self) -> datetime:
        return self.begins_at + DAY

    @property
    def resolutions(self) -> tuple[Resolution, ...]:
        """All of them, in the order of their approval."""
        return tuple(r for session in self.sessions for r in session.resolutions)


def session_id_of(province: str) -> str:
    """The session of a province's turn."""
    return f"{SEASON}-{province}"


def write(seed: int, sessions: int = SESSIONS) -> Script:
    """Write the script of the first `sessions` sessions (1 to 31)."""
    days = WorkDays()
    order = [province.code for province in PROVINCES]
    Random(f"{seed}/provinces").shuffle(order)
    counts = _counts(Random(f"{seed}/counts"))
    held_on = [days.nearest_in_week(_FIRST_DAY + 7 * DAY * n) for n in range(sessions)]
    ends_on = held_on[-1] + _TAIL
    late = _late(Random(f"{seed}/late"))
    return Script(
        seed=seed,
        starts_on=_FIRST_DAY,
        turns=tuple(order),
        begins_at=in_tehran(_FIRST_DAY - _BEGINS, DESK_HOUR),
        ends_at=in_tehran(ends_on, DESK_HOUR),
        sessions=tuple(
            _session(seed, order[n], held_on[n], counts[n], ends_on, days, late=n in late)
            for n in range(sessions)
        ),
    )


def _counts(rng: Random) -> list[int]:
    """How many resolutions each session has: about 36, and never under 600 after the 17th.

    What one session has more, its neighbour has less; the last of an odd number has no less.
    """
    counts: list[int] = []
    for _ in range(0, SESSIONS + 1, 2):
        more = rng.randint(0, 5)
        counts += [_RESOLUTIONS + more, _RESOLUTIONS - more]
    return counts[:SESSIONS]


def _late(rng: Random) -> frozenset[int]:
    """Which sessions' reports come late: one among the first three, and about one in ten."""
    others = rng.sample(range(3, SESSIONS), SESSIONS // _FEW_LATE - 1)
    return frozenset({rng.randrange(3), *others})


def _session(
    seed: int,
    province: str,
    day: date,
    count: int,
    ends_on: date,
    days: WorkDays,
    *,
    late: bool,
) -> Session:
    session_id = session_id_of(province)
    rng = Random(f"{seed}/{session_id}")
    opens_at = in_tehran(day, OPENS)
    return Session(
        session_id=session_id,
        province=province,
        opens_at=opens_at,
        closes_at=opens_at + LASTS,
        report_due_at=opens_at - _REPORT_BEFORE,
        submissions=_submissions(rng, day, days, late=late),
        resolutions=_resolutions(rng, session_id, province, day, count, ends_on, days),
    )


def _submissions(rng: Random, day: date, days: WorkDays, *, late: bool) -> tuple[Submission, ...]:
    """The first revision four to nine days before the session, or late; one in eight has another.

    A second revision comes the day before the session: late too, but nobody was left waiting.
    """
    eve = day - DAY
    first = day - 2 * DAY if late else days.until(day - DAY * rng.randint(4, 9))
    submissions = [_submission(rng, 1, first, min(first + DAY, eve))]
    if not late and rng.random() < 1 / 8:
        submissions.append(_submission(rng, 2, eve, eve))
    return tuple(submissions)


def _submission(rng: Random, revision: int, day: date, distributed: date) -> Submission:
    return Submission(
        revision=revision,
        at=in_tehran(day, DESK_HOUR),
        distributed_at=in_tehran(distributed, DESK_HOUR),
        initiatives=rng.randint(1, 4),
        unanswered=rng.randint(0, 6),
    )


def _resolutions(
    rng: Random,
    session_id: str,
    province: str,
    day: date,
    count: int,
    ends_on: date,
    days: WorkDays,
) -> tuple[Resolution, ...]:
    ids = [deputy.id for deputy in DEPUTIES]
    weights = [_WEIGHTS.get(id_, 4) for id_ in ids]
    decks = {id_: _deck(rng, id_, province) for id_ in ids}
    return tuple(
        _resolution(
            rng, session_id, province, day, number, deputy, decks[deputy].pop(), ends_on, days
        )
        for number, deputy in enumerate(rng.choices(ids, weights, k=count), start=1)
    )


def _deck(rng: Random, deputy: str, province: str) -> list[str]:
    deck = [t.format(place=p) for t, p in product(TITLES[deputy], PLACES[province])]
    rng.shuffle(deck)
    return deck


def _resolution(
    rng: Random,
    session_id: str,
    province: str,
    day: date,
    number: int,
    deputy: str,
    title: str,
    ends_on: date,
    days: WorkDays,
) -> Resolution:
    urgent = rng.random() < 0.12
    due_on = day + 7 * DAY * rng.choice(_URGENT_WEEKS if urgent else _DUE_WEEKS)
    others = [d.title_fa for d in DEPUTIES if d.id not in {deputy, COORDINATION}]
    outside = rng.random() < 0.3
    life = live(rng, deputy, province, day, due_on, days)
    return Resolution(
        resolution_id=f"{session_id}-R{number:03}",
        session_id=session_id,
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
        approved_at=in_tehran(day, OPENS) + LASTS,
        deeds=tuple(deed for deed in life if deed.at <= in_tehran(ends_on, DESK_HOUR)),
    )
