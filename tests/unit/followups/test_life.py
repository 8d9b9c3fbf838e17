"""Random lives of two follow-ups, compared with a model that is simpler than the code.

Events come in any order, repeated, and too early. People act with and without the right to do so.
The clock jumps forwards and backwards. Two sweepers run at the same moment. The process may die
just before a transaction, or just after it and before the answer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.followups import handlers
from services.followups.domain.transitions import RULES
from services.followups.handlers import Ahead, Change, HandlerContext, UnknownFollowup
from shared.contracts.topics import Topics
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Message, Outcome, Verdict
from shared.runtime.calendar import start_of_day
from shared.runtime.list_queries import ListQuery
from shared.runtime.principals import Principal
from shared.runtime.refusals import Refused
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import (
    APPROVER,
    CIVIL,
    NOW,
    SCHEDULER,
    STRANGER,
    TOPIC,
    WATCHED,
)
from tests.unit.followups.histories import lived
from tests.unit.followups.life_commands import COMMANDS, DATES, IDS, MAY, PEOPLE, STEPS
from tests.unit.followups.messages import CAUSE, FENCE, amendment, approval, withdrawal

TRACKING = HandlerContext(
    "civil", WATCHED, TOPIC, SCHEDULER, Topics(["civil", "social"]).resolutions
)

T = TypeVar("T")


class Died(Exception):
    """The process ended here."""


@dataclass
class Mortal:
    """A store whose process may die just before or just after saving."""

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
    """What has to hold, whatever happens."""

    approved: set[str] = field(default_factory=set)
    acknowledged: Counter[str] = field(default_factory=Counter)
    """The number of commands that were answered as done, by follow-up."""


deaths = st.sampled_from([(False, False)] * 6 + [(True, False), (False, True)])


class Lives(RuleBasedStateMachine):
    """The state machine: every rule is something that happens to the service."""

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

    # -- events -------------------------------------------------------------------------------

    def deliver(self, batch: Sequence[Message], death: tuple[bool, bool]) -> None:
        """Handle a batch as the consumer does: after a death, the batch is delivered again."""

        async def once(store: Any) -> list[Verdict]:
            decision = await handlers.handle_events(batch, store, TRACKING, self.now)
            await store.save(decision.changes, CAUSE)
            return list(decision.verdicts)

        try:
            verdicts = self.run(once(Mortal(self.store, *death)))
        except Died:
            verdicts = self.run(once(self.store))
            if death[1]:  # it was applied before the death
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

    # -- commands ------------------------------------------------------------------------------

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
    def its_due_date_changes_back_and_forth(self, id_: str, dates: list[date]) -> None:
        for due_on in dates:
            self.amend(id_=id_, due_on=due_on, source=APPROVER, death=(False, False))
            self.a_sweep_runs_around_its_due_date(id_=id_, days=2)

    @rule(id_=st.sampled_from(IDS), data=st.data())
    def it_goes_on(self, id_: str, data: st.DataObject) -> None:
        """Take some allowed steps: random commands alone seldom get far."""
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
    def the_deputy_shares_the_work(self, id_: str, name: str) -> None:
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
        assert stored == after, "an answered command is stored"

    # -- time ---------------------------------------------------------------------------------

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
    def a_sweep_runs_around_its_due_date(self, id_: str, days: int) -> None:
        found = self.run(self.store.of_resolutions([id_])).get(id_)
        if found is not None:
            self.now = start_of_day(found.resolution.due_on) + timedelta(days=days)
            self.run(handlers.sweep(self.store, TRACKING, self.now, FENCE))

    @rule()
    def two_sweep_at_once(self) -> None:
        """Normally the lease prevents this; without it, the versions do."""

        async def both() -> list[Any]:
            return await asyncio.gather(
                *(handlers.sweep(self.store, TRACKING, self.now, FENCE) for _ in range(2)),
                return_exceptions=True,
            )

        assert all(isinstance(done, int | Stale) for done in self.run(both()))

    # -- invariants ----------------------------------------------------------------------------

    @invariant()
    def each_approval_has_one_follow_up(self) -> None:
        followups = self.run(self.store.page(ListQuery({}, None, 100)))
        assert {f.resolution_id for f in followups} == self.model.approved
        assert len(followups) == len(self.model.approved)

    @invariant()
    def each_history_is_a_valid_life(self) -> None:
        for followup in self.run(self.store.page(ListQuery({}, None, 100))):
            entries = self.run(self.store.history(followup.followup_id))
            assert [e.event.version for e in entries] == list(range(1, followup.version + 1))
            assert len({e.event.id for e in entries}) == len(entries)
            assert lived(entries) == followup, "the events contain the whole state"
            assert followup.verified_by is None or followup.verified_by != followup.claimed_by
            people = sum(e.by in {person.id for person in PEOPLE} for e in entries)
            assert people >= self.model.acknowledged[followup.followup_id], "no lost update"


Lives.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestLives = Lives.TestCase
