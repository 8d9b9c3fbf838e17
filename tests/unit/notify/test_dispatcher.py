"""The dispatcher, with a store in memory and a real dialogue with a mail server that misbehaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from services.notify.domain.notices import (
    Notice,
    State,
    Trouble,
)
from services.notify.handlers import Change, Unreachable
from tests.unit.notify.dispatching import (
    CAUSE,
    CIVIL,
    DEPUTIES,
    TRIES_MOST,
    Bench,
    slow,
)
from tests.unit.notify.examples import resolution
from tests.unit.notify.oddserver import HANG_UP, SILENCE, Answer, OddServer

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
async def test_the_trouble_of_one_recipient_delays_no_other(
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
    reason = failed.reason or ""
    if answer in {HANG_UP, SILENCE}:
        assert reason
    else:
        assert answer.decode()[4:] in reason
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
async def test_trouble_of_the_server_delays_all_with_one_probe(
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


async def test_a_refused_connection_is_trouble_of_the_server(server: OddServer) -> None:
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


async def test_our_own_failure_on_one_mail_delays_no_other(bench: Bench) -> None:
    (odd, *good) = await bench.wait_for(*DEPUTIES)
    broken = replace(await bench.of(odd), notification=resolution(due_on=None), tries=1)
    await bench.store.save([Change(await bench.of(odd), broken, (), bench.clocks.at)], CAUSE)
    await bench.deliver()
    assert await bench.states(good) == {State.DELIVERED: len(good)}
    waits = await bench.of(odd)
    assert (waits.state, waits.tries, waits.trouble) == (State.PENDING, 2, Trouble.MESSAGE)
    assert waits.reason == "ValueError"


@pytest.mark.parametrize("most", [1, 2, 7])
async def test_a_connection_that_has_served_its_time_costs_no_try(bench: Bench, most: int) -> None:
    bench.server.most_per_connection = most
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
    replies: dict[int, bytes] = {}

    def once() -> bytes:
        number = bench.server.heard.count((verb, CIVIL))
        if number not in replies:
            replies[number] = next(answers, b"") or usual
        return replies[number]

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


async def test_another_process_continues_after_one_was_killed(bench: Bench) -> None:
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
