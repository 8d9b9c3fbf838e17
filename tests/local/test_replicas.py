"""Three brokers and three members: what one of them lost, cut off or frozen leaves standing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from pymongo import MongoClient, WriteConcern
from pymongo.errors import PyMongoError

from deploy.local import toxiproxy
from deploy.local.cluster import Cluster, Name
from deploy.local.processes import is_alive, may_have_own_hosts
from deploy.local.replicas import NotLevel
from deploy.local.services import service_environment
from tests.local import clients

pytestmark = pytest.mark.replicated

_DISK_MB = 256


def _no_network(local: Path) -> str | None:
    try:
        toxiproxy.build(local / "cache")
    except toxiproxy.NoToxiproxy as reason:
        return str(reason)
    return None


@pytest.fixture(scope="module")
def three(local: Path, test_folder: Path) -> Iterator[Cluster]:
    """Three of each; behind proxies where this machine has them."""
    proxied = _no_network(local) is None
    with Cluster(test_folder / "three", local / "cache", nodes=3, proxied=proxied) as running:
        yield running


@pytest.fixture(autouse=True)
def level(three: Cluster) -> Iterator[None]:
    """Whatever a test took down is up again before the next."""
    yield
    if three.layout.proxied:
        three.network.heal()
        three.start("toxiproxy")
    three.start(*three.stores)
    three.wait_until_level()


@pytest.fixture
def cuttable(three: Cluster, local: Path) -> Cluster:
    if reason := _no_network(local):
        pytest.skip(reason)
    if not may_have_own_hosts():
        pytest.skip("this machine lets no process have an /etc/hosts of its own")
    return three


@pytest.fixture
def topic(three: Cluster, namespace: str, request: pytest.FixtureRequest) -> str:
    name = f"{namespace}.{abs(hash(request.node.name)) % 10**8}"
    clients.create_topic(three.bootstrap, name, copies=3)
    three.wait_until_level()
    return name


def test_clients_are_told_of_every_node_and_topics_have_three_copies(
    three: Cluster, topic: str
) -> None:
    told = service_environment(three.layout, {})
    assert len(told["PEYGIR_KAFKA_BOOTSTRAP_SERVERS"].split(",")) == 3
    assert told["PEYGIR_MONGODB_URI"].count(":") == 4
    assert told["PEYGIR_REPLICATION_FACTOR"] == "3"
    assert three.kafka_controller() in three.stores

    admin = AdminClient({"bootstrap.servers": three.bootstrap})
    settings = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)])
    [values] = [future.result() for future in settings.values()]
    assert values["min.insync.replicas"].value == "2"
    assert values["unclean.leader.election.enable"].value == "false"
    [partition] = admin.list_topics(topic).topics[topic].partitions.values()
    assert sorted(partition.replicas) == sorted(partition.isrs) == [1, 2, 3]


def test_writes_go_on_when_a_leader_and_a_primary_are_killed(
    three: Cluster, topic: str, namespace: str
) -> None:
    assert clients.send(three.bootstrap, topic, "پیش")
    leader, primary = three.kafka_leader(topic), three.mongod_primary()
    with clients.mongo(three.mongodb_uri) as client:
        kept = _majority(client, namespace)
        kept.insert_one({"_id": "پیش"})

        three.kill(leader, primary)
        kept.insert_one({"_id": "پس"})
        assert clients.send(three.bootstrap, topic, "پس")

        assert [document["_id"] for document in kept.find()] == ["پیش", "پس"]
    assert clients.read_all(three.bootstrap, topic) == ["پیش", "پس"]
    assert three.kafka_leader(topic, besides=leader) != leader
    assert three.mongod_primary(besides=primary) != primary
    with pytest.raises(NotLevel, match=r"brokers \[|in sync|doesn't answer"):
        three.wait_until_level(seconds=0)


def test_a_primary_that_steps_down_has_a_successor(three: Cluster, namespace: str) -> None:
    former = three.mongod_primary()
    successor = three.step_down()

    assert successor != former
    assert three.mongod_primary() == successor
    with clients.mongo(three.mongodb_uri) as client:
        _majority(client, namespace).insert_one({"_id": "after the step-down"})


@pytest.mark.soak
def test_a_frozen_primary_is_replaced_and_follows_when_it_thaws(
    three: Cluster, namespace: str
) -> None:
    frozen = three.mongod_primary()
    pid = three.pid(frozen)
    three.pause(frozen)
    try:
        assert three.mongod_primary(besides=frozen) != frozen
        assert is_alive(pid)
    finally:
        three.resume(frozen)
    three.wait_until_level()
    assert three.pid(frozen) == pid
    assert three.mongod_primary() != frozen


def test_a_leader_cut_off_from_its_peers_is_replaced_though_clients_reach_it(
    cuttable: Cluster, topic: str
) -> None:
    leader = cuttable.kafka_leader(topic)
    others = [name for name in cuttable.stores[:3] if name != leader]

    cuttable.network.cut(leader, clients=False)
    assert cuttable.kafka_leader(topic, besides=leader) in others
    # Whoever asks the one that was cut off is still sent to it: it knows of no successor.
    bootstrap = ",".join(map(cuttable.layout.advertised, others))
    assert clients.send(bootstrap, topic, "پس از جدایی")

    cuttable.network.heal()
    cuttable.wait_until_level()
    assert clients.read_all(cuttable.bootstrap, topic) == ["پس از جدایی"]


def test_a_primary_cut_off_from_its_peers_acknowledges_nothing_by_majority(
    cuttable: Cluster, namespace: str
) -> None:
    former = cuttable.mongod_primary()
    with (
        clients.mongo(cuttable.mongodb_uri) as client,
        clients.mongo(cuttable.layout.address(former)) as direct,
    ):
        _majority(client, namespace).insert_one({"_id": "before the cut"})
        direct.admin.command("ping")

        cuttable.network.cut(former, clients=False)
        with pytest.raises(PyMongoError):
            _majority(direct, namespace, wtimeout=1_000).insert_one({"_id": "alone"})
        assert cuttable.mongod_primary(besides=former) != former
        _majority(client, namespace).insert_one({"_id": "after the cut"})

        cuttable.network.heal()
        cuttable.wait_until_level()
        there = {document["_id"] for document in _majority(client, namespace).find()}
    assert {"before the cut", "after the cut"} <= there
    assert "alone" not in there


def test_a_member_that_hears_nobody_catches_up(cuttable: Cluster, namespace: str) -> None:
    primary = cuttable.mongod_primary()
    deaf = next(name for name in cuttable.stores[3:] if name != primary)

    cuttable.network.cut(deaf, clients=False, ways="out")
    with clients.mongo(cuttable.mongodb_uri) as client:
        _majority(client, namespace).insert_one({"_id": "unheard"})
    behind = _documents(cuttable, deaf, namespace)
    cuttable.network.heal()
    cuttable.wait_until_level()

    assert "unheard" not in behind
    assert "unheard" in _documents(cuttable, deaf, namespace)


def _majority(client: MongoClient[dict[str, Any]], database: str, wtimeout: int = 30_000) -> Any:
    concern = WriteConcern("majority", wtimeout=wtimeout)
    return client[database].get_collection("kept", write_concern=concern)


def _documents(cluster: Cluster, name: Name, database: str) -> set[str]:
    """What this member alone holds."""
    with clients.mongo(cluster.layout.address(name)) as client:
        return {document["_id"] for document in client[database]["kept"].find()}
