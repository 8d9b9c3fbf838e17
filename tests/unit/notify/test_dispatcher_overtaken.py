"""A notice that a later event makes untrue, before and while it is handed over."""

from __future__ import annotations

import pytest

from services.notify.domain.notices import (
    Delivered,
    Failed,
    HandedOver,
    HandoverState,
    Overtaken,
    State,
    evolve,
    new_notices,
)
from services.notify.handlers import Change, Unreachable
from shared.messaging.core.errors import Stale
from tests.unit.notify.dispatching import (
    CAUSE,
    Bench,
    at_once,
)
from tests.unit.notify.examples import NOW, session
from tests.unit.notify.oddserver import HANG_UP


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
