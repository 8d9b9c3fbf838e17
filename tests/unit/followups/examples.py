"""Examples for the tests of follow-ups: people, a resolution, facts, and random lives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

from hypothesis import settings
from hypothesis import strategies as st

from services.followups.domain.escalation import EscalationPolicy
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.extensions import ExtensionRules
from services.followups.domain.facts import (
    Acknowledged,
    Amended,
    Blocked,
    CameDueSoon,
    Closed,
    Completed,
    Extended,
    ExtensionRefused,
    ExtensionRequested,
    Fact,
    FellOverdue,
    Moved,
    Opened,
    Progressed,
    Reopened,
    Settled,
    Unblocked,
    Verified,
    WentUnacknowledged,
)
from services.followups.domain.records import (
    Ending,
    EvidenceAdded,
    Finding,
    Followup,
    Resolution,
    Stance,
)
from services.followups.domain.work import (
    Assigned,
    Commented,
    Delegated,
    DelegationEnded,
    ItemAdded,
    ItemDone,
    ItemDropped,
    Linked,
    PartReported,
)
from services.followups.handlers import HandlerContext
from shared.contracts.topics import Topics
from shared.runtime.calendar import FRIDAY, WorkingCalendar
from shared.runtime.principals import Principal, Roles

unhurried = settings(deadline=None)  # a shared machine may be slow

NOW = datetime(2023, 10, 16, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
APPROVER = "/automation"
SCHEDULER = "urn:peygir:scheduler"
STRANGER = "/somebody"
FINGERPRINT = "a" * 64
TOPIC = "peygir.followups.v1.civil"
CALENDAR = WorkingCalendar(frozenset({FRIDAY}))
FRIDAYS_OFF = EscalationPolicy(CALENDAR, soon_days=0, acknowledge_days=0)
SOON = EscalationPolicy(CALENDAR, soon_days=3, acknowledge_days=0)
WATCHED = EscalationPolicy(CALENDAR, soon_days=3, acknowledge_days=4)
EXTENSIONS = ExtensionRules(CALENDAR, most=2, days=90, lapse_days=5)
TRACKING = HandlerContext(
    "civil", FRIDAYS_OFF, TOPIC, SCHEDULER, Topics(["civil", "social"]).resolutions
)


def principal(user: str, *roles: str) -> Principal:
    """Return a person with these roles."""
    return Principal.with_roles(user, roles, Roles.of())


COORDINATION = principal("c.ahmadi", "coordination")
MINISTER_OFFICE = principal("m.rezaei", "minister-office")
CIVIL = principal("d.karimi", "deputy:civil")
SOCIAL = principal("d.sadeghi", "deputy:social")
KHORASAN = principal("g.razavi", "province:IR-09")
AIDE = principal("a.nouri")
"""A person without roles, whom the deputy names."""
TEHRAN_PROVINCE = principal("g.tehrani", "province:IR-23")


def resolution(**changes: Any) -> Resolution:
    """Return the resolution to build a bridge in Razavi Khorasan."""
    usual = Resolution(
        resolution_id="1402-IR-09-R001",
        deputy="civil",
        title="تکمیل پل روستای سرآسیاب",
        approved_at=NOW,
        due_on=date(2024, 1, 1),
        province="IR-09",
    )
    return replace(usual, **changes)


def fact_of_opening(**changes: Any) -> Opened:
    return Opened(NOW, resolution(**changes), APPROVER, FINGERPRINT)


def followup(**changes: Any) -> Followup:
    """Return the follow-up of that resolution, just opened."""
    return opened(fact_of_opening(**changes))


def after(*facts: Fact, **changes: Any) -> Followup:
    """Return that follow-up after these facts."""
    current = followup(**changes)
    for fact in facts:
        current = evolve(current, fact)
    return current


def evolved(current: Followup, *facts: Fact) -> Followup:
    """Return a follow-up after these facts."""
    for fact in facts:
        current = evolve(current, fact)
    return current


def amended(to: Resolution, at: datetime = LATER) -> Amended:
    """Return an amendment by the source that approved."""
    return Amended(at, APPROVER, to, None, "a-1")


ACKNOWLEDGED = Acknowledged(LATER, "d.karimi", "agreed", None)
DISPUTED = Acknowledged(LATER, "d.karimi", "disputed", "در صلاحیت این معاونت نیست")
SETTLED = Settled(LATER, "c.ahmadi", "طبق شرح وظایف با همین معاونت است")
BLOCKED = Blocked(LATER, "d.karimi", "سازمان برنامه و بودجه", "اعتبار ابلاغ نشده است")
UNBLOCKED = Unblocked(LATER, "d.karimi", None)
REQUESTED = ExtensionRequested(
    LATER, "d.karimi", date(2024, 1, 1), date(2024, 2, 1), "بارش سنگین", LATER + timedelta(days=6)
)
PROGRESSED = Progressed(LATER, "d.karimi", 60, None)
COMPLETED = Completed(LATER, "d.karimi", None)
VERIFIED = Verified(LATER, "c.ahmadi", "done", None)
REOPENED = Reopened(LATER, "c.ahmadi", "مستندات ناقص است")
CLOSED = Closed(LATER, APPROVER, "withdrawn", None)
ASSIGNED = Assigned(LATER, "d.karimi", "a.nouri", "مسئول پل‌ها")
UNASSIGNED = Assigned(LATER, "a.nouri", None, None)
DELEGATED = Delegated(LATER, "d.karimi", "a.nouri", date(2023, 10, 21), "مرخصی")
COMMENTED = Commented(LATER, "g.razavi", "پل هنوز بسته است")
ITEM_ADDED = ItemAdded(
    LATER, "d.karimi", 1, "تملک زمین", "استانداری خراسان رضوی", date(2023, 12, 1)
)
ITEM_DONE = ItemDone(LATER, "d.karimi", 1, None)
ITEM_DROPPED = ItemDropped(LATER, "d.karimi", 1, "لازم نیست")
PART_REPORTED = PartReported(LATER, "d.karimi", "شهرداری مشهد", 30, "آسفالت آغاز شد")
LINKED = Linked(LATER, "c.ahmadi", "1401-IR-09-R007", "social")
DELEGATION_ENDED = DelegationEnded(LATER, "d.karimi", None)
PHOTO = EvidenceAdded(
    LATER,
    "d.karimi",
    "e-1",
    "عکس پل روستای سرآسیاب.jpg",
    "image/jpeg",
    3,
    "b" * 64,
    None,
    "پایان کار",
)
LETTER = EvidenceAdded(
    LATER, "g.razavi", "e-2", None, None, None, None, "https://example.ir/نامه", None
)

# -- random facts ------------------------------------------------------------------------------

texts = st.one_of(st.none(), st.text("پیگیری مصوبه‌ی ۱۲ \nabc", max_size=20))
names = st.text("شهرداریمشهدabc", min_size=1, max_size=10)
people = st.sampled_from(["d.karimi", "c.ahmadi", "g.razavi"])
days = st.dates(date(2023, 1, 1), date(2027, 12, 31))
few_days = st.sampled_from([date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)])


@st.composite
def instants(draw: st.DrawFn) -> datetime:
    """Draw instants with milliseconds, the precision of the store and of events."""
    return NOW + timedelta(milliseconds=draw(st.integers(0, 10**11)))


@st.composite
def amendments(draw: st.DrawFn, current: Resolution) -> Resolution:
    """Draw a resolution after some amendment."""
    return replace(
        current,
        title=draw(names),
        due_on=draw(few_days),
        text=draw(texts),
        supporting=tuple(draw(st.lists(names, max_size=3))),
        executing_body=draw(st.none() | names),
        priority=draw(st.sampled_from(["normal", "urgent"])),
        number=draw(st.none() | names),
    )


@st.composite
def openings(draw: st.DrawFn) -> Opened:
    """Draw an approval, with all fields or with the required ones only."""
    least = resolution(province=None, approved_at=draw(instants()), due_on=draw(few_days))
    whole = replace(
        draw(amendments(least)),
        session_id=draw(st.none() | st.just("1402-IR-09")),
        session_kind=draw(st.sampled_from([None, "provincial", "visit"])),
        province=draw(st.sampled_from([None, "IR-09", "IR-23"])),
        axis=draw(st.none() | st.just("crisis")),
        baseline_on=draw(st.none() | days),
    )
    approved = draw(st.sampled_from([least, whole]))
    return Opened(draw(instants()), approved, APPROVER, FINGERPRINT, draw(st.none() | days))


@st.composite
def next_facts(draw: st.DrawFn, current: Followup) -> Fact:
    """Draw any fact, whether a decision would allow it or not."""
    at, by, note = draw(instants()), draw(people), draw(texts)
    due_on = current.resolution.due_on
    level = st.integers(1, 3).map(lambda n: FellOverdue(at, n, due_on, n * 7))
    endings = st.sampled_from(get_args(Ending))
    findings, stances = st.sampled_from(get_args(Finding)), st.sampled_from(get_args(Stance))
    kinds: list[st.SearchStrategy[Fact]] = [
        amendments(current.resolution).map(
            lambda to: Amended(at, by, to, note, draw(names), draw(st.none() | instants()))
        ),
        stances.map(lambda s: Acknowledged(at, by, s, note)),
        st.just(Settled(at, by, note or "بجاست")),
        st.just(Blocked(at, by, draw(names), note or "اعتبار")),
        st.just(Unblocked(at, by, note)),
        st.just(CameDueSoon(at, due_on)),
        days.map(lambda last: WentUnacknowledged(at, last)),
        few_days.map(
            lambda to: ExtensionRequested(at, by, due_on, to, note or "باران", draw(instants()))
        ),
        few_days.map(lambda to: Extended(at, by, to, due_on, note)),
        st.sampled_from([by, None]).map(lambda who: ExtensionRefused(at, who, due_on, note)),
        st.integers(0, 100).map(lambda n: Progressed(at, by, n, note)),
        level,
        st.just(Completed(at, by, note)),
        findings.map(lambda f: Verified(at, by, f, note)),
        st.just(Reopened(at, by, note or "ناقص")),
        endings.map(lambda outcome: Closed(at, by, outcome, note)),
        (st.none() | people).map(lambda officer: Assigned(at, by, officer, note)),
        days.map(lambda until: Delegated(at, by, draw(people), until, note)),
        st.just(DelegationEnded(at, by, note)),
        st.just(Commented(at, by, note or "بازدید شد")),
        st.just(ItemAdded(at, by, len(current.work.items) + 1, draw(names), draw(names), due_on)),
        st.integers(0, 100).map(lambda n: PartReported(at, by, draw(names), n, note)),
        st.sampled_from([None, "social"]).map(lambda d: Linked(at, by, "1401-IR-09-R007", d)),
        st.integers(1, 3).map(lambda n: ItemDone(at, by, n, note)),
        st.integers(1, 3).map(lambda n: ItemDropped(at, by, n, note or "لازم نیست")),
        st.sampled_from(["civil", "social"]).map(
            lambda to: Moved(at, by, current.deputy, to, note or "ادغام")
        ),
        st.sampled_from([PHOTO, LETTER]).map(
            lambda piece: replace(piece, at=at, by=by, evidence_id=draw(names), note=note)
        ),
    ]
    return draw(st.one_of(kinds))


@st.composite
def lives(draw: st.DrawFn) -> list[Fact]:
    """Draw the whole life of a follow-up: an opening and up to twelve facts."""
    opening = draw(openings())
    current, facts = opened(opening), list[Fact]([opening])
    for _ in range(draw(st.integers(0, 12))):
        facts.append(draw(next_facts(current)))
        current = evolve(current, facts[-1])
    return facts


def steps(life: list[Fact]) -> Iterator[tuple[Followup | None, Fact, Followup]]:
    """Give each fact of a life, with the follow-up before and after it."""
    before: Followup | None = None
    for fact in life:
        now = evolve(before, fact) if before is not None else _begun(fact)
        yield before, fact, now
        before = now


def _begun(fact: Fact) -> Followup:
    assert isinstance(fact, Opened)
    return opened(fact)
