"""The network between clients and stores, as it fails and heals."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, NetworkTimeout

from deploy.local import toxiproxy
from deploy.local.cluster import Cluster, NotProxied
from deploy.local.layout import Layout
from deploy.local.links import links
from deploy.local.network import Network, NoSuchWay
from deploy.local.ports import reserve_ports
from tests.local import clients

pytestmark = pytest.mark.replicated

_ANSWER_MS = 1_000
_BIG = "پ" * 400_000  # 800 kB


@pytest.fixture(scope="module")
def proxied(local: Path, test_folder: Path) -> Iterator[Cluster]:
    """One broker and one mongod behind proxies."""
    try:
        toxiproxy.build(local / "cache")
    except toxiproxy.NoToxiproxy as reason:
        pytest.skip(str(reason))
    with Cluster(test_folder / "proxied", local / "cache", proxied=True) as running:
        yield running


@pytest.fixture(autouse=True)
def healed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "proxied" in request.fixturenames:
        request.getfixturevalue("proxied").network.heal()


@pytest.fixture
def impatient(proxied: Cluster) -> Iterator[MongoClient[dict[str, Any]]]:
    """A connected client that tries everything once and waits a second for an answer."""
    with MongoClient[dict[str, Any]](
        proxied.mongodb_uri,
        retryReads=False,
        retryWrites=False,
        socketTimeoutMS=_ANSWER_MS,
        serverSelectionTimeoutMS=20 * _ANSWER_MS,
    ) as client:
        client.admin.command("ping")
        yield client


def test_what_a_cut_keeps_back_arrives_when_it_is_healed(proxied: Cluster, namespace: str) -> None:
    topic = f"{namespace}.cut"
    clients.create_topic(proxied.bootstrap, topic)
    producer = Producer({"bootstrap.servers": proxied.bootstrap, "socket.timeout.ms": 1_000})
    producer.produce(topic, "پیش از قطع")
    assert producer.flush(20) == 0

    proxied.network.cut("kafka")
    producer.produce(topic, "هنگام قطع")
    assert producer.flush(2) == 1

    proxied.network.heal()
    assert producer.flush(20) == 0
    assert clients.read_all(proxied.bootstrap, topic)[:2] == ["پیش از قطع", "هنگام قطع"]


def test_a_cut_of_requests_keeps_the_write_away_and_a_cut_of_answers_does_not(
    proxied: Cluster, namespace: str, impatient: MongoClient[dict[str, Any]]
) -> None:
    kept = impatient[namespace]["kept"]
    kept.insert_one({"_id": "before"})

    proxied.network.cut("mongod", direction="requests")
    with pytest.raises(NetworkTimeout):
        kept.insert_one({"_id": "request lost"})
    proxied.network.heal()
    with clients.mongo(proxied.mongodb_uri) as client:
        seen = client[namespace]["kept"]
        for attempt in range(5):  # the driver may greet on a new connection first, and hear nothing
            impatient.admin.command("ping")
            proxied.network.cut("mongod", direction="answers")
            with pytest.raises(NetworkTimeout):
                kept.insert_one({"_id": f"answer lost {attempt}"})
            proxied.network.heal()
            if seen.find_one({"_id": f"answer lost {attempt}"}) is not None:
                break
        there = {document["_id"] for document in seen.find()}
    assert "request lost" not in there
    assert there - {"before"}, "what was written is there, although its answer was lost"


def test_a_slow_way_takes_its_time_each_way(
    proxied: Cluster, impatient: MongoClient[dict[str, Any]]
) -> None:
    assert _seconds(lambda: impatient.admin.command("ping")) < 0.3

    proxied.network.slow("mongod", 200)
    assert 0.4 <= _seconds(lambda: impatient.admin.command("ping")) < 1

    proxied.network.heal()
    assert _seconds(lambda: impatient.admin.command("ping")) < 0.3


def test_a_narrow_way_lets_no_more_through_a_second(proxied: Cluster, namespace: str) -> None:
    with clients.mongo(proxied.mongodb_uri) as client:
        big = client[namespace]["big"]
        big.insert_one({"_id": "narrow", "text": _BIG})
        proxied.network.narrow("mongod", 800, direction="answers")

        assert 0.8 <= _seconds(lambda: big.find_one({"_id": "narrow"})) < 3


def test_a_connection_is_reset_in_the_middle_of_an_answer(
    proxied: Cluster, namespace: str, impatient: MongoClient[dict[str, Any]]
) -> None:
    big = impatient[namespace]["big"]
    big.insert_one({"_id": "reset", "text": _BIG})

    proxied.network.reset("mongod", after_bytes=100_000)
    impatient.admin.command("ping")
    with pytest.raises(AutoReconnect, match="reset by peer"):
        big.find_one({"_id": "reset"})

    proxied.network.heal()
    impatient.admin.command("ping")
    assert big.find_one({"_id": "reset"}) == {"_id": "reset", "text": _BIG}


def test_a_reader_whose_answers_are_torn_misses_nothing_once_healed(
    proxied: Cluster, namespace: str
) -> None:
    topic = f"{namespace}.torn"
    clients.create_topic(proxied.bootstrap, topic)
    values = [f"{number}{'-' * 50_000}" for number in range(10)]
    assert all(clients.send(proxied.bootstrap, topic, value) for value in values)

    proxied.network.reset("kafka", after_bytes=60_000)
    with pytest.raises(AssertionError, match="records came"):
        clients.read_all(proxied.bootstrap, topic, seconds=3)

    proxied.network.heal()
    assert clients.read_all(proxied.bootstrap, topic) == values


def test_a_way_that_is_closed_refuses(proxied: Cluster, namespace: str) -> None:
    topic = f"{namespace}.closed"
    clients.create_topic(proxied.bootstrap, topic)
    proxied.network.refuse("kafka")
    assert not clients.send(proxied.bootstrap, topic, "?", seconds=1.5)

    proxied.network.heal()
    assert clients.send(proxied.bootstrap, topic, "!")


def test_there_is_a_way_for_every_pair_or_the_shared_one_is_named(tmp_path: Path) -> None:
    reservation = reserve_ports()
    layout = Layout(tmp_path, tmp_path, reservation.ports, nodes=3, proxied=True, own_hosts=True)
    reservation.close()
    ways = links(layout)

    assert len({link.name for link in ways}) == len({link.listen for link in ways}) == len(ways)
    assert {link.source for link in ways if link.target == "mongod-1"} == {
        "clients", "mongod-2", "mongod-3",
    }  # fmt: skip
    with pytest.raises(NoSuchWay, match="kafka-9"):
        Network(layout).cut("kafka-9")

    shared = Layout(tmp_path, tmp_path, reservation.ports, nodes=3, proxied=True)
    with pytest.raises(NoSuchWay, match="by the way of clients"):
        Network(shared).cut("mongod-1", clients=False)


def test_a_cluster_without_proxies_has_no_network_to_cut(local: Path, test_folder: Path) -> None:
    cluster = Cluster(test_folder / "unproxied", local / "cache")
    with pytest.raises(NotProxied):
        cluster.network.cut("kafka")
    cluster.close(remove=True)


def test_where_there_is_no_go_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(toxiproxy.NoToxiproxy, match="Go, which is not installed"):
        toxiproxy.build(tmp_path)
    assert shutil.which("go") is None


def _seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began
