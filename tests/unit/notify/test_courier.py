"""The courier, with a store in memory and a real dialogue with a server that misbehaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import pytest
import pytest_asyncio

from services.notify.adapters.addresses import Addresses
from services.notify.adapters.mails import MailRenderer
from services.notify.adapters.smtp import SmtpTransport
from services.notify.domain.notices import (
    Delivered,
    Failed,
    HandedOver,
    HandoverState,
    Notice,
    Overtaken,
    State,
    Trouble,
    evolve,
    new_notices,
)
from services.notify.handlers import Change, HandlerContext, Unreachable
from services.notify.jobs import BATCH, Dispatcher
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Fence
from shared.messaging.ledger.leases import Lease
from tests.stores.fakes_notify import FakeNotices
from tests.unit.notify.examples import NOW, resolution, session
from tests.unit.notify.oddserver import HANG_UP, SILENCE, Answer, OddServer

T = TypeVar("T")

CAUSE = CommitContext("event", "test")
DEPUTIES = ("civil", "crisis", "economic", "political", "security", "social")
TRIES_MOST = 6


class Clocks:
    """Both clocks; nothing waits, and a test moves them."""

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
    """A lease that is ours for as long as the test lasts."""

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
    """A courier with all that it needs."""

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
        self.post = SmtpTransport(
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
        """Another process on the same store."""
        return Dispatcher(
            self.store,
            self.post,
            HandlerContext("notices", {}, retry_seconds=10, tries_most=TRIES_MOST),
            clock=DomainTime(),
            machine=self.clocks,
            away=self.away.append,
        )

    async def wait_for(self, *deputies: str, each: int = 1) -> list[str]:
        """Let notices wait, in turn for each of these deputies; return their ids."""
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
    """Do what waits for nothing, in the middle of something that cannot wait."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[OddServer]:
    async with OddServer() as odd:
        yield odd


@pytest.fixture
def bench(server: OddServer) -> Bench:
    return Bench(server)


CIVIL = "deputy.civil@a.example"

ODD: list[tuple[str, bytes]] = [
    ("RCPT", HANG_UP),
    ("RCPT", SILENCE),
    ("RCPT", b"421 4.3.2 not now"),
    ("RCPT", b"nonsense"),
    ("RCPT", b"999 what"),
    ("RCPT", b"354 go on"),
    ("RCPT", b"450 4.2.1 greylisted"),
    ("RCPT", b"451 4.7.1 try again"),
    ("RCPT", b"452 4.2.2 mailbox full"),
    ("DATA", HANG_UP),
    ("DATA", SILENCE),
    ("DATA", b"421 4.3.2 not now"),
    ("DATA", b"250 OK"),
    ("DATA", b"503 5.5.1 RCPT first"),
    ("DATA", b"451 4.3.0 filter failed"),
    ("DOT", HANG_UP),
    ("DOT", SILENCE),
    ("DOT", b"421 4.3.2 not now"),
    ("DOT", b"2x0 what"),
    ("DOT", b"452 4.3.1 no room"),
]


@pytest.mark.parametrize(("verb", "answer"), ODD)
async def test_the_trouble_of_one_recipient_holds_back_nobody_else(
    bench: Bench, verb: str, answer: bytes
) -> None:
    bench.server.answers[verb, CIVIL] = answer
    (odd, *good) = await bench.wait_for(*DEPUTIES)
    await bench.deliver()
    assert await bench.states(good) == {State.DELIVERED: len(good)}
    waits = await bench.of(odd)
    assert (waits.state, waits.tries) == (State.PENDING, 1)
    assert waits.reason
    assert sorted(bench.server.taken) == sorted(good)
    assert True not in bench.away
    await bench.deliver()
    assert (await bench.of(odd)).tries == 1, "its time has not come"
    del bench.server.answers[verb, CIVIL]
    bench.clocks.pass_by(10)
    await bench.deliver()
    assert isinstance(await bench.of(odd), Notice)
    assert (await bench.of(odd)).state is State.DELIVERED
    assert (await bench.of(odd)).trouble is None
    assert Counter(bench.server.taken) == Counter([odd, *good])


