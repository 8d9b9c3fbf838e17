"""Readiness: named checks, each with its reason."""

from __future__ import annotations

import asyncio

import pytest

from shared.runtime.health import Degraded, Health, Unhealthy


async def well() -> None:
    """Answers at once."""


async def away() -> None:
    raise Unhealthy("no broker answers at 127.0.0.1:29092")


async def waiting() -> None:
    raise Degraded("User:notify lacks the right Read on topic t")


async def broken() -> None:
    raise KeyError("secret")


async def hanging() -> None:
    await asyncio.Event().wait()


def health(**checks: object) -> Health:
    built = Health(timeout=0.05)
    for name, check in checks.items():
        assert callable(check)
        built.register(name, check)
    return built


async def test_all_is_well() -> None:
    report = await health(kafka=well, mongodb=well).report()
    assert report == (True, {"status": "ok", "checks": {"kafka": "ok", "mongodb": "ok"}})


async def test_the_reason_is_reported() -> None:
    ok, report = await health(kafka=away, mongodb=well).report()
    assert not ok
    assert report == {
        "status": "unavailable",
        "checks": {"kafka": "no broker answers at 127.0.0.1:29092", "mongodb": "ok"},
    }


async def test_what_keeps_only_a_part_waiting_is_reported_and_no_more() -> None:
    ok, report = await health(kafka=well, rights=waiting).report()
    assert ok
    assert report == {
        "status": "degraded",
        "checks": {"kafka": "ok", "rights": "User:notify lacks the right Read on topic t"},
    }


async def test_an_excluded_check_does_not_run() -> None:
    ok, report = await health(kafka=away, mongodb=well).report(exclude=["kafka", "unheard-of"])
    assert ok
    assert report["checks"] == {"kafka": "excluded", "mongodb": "ok"}


async def test_a_check_that_hangs_has_failed() -> None:
    ok, report = await health(kafka=hanging).report()
    assert not ok
    assert report["checks"]["kafka"] == "no answer within 0.05 s"


async def test_checks_that_hang_do_not_add_up() -> None:
    checks = {f"check{number}": hanging for number in range(20)}
    async with asyncio.timeout(0.5):
        ok, _ = await health(**checks).report()
    assert not ok


async def test_an_error_in_a_check_is_a_failure_without_details() -> None:
    ok, report = await health(kafka=broken).report()
    assert not ok
    assert report["checks"]["kafka"] == "KeyError"


async def test_no_checks_at_all_are_fine() -> None:
    assert await Health().report() == (True, {"status": "ok", "checks": {}})


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="kafka"):
        health(kafka=well).register("kafka", away)
