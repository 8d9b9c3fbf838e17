"""Quotas: who has which, what an operator changes, and what is made from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from shared.contracts.topics import Topics
from shared.runtime.integrators import Integrator
from tools.access.__main__ import app
from tools.access.kafka_quotas import AlterClientQuotasRequest, AlterQuotasV0
from tools.access.quotas import (
    DEFAULTS,
    NAMES,
    REASONS,
    BadQuotas,
    Quota,
    QuotaChange,
    Quotas,
    quota_changes,
    read_quotas,
)
from tools.access.rights import PrincipalKind, grantees
from tools.access.strimzi import manifests
from tools.access.workloads import Workload

TOPICS = Topics(("civil", "crisis"))
TRACKER = Integrator("tracker", frozenset({"/tracker"}), frozenset({"civil"}))
DECLARED = grantees(TOPICS, [TRACKER])
SMALL = Quota(10, 20, 30)


def file_of(folder: Path, text: str) -> Path:
    path = folder / "quotas.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_user_is_of_one_kind() -> None:
    assert {one.user: one.kind.value for one in DECLARED} == {
        "scheduler": "service",
        "reports": "service",
        "notify": "service",
        "followups-api": "service",
        "followups-civil": "worker",
        "followups-crisis": "worker",
        "topics": "tool",
        "deadletter": "tool",
        "integrator-tracker": "integrator",
    }
    (together, *_) = grantees(TOPICS, services=[Workload("followups", "followups", ("civil",))])
    assert together.kind is PrincipalKind.WORKER


def test_every_kind_has_a_quota_and_a_reason() -> None:
    assert set(DEFAULTS) == set(REASONS) == set(PrincipalKind)


def test_an_integrator_takes_a_fraction_and_a_worker_reads_as_fast_as_it_can() -> None:
    for name, limit in DEFAULTS[PrincipalKind.INTEGRATOR].limits().items():
        for kind in (PrincipalKind.SERVICE, PrincipalKind.WORKER):
            assert limit * 4 <= DEFAULTS[kind].limits()[name]
    events_per_second, bytes_per_event = 12_627, 1_000  # the fastest reader in performance.md
    worker = DEFAULTS[PrincipalKind.WORKER]
    assert worker.consumer_byte_rate > events_per_second * bytes_per_event


# -- what an operator changes -----------------------------------------------------------------


def test_a_file_changes_kinds_and_users_and_leaves_the_rest(tmp_path: Path) -> None:
    text = (
        "[integrator]\nconsumer_byte_rate = 4_000_000\n"
        "[users.integrator-tracker]\nproducer_byte_rate = 1_000_000\n"
    )
    quotas = read_quotas(file_of(tmp_path, text))
    found = {one.user: quotas.of(one) for one in DECLARED}
    default = DEFAULTS[PrincipalKind.INTEGRATOR]
    assert found["integrator-tracker"] == replace(
        default, producer_byte_rate=1_000_000, consumer_byte_rate=4_000_000
    )
    assert found["notify"] == DEFAULTS[PrincipalKind.SERVICE]
    quotas.check(DECLARED)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[integrators]", "integrators: unknown; allowed: service, worker, integrator, tool"),
        ("worker = 5", "worker is a table of limits"),
        ("users = 5", r"write each user as \[users.integrator-tracker\]"),
        ("[users]\nnotify = 5", "notify is a table of limits"),
        ("[tool]\nbyte_rate = 5", "tool: byte_rate is no limit; there are producer_byte_rate"),
        ("[tool]\nproducer_byte_rate = 0", "tool: producer_byte_rate is a whole number from 1"),
        ("[tool]\nproducer_byte_rate = true", "tool: producer_byte_rate is a whole number"),
        ("[tool]\nproducer_byte_rate = 1.5", "tool: producer_byte_rate is a whole number"),
        ("[tool", "is no TOML"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    path = file_of(tmp_path, text)
    with pytest.raises(BadQuotas, match=f"quotas.toml.* {reason}"):
        read_quotas(path)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadQuotas, match=r"none\.toml cannot be read \(FileNotFoundError\)"):
        read_quotas(tmp_path / "none.toml")


def test_a_user_that_does_not_exist_is_named() -> None:
    with pytest.raises(BadQuotas, match="there is no user integrator-other"):
        Quotas(users={"integrator-other": {}}).check(DECLARED)


# -- on a cluster -----------------------------------------------------------------------------


def test_what_is_as_declared_needs_no_change() -> None:
    assert quota_changes({"notify": SMALL}, {"notify": SMALL.limits()}) == ()


def test_each_limit_that_differs_is_a_change_and_those_of_others_stay() -> None:
    present = {
        "notify": {"producer_byte_rate": 10.0, "consumer_byte_rate": 7.5, "connection_rate": 1.0},
        "somebody": {"producer_byte_rate": 1.0},
        "former": {"producer_byte_rate": 1.0},
    }
    found = quota_changes({"notify": SMALL}, present, ["former"])
    assert [str(change) for change in found] == [
        "User:notify consumer_byte_rate 20 (was 7.5)",
        "User:notify request_percentage 30 (was no limit)",
        "User:former producer_byte_rate no limit (was 1)",
    ]


def test_a_request_sets_and_removes_the_limits_of_each_user_once() -> None:
    changes = [
        QuotaChange("notify", "producer_byte_rate", None, 10),
        QuotaChange("former", "producer_byte_rate", 1.0, None),
        QuotaChange("notify", "consumer_byte_rate", 1.0, 20),
    ]
    request = AlterClientQuotasRequest(changes).build(AlterQuotasV0)
    assert AlterQuotasV0.decode(request.encode()).entries == [
        (
            [("user", "notify")],
            [("producer_byte_rate", 10.0, False), ("consumer_byte_rate", 20.0, False)],
        ),
        ([("user", "former")], [("producer_byte_rate", 0.0, True)]),
    ]


# -- as Strimzi wants it ----------------------------------------------------------------------


def test_strimzis_users_have_the_same_quotas() -> None:
    quotas = Quotas(users={"integrator-tracker": {"producer_byte_rate": 7}})
    documents = yaml.safe_load_all(manifests(DECLARED, quotas, "peygir", "tls"))
    found = {each["metadata"]["name"]: each["spec"]["quotas"] for each in documents}
    names = ("producerByteRate", "consumerByteRate", "requestPercentage")
    assert found == {
        one.user: dict(zip(names, quotas.of(one).limits().values(), strict=True))
        for one in DECLARED
    }
    assert len(NAMES) == len(names)
    assert found["integrator-tracker"]["producerByteRate"] == 7


def test_the_command_takes_an_operators_quotas_and_refuses_wrong_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEYGIR_ENV", "development")
    path = file_of(tmp_path, "[users.notify]\nproducer_byte_rate = 7")
    monkeypatch.setenv("PEYGIR_QUOTAS_FILE", str(path))
    done = CliRunner().invoke(app, ["strimzi"])
    assert done.exit_code == 0, done.output
    assert "producerByteRate: 7\n" in done.output
    file_of(tmp_path, "[users.nobody]\nproducer_byte_rate = 7")
    refused = CliRunner().invoke(app, ["strimzi"])
    assert refused.exit_code != 0
    assert "PEYGIR_QUOTAS_FILE: there is no user nobody" in refused.output