@pytest.mark.parametrize(("verb", "answer"), ODD)
async def test_after_so_many_tries_it_has_failed_with_the_reason(
    bench: Bench, verb: str, answer: bytes
) -> None:
    bench.server.answers[verb, CIVIL] = answer
    (odd,) = await bench.wait_for("civil")
    waited = []
    for tries in range(1, TRIES_MOST):
        good = await bench.wait_for("social", each=tries)  # one more each time
        await bench.deliver()
        assert await bench.states(good) == {State.DELIVERED: tries}
        assert (await bench.of(odd)).tries == tries
        before = bench.clocks.passed
        while not await bench.store.waiting(bench.clocks.at, 1):
            bench.clocks.pass_by(1)
        waited.append(bench.clocks.passed - before)
    await bench.deliver()
    failed = await bench.of(odd)
    assert (failed.state, failed.tries) == (State.FAILED, TRIES_MOST)
    told = failed.reason or ""
    if answer in {HANG_UP, SILENCE}:
        assert told
    else:
        assert answer.decode()[4:] in told
    assert waited == [10, 20, 40, 80, 160]
    assert [event.type for event in bench.store.events].count("peygir.NoticeFailed.v1") == 1


@pytest.mark.parametrize("verb", ["RCPT", "DATA", "DOT"])
@pytest.mark.parametrize("answer", [b"550 5.1.1 nobody", b"554 5.7.1 spam", b"552 5.2.2 full"])
async def test_refused_for_ever_is_failed_at_once(bench: Bench, verb: str, answer: bytes) -> None:
    bench.server.answers[verb, CIVIL] = answer
    (odd, *good) = await bench.wait_for(*DEPUTIES)
    await bench.deliver()
    assert await bench.states(good) == {State.DELIVERED: len(good)}
    assert (await bench.of(odd)).reason == answer.decode()
    assert (await bench.of(odd)).state is State.FAILED
    assert bench.server.connections == 1


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("GREETING", HANG_UP),
        ("GREETING", SILENCE),
        ("GREETING", b"554 no"),
        ("GREETING", b"421 busy"),
        ("GREETING", b"nonsense"),
        ("EHLO", HANG_UP),
        ("EHLO", SILENCE),
        ("EHLO", b"421 busy"),
        ("MAIL", HANG_UP),
        ("MAIL", SILENCE),
        ("MAIL", b"421 4.3.2 shutting down"),
        ("MAIL", b"451 4.7.1 too fast"),
        ("MAIL", b"452 4.3.1 no room"),
        ("MAIL", b"530 5.7.0 log in first"),
        ("MAIL", b"553 5.1.8 not from here"),
        ("MAIL", b"what"),
        ("RCPT", b"530 5.7.0 log in first"),
    ],
)
async def test_the_servers_trouble_puts_all_off_with_one_probe(
    bench: Bench, verb: str, answer: bytes
) -> None:
    bench.server.answers[verb, ""] = answer
    ids = await bench.wait_for(*DEPUTIES, each=5)
    for probes in (1, 2, 3, 4):
        with pytest.raises(Unreachable):
            await bench.deliver()
        assert bench.server.connections == probes
        assert bench.away[-1] is True
    assert bench.clocks.passed == 1_000 + 1 + 2 + 4, "the waits between the probes grow"
    for _ in range(4):
        with pytest.raises(Unreachable):
            await bench.deliver()
    assert bench.clocks.passed == 1_000 + 1 + 2 + 4 + 8 + 16 + 30 + 30
    assert await bench.states(ids) == {State.PENDING: len(ids)}
    assert {(await bench.of(id_)).tries for id_ in ids} == {0}, "it is no notice's fault"
    del bench.server.answers[verb, ""]
    await bench.deliver()
    assert await bench.states(ids) == {State.DELIVERED: len(ids)}
    assert bench.away[-1] is False
    assert Counter(bench.server.taken) == Counter(ids)


async def test_a_refused_connection_is_the_servers_trouble(server: OddServer) -> None:
    bench = Bench(server)
    await server.__aexit__()
    ids = await bench.wait_for(*DEPUTIES)
    with pytest.raises(Unreachable):
        await bench.deliver()
    assert {(await bench.of(id_)).tries for id_ in ids} == {0}
    await server.__aenter__()
    await bench.deliver()
    assert await bench.states(ids) == {State.DELIVERED: len(ids)}


