"""Random histories of the service: events, commands and sweeps, and the recovery of a copy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, TypeAlias
from zlib import crc32

from hypothesis import strategies as st

from services.reports import handlers
from services.reports.domain import decisions
from services.reports.domain.catalogue import CATALOGUES
from services.reports.domain.records import Expectation, Fact, Lost, Paragraph, Report
from shared.contracts.events import EventData
from shared.messaging.core.model import CommitContext, Event, Fence, Message
from shared.runtime.commands import Command
from shared.runtime.list_queries import ListQuery
from shared.runtime.refusals import Refused
from tests.stores.fakes_reports import MemoryCirculars, MemoryExpectations
from tests.unit.published import as_read
from tests.unit.reports.builders import (
    ADDRESSES,
    BEFORE,
    COORDINATION,
    DUE_AT,
    KHORASAN,
    RECEPTION,
    cancelled,
    message,
    rescheduled,
    scheduled,
    submission,
)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FENCE: Final = Fence("sweeper", "me", 1)
INITIATIVES: Final = (Paragraph("قرارگاه جهادی محله‌ها", "در چهل محله"),)
DISTRIBUTED_AT: Final = DUE_AT + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Office:
    """Both stores of the service."""

    store: MemoryExpectations = field(default_factory=MemoryExpectations)
    circulars: MemoryCirculars = field(default_factory=MemoryCirculars)

    @property
    def published(self) -> list[Event]:
        return [*self.store.events, *self.circulars.events]

    async def hear(self, one: Message) -> None:
        decision = await handlers.handle_events([one], self.store, RECEPTION, BEFORE)
        await self.store.save(decision.changes, CommitContext("event", "reports"))

    async def act(
        self, session_id: str, decide: Callable[[Expectation], Sequence[Fact]]
    ) -> Expectation:
        return await handlers.change_expectation(
            Command(session_id, self.store, RECEPTION, KHORASAN, BEFORE, TRACE), decide
        )

    async def submit(self, session_id: str, restricted: bool = True, **changes: Any) -> Expectation:
        apart = RECEPTION.restricted if restricted else ()
        sent = submission(**changes)
        return await self.act(
            session_id,
            lambda e: decisions.submit(e, KHORASAN, sent, CATALOGUES, apart, BEFORE),
        )

    async def distribute(self, session_id: str) -> Expectation:
        recipients = RECEPTION.recipients
        return await self.act(
            session_id,
            lambda e: [decisions.distribute(e, COORDINATION, recipients, DISTRIBUTED_AT)],
        )

    async def issue(self, circular_id: str) -> None:
        await handlers.issue_circular(
            circular_id, 1, ("IR-09",), self.circulars, RECEPTION, COORDINATION, BEFORE
        )

    async def everything(self) -> list[Expectation]:
        return list(await self.store.page(ListQuery({}, None, 1_000)))

    async def catch_up(
        self, published: Sequence[Event], spread: int = 0, batch: int = 2_000
    ) -> int:
        """Recover from all published events, in batches; return how many were missing."""
        return sum(
            [
                await handlers.recover(part, self.store, self.circulars, RECEPTION)
                for part in parts(published, spread, batch)
            ]
        )


def parts(published: Sequence[Event], spread: int, batch: int) -> Iterator[list[Message]]:
    for topic in (ADDRESSES.reports, ADDRESSES.restricted, ADDRESSES.circulars):
        for number in range(3):
            partition = [
                as_read(event)
                for event in published
                if event.topic == topic and (crc32(event.key.encode()) + spread) % 3 == number
            ]
            for start in range(0, len(partition), batch):
                yield partition[start : start + batch]


RandomCommand: TypeAlias = Callable[[Office], Awaitable[object]]


def hearing(data: Callable[[str], EventData]) -> Callable[[str, int], RandomCommand]:
    return lambda id_, sequence: lambda office: office.hear(message(data(id_), sequence))


_heard = st.sampled_from(
    [
        hearing(scheduled),
        hearing(rescheduled),
        hearing(lambda id_: rescheduled(id_, days=14)),
        hearing(cancelled),
    ]
)
_changes = st.sampled_from(
    [
        {},
        {"answers": {}, "url": "https://example.org/r"},
        {"initiatives": INITIATIVES, "special_topics": INITIATIVES * 2},
        {"restricted": False},
    ]
)
_ids = st.sampled_from(["a", "b", "c"])


def submitting(id_: str, changes: dict[str, Any]) -> RandomCommand:
    return lambda office: office.submit(id_, **changes)


def sweeping(days: int) -> RandomCommand:
    now = DUE_AT + timedelta(days=days)
    return lambda office: handlers.sweep(office.store, RECEPTION, now, FENCE)


_done: st.SearchStrategy[RandomCommand] = st.one_of(
    st.builds(submitting, _ids, _changes),
    st.builds(sweeping, st.sampled_from([0, 8, 20])),
    _ids.map(lambda id_: lambda office: office.distribute(id_)),
    _ids.map(lambda id_: lambda office: office.issue(id_)),
)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[bool, RandomCommand]]:
    """Commands in order, each with whether it is an event from the topic of sessions."""
    history: list[tuple[bool, RandomCommand]] = []
    for sequence in range(1, draw(st.integers(1, 25))):
        heard = draw(st.booleans())
        command = draw(_heard)(draw(_ids), sequence) if heard else draw(_done)
        history.append((heard, command))
    return [(True, hearing(scheduled)("a", 1)), *history]


async def follow(office: Office, commands: Sequence[RandomCommand]) -> None:
    """Run the commands; skip those that are refused."""
    for command in commands:
        with suppress(Refused):
            await command(office)


def without_texts(report: Report) -> Report:
    """A report as it can be restored from the topics."""
    lost = Lost(len(report.initiatives), len(report.special_topics))
    known = replace(report, submitted_by=None, answers={}, initiatives=(), special_topics=())
    return replace(known, lost=lost)
