"""The cluster that tests and the demo get: real, restartable, on ports of its own."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster, StillRunning
from deploy.local.parts import PartFailed
from deploy.local.ports import is_free
from deploy.local.processes import is_alive
from tests.local import clients


@pytest.fixture(scope="module")
def own(local: Path, test_folder: Path) -> Iterator[Cluster]:
    """A cluster that only the tests of this module break."""
    with Cluster(test_folder / "own", local / "cache") as running:
        yield running


def test_kafka_keeps_what_it_acknowledged_through_a_kill(own: Cluster, namespace: str) -> None:
    topic = f"{namespace}.mosavvabat"
    clients.create_topic(own.bootstrap, topic)
    assert clients.send(own.bootstrap, topic, "مصوبهٔ یک")
    before = own.pid("kafka")

    own.kill("kafka")
    assert not is_alive(before)
    own.start("kafka")

    assert own.pid("kafka") != before
    assert clients.send(own.bootstrap, topic, "مصوبهٔ دو")
    assert clients.read_all(own.bootstrap, topic) == ["مصوبهٔ یک", "مصوبهٔ دو"]


def test_kafka_makes_no_topic_that_nobody_declared(own: Cluster, namespace: str) -> None:
    topic = f"{namespace}.typo"

    assert not clients.send(own.bootstrap, topic, "?", seconds=1.5)
    assert topic not in clients.topics(own.bootstrap)


def test_mongodb_has_transactions_that_outlive_a_kill(own: Cluster, namespace: str) -> None:
    followup = {"_id": 1, "title": "پیگیری"}
    with (
        clients.mongo(own.mongodb_uri) as client,
        client.start_session() as session,
        session.start_transaction(),
    ):
        client[namespace]["followups"].insert_one(followup, session=session)

    own.kill("mongod")
    own.start("mongod")

    with clients.mongo(own.mongodb_uri) as client:
        assert client[namespace]["followups"].find_one() == followup


def test_a_copy_of_the_data_lives_on_another_port(
    own: Cluster, local: Path, test_folder: Path, namespace: str
) -> None:
    with clients.mongo(own.mongodb_uri) as client:
        client[namespace]["kept"].insert_one({"_id": "before the copy"})
    with pytest.raises(StillRunning):
        own.copy_data("mongod", test_folder / "own-copy")
    own.stop("mongod")
    own.copy_data("mongod", test_folder / "own-copy")
    own.start("mongod")

    other = Cluster(test_folder / "other", local / "cache")
    try:
        other.restore_data("mongod", test_folder / "own-copy")
        other.start("mongod")
        assert other.mongodb_uri != own.mongodb_uri
        with clients.mongo(other.mongodb_uri) as client:
            assert client[namespace]["kept"].find_one() == {"_id": "before the copy"}
            client[namespace]["kept"].insert_one({"_id": "after it"})
    finally:
        other.close(remove=True)
        shutil.rmtree(test_folder / "own-copy")
    assert is_free(other.layout.ports.mongod)


def test_a_part_that_can_not_come_up_fails_with_what_it_said(
    local: Path, test_folder: Path
) -> None:
    cluster = Cluster(test_folder / "broken", local / "cache")
    try:
        with (
            socket.create_server(("127.0.0.1", cluster.layout.ports.mongod)),
            pytest.raises(PartFailed, match=r"(?s)mongod ended with .*already in use"),
        ):
            cluster.start("mongod")
    finally:
        cluster.close(remove=True)