@pytest.mark.parametrize(
    ("tls", "user", "answers"),
    [
        ("starttls", "", {}),
        ("starttls", "", {("EHLO", ""): b"250-odd\r\n250 STARTTLS", ("STAR", ""): b"454 4.7.0 no"}),
        ("starttls", "", {("EHLO", ""): b"250-odd\r\n250 STARTTLS", ("STAR", ""): b"220 but not"}),
        ("implicit", "", {}),
        ("none", "peygir", {}),
        (
            *("none", "peygir"),
            {("EHLO", ""): b"250-odd\r\n250 AUTH PLAIN", ("AUTH", ""): b"535 5.7.8 wrong"},
        ),
        (
            *("none", "peygir"),
            {("EHLO", ""): b"250-odd\r\n250 AUTH PLAIN", ("AUTH", ""): b"454 4.7.0 later"},
        ),
    ],
)
async def test_neither_tls_nor_a_log_in_that_fails_is_a_notices_fault(
    server: OddServer,
    tls: Literal["none", "starttls", "implicit"],
    user: str,
    answers: dict[tuple[str, str], Answer],
) -> None:
    server.answers.update(answers)
    bench = Bench(server, tls, user)
    ids = await bench.wait_for(*DEPUTIES)
    with pytest.raises(Unreachable):
        await bench.deliver()
    assert {(await bench.of(id_)).tries for id_ in ids} == {0}
    assert server.connections == 1
    assert server.taken == []


async def test_a_fault_of_ours_in_one_mail_holds_up_no_other(bench: Bench) -> None:
    (odd, *good) = await bench.wait_for(*DEPUTIES)
    broken = replace(await bench.of(odd), notification=resolution(due_on=None), tries=1)
    await bench.store.save([Change(await bench.of(odd), broken, (), bench.clocks.at)], CAUSE)
    await bench.deliver()
    assert await bench.states(good) == {State.DELIVERED: len(good)}
    waits = await bench.of(odd)
    assert (waits.state, waits.tries, waits.trouble) == (State.PENDING, 2, Trouble.MESSAGE)
    assert waits.reason == "ValueError"


async def test_what_is_overtaken_before_it_is_handed_over_does_not_go_out(bench: Bench) -> None:
    (invitation,) = new_notices(session(), NOW, None)
    await bench.store.save([Change(None, invitation, (), bench.clocks.at)], CAUSE)

    def overtake() -> bytes:  # the batch is loaded by now
        overtaken = evolve(invitation, Overtaken(NOW))
        at_once(bench.store.save([Change(invitation, overtaken, (), None)], CAUSE))
        return b"220 odd"

    bench.server.answers["GREETING", ""] = overtake
    with pytest.raises(Stale):
        await bench.deliver()
    await bench.deliver()
    assert bench.server.taken == []
    assert (await bench.of(invitation.notice_id)).state is State.WITHDRAWN


