"""A dispatcher with a store in memory, clocks that tests move, and a server that misbehaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from services.notify.adapters.addresses import Addresses
from services.notify.adapters.mails import MailRenderer
from services.notify.adapters.smtp import SmtpTransport
from services.notify.domain.notices import (
    Notice,
    State,
    new_notices,
)
from services.notify.handlers import Change, HandlerContext
from services.notify.jobs import Dispatcher
from shared.messaging.core.model import CommitContext, Fence
from shared.messaging.ledger.leases import Lease
from tests.stores.fakes_notify import FakeNotices
from tests.unit.notify.examples import NOW, resolution
from tests.unit.notify.oddserver import Answer, OddServer

T = TypeVar("T")

CAUSE = CommitContext("event", "test")
DEPUTIES = ("civil", "crisis", "economic", "political", "security", "social")
TRIES_MOST = 6
CIVIL = "deputy.civil@a.example"


class Clocks:
    """The machine's clock, which only the test moves: sleeping takes no real time."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        self.passed = 1_000.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.passed += seconds


class DomainTime:
    async def now(self) -> datetime:
        return NOW


class OurLease(Lease):
    """A lease that this process holds during the whole test."""

    def __init__(self) -> None:
        pass

    @property
    def is_sure(self) -> bool:
        return True

    async def renew(self) -> bool:
        return True

    @asynccontextmanager
    async def fenced(self) -> AsyncIterator[Fence]:
        yield Fence("delivery", "me", 1)


class Bench:
    """A dispatcher with its store, clocks and mail server."""

    def __init__(
        self,
        server: OddServer,
        tls: Literal["none", "starttls", "implicit"] = "none",
        user: str = "",
    ) -> None:
        self.server = server
        self.store = FakeNotices()
        self.clocks = Clocks()
        self.away: list[bool] = []
        self.transport = SmtpTransport(
            MailRenderer(Addresses("a.example"), "peygir@a.example"),
            host="127.0.0.1",
            port=server.port,
            tls=tls,
            user=user,
            password="secret",
            timeout_seconds=0.3,
        )
        self.dispatcher = self.another()

    def another(self) -> Dispatcher:
        """A dispatcher of another process on the same store."""
        return Dispatcher(
            self.store,
            self.transport,
            HandlerContext("notices", {}, retry_seconds=10, tries_most=TRIES_MOST),
            clock=DomainTime(),
            machine=self.clocks,
            away=self.away.append,
        )

    async def wait_for(self, *deputies: str, each: int = 1) -> list[str]:
        """Add `each` notices per deputy, in turns; return their ids."""
        added = [
            new_notices(resolution(resolution_id=f"{deputy}-{n}", deputy=deputy), NOW, None)[0]
            for n in range(each)
            for deputy in deputies
        ]
        known = await self.store.known([notice.notice_id for notice in added])
        new = [Change(None, n, (), self.clocks.at) for n in added if n.notice_id not in known]
        await self.store.save(new, CAUSE)
        return [notice.notice_id for notice in added]

    async def deliver(self) -> None:
        await self.dispatcher.deliver(OurLease())

    async def of(self, id_: str) -> Notice:
        found = await self.store.get(id_)
        assert found is not None
        return found

    async def states(self, ids: list[str]) -> Counter[State]:
        return Counter([(await self.of(id_)).state for id_ in ids])


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, from code that is not async."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits")


def slow(bench: Bench, answer: bytes) -> Answer:
    """An answer that takes ten seconds."""

    def after_a_while() -> bytes:
        bench.clocks.pass_by(10)
        return answer

    return after_a_while
