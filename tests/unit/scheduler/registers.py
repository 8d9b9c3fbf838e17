"""Random histories of the service: commands, their events, and the recovery of a copy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeAlias
from zlib import crc32

from hypothesis import strategies as st

from services.scheduler import handlers
from services.scheduler.domain import decisions
from services.scheduler.domain.records import (
    Amendment,
    Resolution,
    ResolutionFact,
    Session,
    SessionFact,
)
from services.scheduler.handlers import (
    Proposal,
    SchedulerRepository,
    UnknownResolution,
    UnknownSession,
)
from shared.contracts.topics import Topics
from shared.messaging.core.model import Event, Message
from shared.runtime.commands import Command
from shared.runtime.list_queries import ListQuery
from shared.runtime.refusals import Refused
from tests.stores.fakes_scheduler import MemoryRegister
from tests.unit.published import as_read
from tests.unit.scheduler.examples import (
    COORDINATION,
    DEPUTY_IDS,
    NOW,
    context,
    gathering,
    terms,
)

RULES: Final = context()
TOPICS: Final = Topics(DEPUTY_IDS)
TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RandomCommand: TypeAlias = Callable[[SchedulerRepository], Awaitable[object]]

_IDS = ("a", "b", "c")
_RESOLUTIONS = ("R-1", "R-2", "R-3")


def scheduling(id_: str, turn: bool) -> RandomCommand:
    """Schedule one of three gatherings; with `turn`, they all claim the same turn."""
    kind: dict[str, Any] = {} if turn else {"season": None}
    planned = gathering(session_id=id_, **kind)
    return lambda r: handlers.schedule_session(planned, r, RULES, COORDINATION, NOW, TRACE)


def acting(id_: str, decide: Callable[[Session], SessionFact | None]) -> RandomCommand:
    return lambda r: handlers.change_session(
        Command(id_, r, RULES, COORDINATION, NOW, TRACE), decide
    )


def recording(session_id: str, resolution_id: str, deputy: str) -> RandomCommand:
    proposals = [Proposal(resolution_id, terms(deputy=deputy)), Proposal(None, terms())]
    return lambda r: handlers.record_resolutions(
        session_id, proposals, r, RULES, COORDINATION, NOW, TRACE
    )


def changing(id_: str, decide: Callable[[Resolution], ResolutionFact | None]) -> RandomCommand:
    return lambda r: handlers.change_resolution(
        Command(id_, r, RULES, COORDINATION, NOW, TRACE), decide
    )


def moved(session: Session) -> SessionFact | None:
    at = session.gathering.starts_at + timedelta(days=1)
    return decisions.reschedule(
        session, COORDINATION, at, at + timedelta(hours=1), "برف", RULES.report_lead, NOW
    )


def amended(resolution: Resolution) -> ResolutionFact | None:
    later = Amendment(due_on=resolution.terms.due_on + timedelta(days=1))
    return decisions.amend(resolution, COORDINATION, later, None, NOW)


_of_sessions = st.sampled_from(
    [
        moved,
        lambda s: decisions.cancel(s, COORDINATION, "برف", NOW),
        lambda s: decisions.open_(s, COORDINATION, NOW),
        lambda s: decisions.close(s, COORDINATION, "جمع‌بندی", NOW),
    ]
)
_of_resolutions = st.sampled_from(
    [amended, lambda r: decisions.withdraw(r, COORDINATION, None, NOW)]
)
_ids = st.sampled_from(_IDS)
_resolution_ids = st.sampled_from(_RESOLUTIONS)
commands_of_any_kind: st.SearchStrategy[RandomCommand] = st.one_of(
    st.builds(scheduling, _ids, st.booleans()),
    st.builds(acting, _ids, _of_sessions),
    st.builds(recording, _ids, _resolution_ids, st.sampled_from(["civil", "social"])),
    st.builds(changing, _resolution_ids, _of_resolutions),
)


async def follow(store: SchedulerRepository, commands: Iterable[RandomCommand]) -> None:
    """Run the commands; skip those that are refused."""
    for command in commands:
        with suppress(Refused, UnknownSession, UnknownResolution):
            await command(store)


async def all_of(store: MemoryRegister) -> tuple[object, ...]:
    """Everything that a store holds, its events by aggregate and version."""
    everything = ListQuery({}, None, 1_000)
    published = sorted(store.events, key=lambda e: (e.aggregate_id, e.version))
    return (
        await store.page_of_sessions(everything),
        await store.page_of_resolutions(everything),
        published,
    )


def partitions(published: Sequence[Event], spread: int) -> Iterator[list[Message]]:
    """The topics in the order of recovery: sessions first, partition by partition."""
    topics = [TOPICS.sessions, *map(TOPICS.resolutions, DEPUTY_IDS)]
    for topic in topics:
        for number in range(3):
            yield [
                as_read(event)
                for event in published
                if event.topic == topic and (crc32(event.key.encode()) + spread) % 3 == number
            ]


async def catch_up(
    copy: SchedulerRepository, published: Sequence[Event], spread: int = 0, batch: int = 2_000
) -> int:
    """Recover from all published events, in batches; return how many were missing."""
    waiting: dict[str, list[Message]] = {}
    taken = 0
    for partition in partitions(published, spread):
        for start in range(0, len(partition), batch):
            taken += await handlers.recover(partition[start : start + batch], copy, waiting)
    assert waiting == {}
    return taken


def opening(session: Session) -> SessionFact:
    return decisions.open_(session, COORDINATION, NOW)