@pytest.mark.parametrize("most", [1, 2, 7])
async def test_a_connection_that_has_served_its_time_costs_no_try(bench: Bench, most: int) -> None:
    bench.server.most_a_connection = most
    ids = await bench.wait_for(*DEPUTIES, each=3)
    await bench.deliver()
    assert await bench.states(ids) == {State.DELIVERED: 18}
    assert {(await bench.of(id_)).tries for id_ in ids} == {1}
    assert bench.server.connections == -(-18 // most)
    assert Counter(bench.server.taken) == Counter(ids)


@pytest.mark.parametrize("verb", ["RCPT", "DATA"])
async def test_421_on_a_used_connection_is_answered_by_a_new_one(bench: Bench, verb: str) -> None:
    answers = iter([b"", b"421 4.3.2 restart"])
    usual = {"RCPT": b"250 OK", "DATA": b"354 go on"}[verb]
    told: dict[int, bytes] = {}

    def once() -> bytes:
        number = bench.server.heard.count((verb, CIVIL))
        if number not in told:
            told[number] = next(answers, b"") or usual
        return told[number]

    bench.server.answers[verb, CIVIL] = once
    ids = await bench.wait_for("civil", each=3)
    await bench.deliver()
    assert await bench.states(ids) == {State.DELIVERED: 3}
    assert {(await bench.of(id_)).tries for id_ in ids} == {1}
    assert bench.server.connections == 2


async def test_a_refusal_whose_reset_is_not_answered_is_a_refusal(bench: Bench) -> None:
    bench.server.answers["RCPT", CIVIL] = b"550 5.1.1 nobody"
    bench.server.answers["RSET", ""] = SILENCE
    (odd, *good) = await bench.wait_for(*DEPUTIES)
    await bench.deliver()
    assert (await bench.of(odd)).reason == "550 5.1.1 nobody"
    assert await bench.states(good) == {State.DELIVERED: len(good)}


async def test_a_server_without_any_extension_is_enough(bench: Bench) -> None:
    bench.server.answers["EHLO", ""] = b"502 5.5.1 what"
    ids = await bench.wait_for(*DEPUTIES)
    await bench.deliver()
    assert await bench.states(ids) == {State.DELIVERED: len(ids)}
    assert bench.server.connections == 1


async def test_a_mail_that_is_too_large_is_its_own_fault(bench: Bench) -> None:
    bench.server.answers["MAIL", ""] = b"552 5.3.4 too large"
    (one,) = await bench.wait_for("civil")
    await bench.deliver()
    assert (await bench.of(one)).state is State.FAILED


async def test_whoever_is_put_off_as_recipient_waits_with_all_of_his(bench: Bench) -> None:
    bench.server.answers["RCPT", CIVIL] = b"452 4.2.2 mailbox full"
    full = await bench.wait_for("civil", each=3 * BATCH)
    good = await bench.wait_for("social", each=3)
    await bench.deliver()
    assert await bench.states(good) == {State.DELIVERED: 3}
    assert bench.server.heard.count(("RCPT", CIVIL)) == 1, "one was asked for all"
    of_all = {((await bench.of(id_)).tries, (await bench.of(id_)).reason) for id_ in full}
    assert of_all == {(1, "452 4.2.2 mailbox full")}
    assert await bench.store.count_put_off() == {Trouble.RECIPIENT: 60}
    bench.clocks.pass_by(10)
    await bench.deliver()
    assert bench.server.heard.count(("RCPT", CIVIL)) == 2
    del bench.server.answers["RCPT", CIVIL]
    bench.clocks.pass_by(20)
    await bench.deliver()
    assert await bench.states(full) == {State.DELIVERED: 60}


async def test_whoever_never_takes_anything_is_given_up_with_all_of_his(bench: Bench) -> None:
    bench.server.answers["RCPT", CIVIL] = b"452 4.2.2 mailbox full"
    full = await bench.wait_for("civil", each=2 * BATCH + 5)
    for _ in range(TRIES_MOST):
        assert await bench.states(full) == {State.PENDING: len(full)}
        await bench.deliver()
        bench.clocks.pass_by(900)
    assert await bench.states(full) == {State.FAILED: len(full)}
    assert {(await bench.of(id_)).reason for id_ in full} == {"452 4.2.2 mailbox full"}
    assert bench.server.heard.count(("RCPT", CIVIL)) == TRIES_MOST


def slow(bench: Bench, answer: bytes) -> Answer:
    """An answer for which everybody waits for ten seconds."""

    def after_a_while() -> bytes:
        bench.clocks.pass_by(10)
        return answer

    return after_a_while


@pytest.mark.parametrize("answer", [HANG_UP, b"451 4.4.1 no answer from host"])
async def test_a_slow_domain_holds_back_nobody_elses(bench: Bench, answer: bytes) -> None:
    known = {f"deputy:{name}": f"{name}@slow.example" for name in ("civil", "crisis", "social")}
    bench.post = SmtpTransport(
        MailRenderer(Addresses("a.example", known), "peygir@a.example"),
        host="127.0.0.1",
        port=bench.server.port,
        tls="none",
        user="",
        password="",
        timeout_seconds=5,
    )
    bench.dispatcher = bench.another()
    for address in known.values():
        bench.server.answers["RCPT", address] = slow(bench, answer)
    odd = await bench.wait_for("civil", "crisis", "social", each=BATCH)
    good = await bench.wait_for("security", "economic", each=5)
    before = bench.clocks.passed
    await bench.deliver()
    assert await bench.states(good) == {State.DELIVERED: 10}
    assert bench.clocks.passed - before <= 60, "a few were tried, not all"
    assert (await bench.store.count_put_off()).get(Trouble.DOMAIN, 0) > 50
    for address in known.values():
        del bench.server.answers["RCPT", address]
    for _ in range(3):
        bench.clocks.pass_by(60)
        await bench.deliver()
    assert await bench.states(odd) == {State.DELIVERED: len(odd)}


async def test_a_server_that_takes_all_slowly_takes_all(bench: Bench) -> None:
    bench.server.answers["DOT", ""] = slow(bench, b"250 OK")
    ids = await bench.wait_for(*DEPUTIES, each=2)
    await bench.deliver()
    assert await bench.states(ids) == {State.DELIVERED: len(ids)}
    assert Counter(bench.server.taken) == Counter(ids)


async def test_a_server_that_hangs_up_on_everybodys_mail_is_not_run_down(bench: Bench) -> None:
    bench.server.answers["DOT", ""] = HANG_UP
    ids = await bench.wait_for(*DEPUTIES, each=20)
    await bench.deliver()
    assert bench.server.connections <= 12
    for _ in range(3 * TRIES_MOST):
        bench.clocks.pass_by(900)
        await bench.deliver()
    assert await bench.states(ids) == {State.PENDING: len(ids)}, "nobody's fault, so nobody fails"
    del bench.server.answers["DOT", ""]
    bench.clocks.pass_by(900)
    await bench.deliver()
    assert await bench.states(ids) == {State.DELIVERED: len(ids)}


async def test_another_process_goes_on_where_one_was_killed(bench: Bench) -> None:
    bench.server.answers["DOT", CIVIL] = SILENCE
    (odd, *good) = await bench.wait_for(*DEPUTIES)
    killed = asyncio.create_task(bench.deliver())
    while ("DOT", CIVIL) not in bench.server.heard:
        await asyncio.sleep(0)
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    bench.dispatcher = bench.another()
    await bench.deliver()
    assert await bench.states(good) == {State.DELIVERED: len(good)}
    assert Counter(bench.server.taken) == Counter(good)
    assert (await bench.of(odd)).state is State.PENDING


@pytest.mark.parametrize("days", [-400, 400])
async def test_a_clock_that_is_set_neither_fails_nor_strands_anything(
    bench: Bench, days: int
) -> None:
    bench.server.answers["RCPT", CIVIL] = b"451 4.7.1 later"
    (odd,) = await bench.wait_for("civil")
    await bench.deliver()
    bench.clocks.at += timedelta(days=days)
    await bench.deliver()
    assert (await bench.of(odd)).state is State.PENDING
    del bench.server.answers["RCPT", CIVIL]
    bench.clocks.pass_by(20)
    await bench.deliver()
    assert (await bench.of(odd)).state is State.DELIVERED


async def test_what_may_be_overtaken_is_under_way_only_once_there_is_a_server(
    bench: Bench,
) -> None:
    (invitation,) = new_notices(session(), NOW, None)
    await bench.store.save([Change(None, invitation, (), bench.clocks.at)], CAUSE)
    standings = []

    def not_now() -> bytes:
        standings.append(at_once(bench.of(invitation.notice_id)).handover)
        return HANG_UP

    bench.server.answers["GREETING", ""] = not_now
    with pytest.raises(Unreachable):
        await bench.deliver()
    assert standings == [HandoverState.WAITS]
    assert await bench.of(invitation.notice_id) == invitation
    del bench.server.answers["GREETING", ""]
    bench.server.answers["MAIL", ""] = b"421 no"
    with pytest.raises(Unreachable):
        await bench.deliver()
    found = await bench.of(invitation.notice_id)
    assert (found.handover, found.tries) == (HandoverState.WAITS, 0)
    del bench.server.answers["MAIL", ""]
    bench.server.answers["DOT", ""] = HANG_UP
    await bench.deliver()
    assert (await bench.of(invitation.notice_id)).handover is HandoverState.UNDER_WAY
    bench.server.answers["DOT", ""] = b"451 later"
    bench.clocks.pass_by(10)
    await bench.deliver()
    assert (await bench.of(invitation.notice_id)).handover is HandoverState.WAITS
    assert bench.server.taken == []


async def test_what_was_overtaken_under_way_goes_out_no_more(bench: Bench) -> None:
    (invitation,) = new_notices(session(), NOW, None)
    began = evolve(invitation, HandedOver(NOW))
    overtaken = evolve(began, Overtaken(NOW))
    await bench.store.save([Change(None, overtaken, (), bench.clocks.at)], CAUSE)
    await bench.deliver()
    assert (await bench.of(invitation.notice_id)).state is State.WITHDRAWN
    assert bench.server.connections == 0
    assert bench.store.events == []
    for fact in (Delivered(NOW), Failed(NOW, "550")):
        assert evolve(overtaken, fact).version == 1
