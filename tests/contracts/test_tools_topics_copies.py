"""The number of copies of a partition: what the job requests, and reports about others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from deploy.local.cluster import Cluster
from tests.contracts.job import config, create, run, topics
from tools.topics.ensure import ExistingTopic as Found
from tools.topics.ensure import faults_of

IN_PRODUCTION = {
    "PEYGIR_ENV": "production",
    "PEYGIR_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "PEYGIR_KAFKA_USERNAME": "topics",
    "PEYGIR_KAFKA_PASSWORD": "not needed here",
}
"""Production that has all it needs to say how many copies there are."""


@pytest.mark.parametrize("there", [1, 5])
def test_another_number_of_copies_is_reported(there: int) -> None:
    spec = topics("").all()[0]
    found = Found((there, 3, 3), spec.config_with(min(there, 3)), {})

    assert faults_of(spec, found, 3) == [
        f"{spec.name} has replication factor {there}, declared is 3: change it with "
        "kafka-reassign-partitions, then run this again"
    ]


def test_without_a_number_the_existing_copies_are_accepted() -> None:
    spec = topics("").all()[0]

    assert faults_of(spec, Found((3, 3, 3), spec.config_with(3), {})) == []
    assert faults_of(spec, Found((3, 3, 3), spec.config_with(1), {})) == [
        f"{spec.name} has min.insync.replicas=1, declared is 2: run this again with --alter"
    ]


def test_a_topic_of_one_copy_is_not_asked_for_two() -> None:
    spec = topics("").all()[0]

    assert Found((1, 1, 1), spec.config_with(1), {}).differing(spec, 3) == {}


def test_a_partition_that_moves_needs_no_more_copies_than_it_will_have() -> None:
    spec = topics("").all()[0]

    assert Found((6, 6, 6), spec.config_with(3), {}).differing(spec, 3) == {}


def test_a_different_number_of_copies_is_reported_on_a_real_broker(
    cluster: Cluster, witness: AdminClient, prefix: str
) -> None:
    run(cluster.bootstrap, prefix)

    done = run(cluster.bootstrap, prefix, "--alter", PEYGIR_REPLICATION_FACTOR="3")

    specs = topics(prefix).all()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{spec.name} has replication factor 1, declared is 3: change it with "
        "kafka-reassign-partitions, then run this again"
        for spec in specs
    ]
    for spec in specs:
        assert config(witness, spec.name)["min.insync.replicas"] == "1", "or nobody could write"


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((), {}, "production has to say how many copies"),
        ((), {"PEYGIR_REPLICATION_FACTOR": "1"}, "allowed from 3 on"),
        ((), {"PEYGIR_REPLICATION_FACTOR": "2"}, "allowed from 3 on"),
        (("--replication-factor", "2"), {"PEYGIR_REPLICATION_FACTOR": "3"}, "allowed from 3 on"),
    ],
)
def test_production_requires_a_statement_of_enough_copies(
    arguments: tuple[str, ...], settings: dict[str, str], message: str
) -> None:
    done = run("127.0.0.1:1", "", *arguments, **IN_PRODUCTION, **settings)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("PEYGIR_REPLICATION_FACTOR: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_production_lists_its_topics_without_a_number_of_copies() -> None:
    assert run("127.0.0.1:1", "", "list", PEYGIR_ENV="production").returncode == 0


@pytest.fixture(scope="module")
def three(local: Path, test_folder: Path) -> Iterator[str]:
    """The addresses of three brokers with a default of two copies in sync."""
    cluster = Cluster(test_folder / "three", local / "cache", nodes=3)
    try:
        cluster.start("kafka")
        yield cluster.bootstrap
    finally:
        cluster.close(remove=True)


@pytest.mark.replicated
def test_three_copies_get_two_in_sync_and_existing_topics_are_recognised(
    three: str, prefix: str
) -> None:
    names = topics(prefix)
    witness = AdminClient({"bootstrap.servers": three})
    create(witness, names.sessions, 3, copies=1)
    create(witness, names.reports, 3, copies=3, min_insync_replicas="1")

    done = run(three, prefix, PEYGIR_REPLICATION_FACTOR="3")

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{names.sessions} has replication factor 1, declared is 3: change it with "
        "kafka-reassign-partitions, then run this again",
        f"{names.reports} has min.insync.replicas=1, declared is 2: run this again with --alter",
    ]
    assert "(replication factor 3)" in done.stdout
    in_sync = {spec.name: config(witness, spec.name)["min.insync.replicas"] for spec in names.all()}
    assert in_sync.pop(names.sessions) == "1", "or nobody could write to it"
    assert in_sync.pop(names.reports) == "1"
    assert set(in_sync.values()) == {"2"}

    run(three, prefix, "--alter", PEYGIR_REPLICATION_FACTOR="3")
    assert config(witness, names.reports)["min.insync.replicas"] == "2"
    assert config(witness, names.sessions)["min.insync.replicas"] == "1"
