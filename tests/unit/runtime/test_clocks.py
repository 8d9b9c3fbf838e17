"""The clocks of every process outside tests."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.runtime.clocks import SystemDomainClock, SystemMachineClock, milliseconds


async def test_both_clocks_show_the_hosts_time_in_utc() -> None:
    before = datetime.now(UTC)
    domain, machine = await SystemDomainClock().now(), SystemMachineClock().now()
    after = datetime.now(UTC)
    assert milliseconds(before) <= domain <= machine <= after
    assert domain == milliseconds(domain)
    assert domain.tzinfo is machine.tzinfo is UTC


async def test_sleeping_takes_its_time() -> None:
    clock = SystemMachineClock()
    started = clock.monotonic()
    await clock.sleep(0.02)
    assert clock.monotonic() - started >= 0.02
