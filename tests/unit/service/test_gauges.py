"""What shows how a process is: its dependencies, its clock and its certificates."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.local.certificates import Authority
from shared.messaging.scheduling.clock_skew import ClockSkewGuard
from shared.runtime.health import Degraded, Health, Unhealthy
from shared.runtime.metrics import Metrics
from shared.runtime.settings import CommonSettings
from shared.service.gauges import CertificateExpiries, show_clock, show_dependencies
from tests.unit.messaging.fakes import Clock
from tests.unit.messaging.fakes_kafka import BEGUN

IN_MAY = datetime(2031, 5, 1, tzinfo=UTC)
IN_JUNE = datetime(2031, 6, 1, tzinfo=UTC)


def shown(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_a_dependency_is_up_if_readyz_says_so() -> None:
    health, metrics = Health(), Metrics()

    async def works() -> None:
        pass

    async def is_away() -> None:
        raise Unhealthy("kafka does not answer")

    async def serves_on() -> None:
        raise Degraded("the identity provider is away")

    for name, check in (
        ("mongodb", works),
        ("kafka", is_away),
        ("identity", serves_on),
        ("rights", serves_on),
    ):
        health.register(name, check)
    await show_dependencies(health, metrics)
    found = {
        name: shown(metrics, "peygir_dependency_up", dependency=name)
        for name in ("mongodb", "kafka", "identity", "rights")
    }
    assert found == {"mongodb": 1, "kafka": 0, "identity": 0, "rights": None}


async def test_the_difference_of_the_clocks_is_shown_once_they_are_compared() -> None:
    metrics, ahead = Metrics(), timedelta(minutes=2)

    async def server_time() -> datetime:
        return BEGUN - ahead

    guard = ClockSkewGuard(Clock(), server_time)
    await show_clock(guard, metrics)
    before = shown(metrics, "peygir_clock_difference_seconds")
    assert before is not None
    assert math.isnan(before)
    assert not await guard.agrees()
    await show_clock(guard, metrics)
    assert shown(metrics, "peygir_clock_difference_seconds") == 120


async def test_a_certificate_that_is_renewed_is_shown_with_its_new_expiry(tmp_path: Path) -> None:
    authority, metrics = Authority(tmp_path), Metrics()
    pair = authority.issue("notify", ends=IN_MAY)
    settings = CommonSettings(
        env="development",
        kafka_security_protocol="SSL",
        kafka_ca_file=authority.certificate,
        kafka_cert_file=pair.certificate,
        kafka_key_file=pair.key,
    )
    expiries = CertificateExpiries(settings, metrics)
    name = "peygir_certificate_expiry_timestamp_seconds"
    await expiries.show()
    assert shown(metrics, name, certificate="kafka") == IN_MAY.timestamp()
    assert shown(metrics, name, certificate="kafka-authority") is not None
    assert shown(metrics, name, certificate="http") is None
    pair.certificate.write_text("half of it")
    await expiries.show()
    assert shown(metrics, name, certificate="kafka") == IN_MAY.timestamp()
    authority.issue("notify", anew=True, ends=IN_JUNE)
    await expiries.show()
    assert shown(metrics, name, certificate="kafka") == IN_JUNE.timestamp()
