"""Any life of two follow-ups, against a model that knows less than the code.

Events come in any order, again, and out of turn; people act with and without a right; the clock
jumps either way; two sweepers look at the same moment; and whoever saves may die before it has
saved, or after it and before anybody hears of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.followups import events, handlers
from services.followups.domain import decisions, teamwork
from services.followups.domain.evidence import Link, add_link
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import (
    CameDueSoon,
    Fact,
    FellOverdue,
    Opened,
    WentUnacknowledged,
)
from services.followups.domain.records import Followup
from services.followups.domain.refusals import Refused
from services.followups.domain.transitions import RULES, Actor, Transition
from services.followups.domain.work import ItemAdded, ItemDone, ItemDropped, Linked, PartReported
from services.followups.handlers import Ahead, Change, HandlerContext, UnknownFollowup
from shared.contracts.envelope import CloudEvent, read, write
from shared.contracts.events import FollowupEvent, parse
from shared.contracts.topics import Topics
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Message, Outcome, Verdict
from shared.runtime.calendar import start_of_day, tehran_date
from shared.runtime.principals import Principal
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import (
    AIDE,
    APPROVER,
    CIVIL,
    COORDINATION,
    EXTENSIONS,
    KHORASAN,
    NOW,
    SCHEDULER,
    SOCIAL,
    STRANGER,
    TOPIC,
    WATCHED,
    principal,
)
from tests.unit.followups.steps import step_of
from tests.unit.followups.test_handlers import CAUSE, FENCE, amendment, approval, withdrawal

TRACKING = HandlerContext(
    "civil", WATCHED, TOPIC, SCHEDULER, Topics(["civil", "social"]).resolutions
)
BOTH = principal("d.karimi", "deputy:civil", "coordination")
PEOPLE = [CIVIL, COORDINATION, KHORASAN, SOCIAL, BOTH, AIDE]
DATES = [date(2023, 12, 20), date(2024, 1, 1), date(2024, 1, 20), date(2024, 2, 1)]
IDS = ["R-1", "R-2"]

T = TypeVar("T")
Decide = Callable[[Followup, Principal, datetime], Fact]


def _link(followup: Followup, by: Principal, now: datetime) -> Fact:
    fact = add_link(followup, by, Link(f"https://edari.example/{followup.version}"), None, now)
    assert fact is not None, "no version was told of twice"
    return fact


COMMANDS: dict[str, Decide] = {
    "agree": lambda f, by, now: decisions.acknowledge(f, by, "agreed", None, now),
    "dispute": lambda f, by, now: decisions.acknowledge(f, by, "disputed", "نه ما", now),
    "settle": lambda f, by, now: decisions.settle(f, by, "بجاست", now),
    "progress": lambda f, by, now: decisions.report_progress(f, by, 40, None, now),
    "block": lambda f, by, now: decisions.block(f, by, "استانداری", "زمین", now),
    "unblock": lambda f, by, now: decisions.unblock(f, by, None, now),
    "request": lambda f, by, now: decisions.request_extension(
        f, by, f.resolution.due_on + timedelta(days=20), "باران", EXTENSIONS, now
    ),
    "extend": lambda f, by, now: decisions.extend(f, by, None, None, EXTENSIONS, now),
    "refuse": lambda f, by, now: decisions.refuse_extension(f, by, "نه", now),
    "complete": lambda f, by, now: decisions.complete(f, by, None, now),
    "verify": lambda f, by, now: decisions.verify(f, by, "done", None, now),
    "reopen": lambda f, by, now: decisions.reopen(f, by, "ناقص", now),
    "close": lambda f, by, now: decisions.close(f, by, "superseded", "ادغام", now),
    "assign": lambda f, by, now: teamwork.assign(f, by, somebody(now), None, now),
    "unassign": lambda f, by, now: teamwork.unassign(f, by, None, now),
    "delegate": lambda f, by, now: teamwork.delegate(
        f, by, somebody(now), tehran_date(now) + timedelta(days=9), None, now
    ),
    "comment": lambda f, by, now: teamwork.comment(f, by, "بازدید شد", now),
    "report part": lambda f, by, now: teamwork.report_part(
        f, by, ["social", "شهرداري مشهد"][now.day % 2], now.day, None, now
    ),
    "link": lambda f, by, now: teamwork.link(f, by, IDS[now.day % 2], None, now),
    "add item": lambda f, by, now: teamwork.add_item(
        f, by, "تملک زمین", "شهرداری", min(f.resolution.due_on, DATES[0]), now
    ),
    "finish item": lambda f, by, now: teamwork.finish_item(f, by, now.day % 2 + 1, None, now),
    "drop item": lambda f, by, now: teamwork.drop_item(f, by, now.day % 2 + 1, "نه", now),
    "end delegation": lambda f, by, now: teamwork.end_delegation(f, by, None, now),
    "evidence": _link,
}


def somebody(now: datetime) -> str:
    """Whom the deputy names: also those who decide and confirm."""
    return ["a.nouri", "c.ahmadi", "g.razavi"][now.day % 3]


STEPS = {
    "agree": Transition.ACKNOWLEDGE,
    "dispute": Transition.DISPUTE,
    "settle": Transition.SETTLE,
    "progress": Transition.PROGRESS,
    "block": Transition.BLOCK,
    "unblock": Transition.UNBLOCK,
    "request": Transition.REQUEST_EXTENSION,
    "extend": Transition.EXTEND,
    "complete": Transition.COMPLETE,
    "verify": Transition.VERIFY,
    "reopen": Transition.REOPEN,
    "add item": Transition.ADD_ITEM,
    "finish item": Transition.FINISH_ITEM,
    "evidence": Transition.ADD_EVIDENCE,
}


MAY = {
    Actor.DEPUTY: [CIVIL, BOTH],
    Actor.OFFICER: [CIVIL, BOTH, AIDE],
    Actor.DECIDER: [COORDINATION, BOTH],
    Actor.VERIFIER: [COORDINATION, KHORASAN, BOTH],
    Actor.CONCERNED: [CIVIL, COORDINATION, KHORASAN, BOTH],
}


class Died(Exception):
    """The process ended here."""


@dataclass
class Mortal:
    """A store whose user may die just before or just after it has saved."""

    store: MemoryFollowups
    before: bool = False
    after: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def save(
        self, changes: Sequence[Change], cause: CommitContext, ahead: Ahead | None = None
    ) -> None:
        if self.before:
            raise Died
        await self.store.save(changes, cause, ahead)
        if self.after:
            raise Died


@dataclass
class Model:
    """What must be so, whatever happened: told in the words of those who use it."""

    approved: set[str] = field(default_factory=set)
    acknowledged: Counter[str] = field(default_factory=Counter)
    """Commands that somebody was told had worked, by follow-up."""


deaths = st.sampled_from([(False, False)] * 6 + [(True, False), (False, True)])


class Lives(RuleBasedStateMachine):
    """The machine: every rule is something that happens to the service."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = MemoryFollowups()
        self.now = NOW
        self.model = Model()
        self.sent: list[Message] = []

    def teardown(self) -> None:
        self.loop.close()

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.loop.run_until_complete(awaited())

    # -- what comes by event --------------------------------------------------------------------

    def deliver(self, batch: Sequence[Message], death: tuple[bool, bool]) -> None:
        """As the consumer does: where it dies, the batch comes again."""

        async def once(store: Any) -> list[Verdict]:
            decision = await handlers.handle_events(batch, store, TRACKING, self.now)
            await store.save(decision.changes, CAUSE)
            return list(decision.verdicts)

        try:
            verdicts = self.run(once(Mortal(self.store, *death)))
        except Died:
            verdicts = self.run(once(self.store))
            if death[1]:  # it was applied: whatever was not refused before is nothing now
                assert all(v is not Outcome.APPLIED for v in verdicts)
        for message, verdict in zip(batch, verdicts, strict=True):
            if message.event.type == "peygir.ResolutionApproved.v1" and isinstance(
                verdict, Outcome
            ):
                self.model.approved.add(message.event.id.split("/")[0])

    @rule(id_=st.sampled_from(IDS), due_on=st.sampled_from(DATES), death=deaths)
    def approve(self, id_: str, due_on: date, death: tuple[bool, bool]) -> None:
        self.sent.append(
            approval(
                f"{id_}/a{len(self.sent)}",
                resolution_id=id_,
                due_on=str(due_on),
                supporting=["social", "شهرداری مشهد"],
            )
        )
        self.deliver(self.sent[-1:], death)

    @rule(
        id_=st.sampled_from(IDS),
        due_on=st.sampled_from(DATES),
        source=st.sampled_from([APPROVER, SCHEDULER, STRANGER]),
        death=deaths,
    )
    def amend(self, id_: str, due_on: date, source: str, death: tuple[bool, bool]) -> None:
        self.sent.append(
            amendment(f"{id_}/m{len(self.sent)}", source, resolution_id=id_, due_on=str(due_on))
        )
        self.deliver(self.sent[-1:], death)

    @rule(
        id_=st.sampled_from(IDS), source=st.sampled_from([APPROVER] + 5 * [STRANGER]), death=deaths
    )
    def withdraw(self, id_: str, source: str, death: tuple[bool, bool]) -> None:
        self.sent.append(withdrawal(f"{id_}/w{len(self.sent)}", source, resolution_id=id_))
        self.deliver(self.sent[-1:], death)

    @rule(data=st.data(), death=deaths)
    def everything_again(self, data: st.DataObject, death: tuple[bool, bool]) -> None:
        if self.sent:
            batch = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=4))
            self.deliver(batch, death)

    # -- what people do -------------------------------------------------------------------------

    @rule(
        id_=st.sampled_from(IDS),
        name=st.sampled_from(sorted(COMMANDS)),
        by=st.sampled_from(PEOPLE),
        death=deaths,
    )
    def anybody_does_anything(
        self, id_: str, name: str, by: Principal, death: tuple[bool, bool]
    ) -> None:
        self.act(id_, name, by, death)

    @rule(id_=st.sampled_from(IDS), dates=st.lists(st.sampled_from(DATES), min_size=2, max_size=5))
    def its_due_date_goes_to_and_fro(self, id_: str, dates: list[date]) -> None:
        for due_on in dates:
            self.amend(id_=id_, due_on=due_on, source=APPROVER, death=(False, False))
            self.somebody_looks_about_its_due_date(id_=id_, days=2)

    @rule(id_=st.sampled_from(IDS), data=st.data())
    def it_goes_on(self, id_: str, data: st.DataObject) -> None:
        """Chance alone seldom gets far: some steps by whoever may take them, if he may."""
        if id_ not in self.model.approved:
            self.approve(id_=id_, due_on=DATES[1], death=(False, False))
        for _ in range(data.draw(st.integers(1, 6))):
            found = self.run(self.store.of_resolutions([id_]))[id_]
            names = sorted(n for n, step in STEPS.items() if found.state in RULES[step].sources)
            if not names:
                return
            name = data.draw(st.sampled_from(names))
            by = data.draw(st.sampled_from(MAY[RULES[STEPS[name]].by]))
            self.act(id_, name, by, (False, False))

    @rule(id_=st.sampled_from(IDS), name=st.sampled_from(["assign", "delegate"]))
    def the_deputy_shares_his_work(self, id_: str, name: str) -> None:
        self.act(id_, name, CIVIL, (False, False))

    def act(self, id_: str, name: str, by: Principal, death: tuple[bool, bool]) -> None:
        found = self.run(self.store.of_resolutions([id_])).get(id_)
        followup_id = "none" if found is None else found.followup_id
        decide = COMMANDS[name]
        try:
            after = self.run(
                handlers.act(
                    followup_id,
                    Mortal(self.store, *death),
                    TRACKING,
                    by,
                    lambda f: decide(f, by, self.now),
                )
            )
        except (UnknownFollowup, Refused, Died):
            return
        self.model.acknowledged[after.followup_id] += 1
        stored = self.run(self.store.get(after.followup_id))
        assert stored == after, "what somebody was told had worked is there"

    # -- what time does -------------------------------------------------------------------------

    @rule(days=st.integers(-40, 60))
    def the_clock_jumps(self, days: int) -> None:
        self.now += timedelta(days=days)

    @rule(death=deaths, limit=st.integers(1, 3))
    def sweep(self, death: tuple[bool, bool], limit: int) -> None:
        try:
            store = Mortal(self.store, *death)
            self.run(handlers.sweep(store, TRACKING, self.now, FENCE, limit))
        except Died:
            return

    @rule(id_=st.sampled_from(IDS), days=st.sampled_from([-2, 1, 7, 30]))
    def somebody_looks_about_its_due_date(self, id_: str, days: int) -> None:
        found = self.run(self.store.of_resolutions([id_])).get(id_)
        if found is not None:
            self.now = start_of_day(found.resolution.due_on) + timedelta(days=days)
            self.run(handlers.sweep(self.store, TRACKING, self.now, FENCE))

    @rule()
    def two_sweep_at_once(self) -> None:
        """The lease keeps them apart; where it did not, the versions would."""

        async def both() -> list[Any]:
            return await asyncio.gather(
                *(handlers.sweep(self.store, TRACKING, self.now, FENCE) for _ in range(2)),
                return_exceptions=True,
            )

        assert all(isinstance(done, int | Stale) for done in self.run(both()))

    # -- what must be so ------------------------------------------------------------------------

    @invariant()
    def each_approval_has_one_follow_up(self) -> None:
        followups = self.run(self.store.page(handlers.ListQuery({}, None, 100)))
        assert {f.resolution_id for f in followups} == self.model.approved
        assert len(followups) == len(self.model.approved)

    @invariant()
    def each_history_is_a_life_that_may_be(self) -> None:
        for followup in self.run(self.store.page(handlers.ListQuery({}, None, 100))):
            entries = self.run(self.store.history(followup.followup_id))
            assert [e.event.version for e in entries] == list(range(1, followup.version + 1))
            assert len({e.event.id for e in entries}) == len(entries)
            lived = self._lived(followup.followup_id)
            assert lived == followup, "the events tell all of the state"
            assert followup.verified_by is None or followup.verified_by != followup.claimed_by
            people = sum(e.by in {person.id for person in PEOPLE} for e in entries)
            assert people >= self.model.acknowledged[followup.followup_id], "no lost update"

    def _lived(self, followup_id: str) -> Followup | None:
        """The follow-up as somebody who reads its events has it; each has to be allowed."""
        current: Followup | None = None
        told: Counter[object] = Counter()
        for entry in self.run(self.store.history(followup_id)):
            event = entry.event
            sent = CloudEvent(event.id, "urn:peygir:followups", event.type, event.data)
            data = parse(read(*write(sent)), recorded=True)
            assert isinstance(data, FollowupEvent)
            fact = events.from_event(data, current)
            assert fact is not None
            if current is None:
                assert isinstance(fact, Opened)
                current = opened(fact)
                continue
            rule = RULES[step_of(fact)]
            assert current.state in rule.sources
            if rule.by in {Actor.DECIDER, Actor.VERIFIER}:
                delegated = current.work.delegated_to(entry.by, fact.at) is not None
                acting = delegated or entry.by == current.work.officer
                assert not acting, "whoever acts for the deputy decides nothing"
                claimants = {current.claimed_by, current.claimed_for}
                assert rule.by is Actor.DECIDER or entry.by not in claimants
            if isinstance(fact, FellOverdue):
                told["level", fact.due_on, fact.level] += 1
                assert fact.level == current.level + 1, "levels come in order"
                assert current.request is None, "escalation pauses while more time is asked for"
            if step_of(fact) is Transition.LAPSE:
                assert current.request is not None
                assert fact.at >= current.request.lapses_at
            if isinstance(fact, Linked):
                assert fact.predecessor != current.resolution_id
            if isinstance(fact, PartReported):
                assert fact.body in current.resolution.bodies
                assert entry.by != SOCIAL.id or fact.body == "social"
            if isinstance(fact, ItemAdded):
                assert fact.item == len(current.work.items) + 1
                assert fact.due_on <= current.resolution.due_on
            if isinstance(fact, ItemDone | ItemDropped):
                assert current.work.items[fact.item - 1].state == "open", "an item ends once"
            if isinstance(fact, CameDueSoon):
                told["soon", fact.due_on] += 1
            if isinstance(fact, WentUnacknowledged):
                told["unacknowledged"] += 1
                assert fact.acknowledge_by == current.acknowledge_by
                assert fact.at >= start_of_day(fact.acknowledge_by + timedelta(days=1))
            current = evolve(current, fact)
            assert current.original_due_on <= max(DATES)
        assert not [what for what, times in told.items() if times > 1], "each is told once"
        return current


Lives.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestLives = Lives.TestCase
