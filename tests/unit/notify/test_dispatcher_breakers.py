"""A recipient or a domain that fails delays no other, over a real dialogue with a mail server."""

from __future__ import annotations

import pytest

from services.notify.adapters.addresses import Addresses
from services.notify.adapters.mails import MailRenderer
from services.notify.adapters.smtp import SmtpTransport
from services.notify.domain.notices import (
    State,
    Trouble,
)
from services.notify.jobs import BATCH
from tests.unit.notify.dispatching import (
    CIVIL,
    TRIES_MOST,
    Bench,
    slow,
)
from tests.unit.notify.oddserver import HANG_UP


async def test_all_notices_of_a_deferred_recipient_wait(bench: Bench) -> None:
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


async def test_all_notices_of_a_recipient_that_is_always_deferred_fail(bench: Bench) -> None:
    bench.server.answers["RCPT", CIVIL] = b"452 4.2.2 mailbox full"
    full = await bench.wait_for("civil", each=2 * BATCH + 5)
    for _ in range(TRIES_MOST):
        assert await bench.states(full) == {State.PENDING: len(full)}
        await bench.deliver()
        bench.clocks.pass_by(900)
    assert await bench.states(full) == {State.FAILED: len(full)}
    assert {(await bench.of(id_)).reason for id_ in full} == {"452 4.2.2 mailbox full"}
    assert bench.server.heard.count(("RCPT", CIVIL)) == TRIES_MOST


@pytest.mark.parametrize("answer", [HANG_UP, b"451 4.4.1 no answer from host"])
async def test_a_slow_domain_delays_no_other_domain(bench: Bench, answer: bytes) -> None:
    known = {f"deputy:{name}": f"{name}@slow.example" for name in ("civil", "crisis", "social")}
    bench.transport = SmtpTransport(
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
