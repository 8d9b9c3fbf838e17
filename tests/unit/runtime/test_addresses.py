"""Addresses of Kafka and MongoDB: which are valid, and the one line about others."""

from __future__ import annotations

import ipaddress
import re
import socket
import string

import pytest
from aiokafka.conn import collect_hosts
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from shared.runtime.addresses import servers
from shared.runtime.settings import CommonSettings, load
from tests.unit.runtime.environment import Environment, complaint


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("k1:9092", ("k1:9092",)),
        ("k1:9092,k2:9092,k3:9092", ("k1:9092", "k2:9092", "k3:9092")),
        (" k1:9092 ,\tk2:9092\n", ("k1:9092", "k2:9092")),
        ("[::1]:9092,10.0.0.1:1", ("[::1]:9092", "10.0.0.1:1")),
        ("[fd00::a]:9092,[fd00::b]:9092", ("[fd00::a]:9092", "[fd00::b]:9092")),
        ("k:9092,k:9093", ("k:9092", "k:9093")),
        ("kafka_1.kafka-brokers:65535", ("kafka_1.kafka-brokers:65535",)),
    ],
)
def test_kafkas_addresses_are_a_comma_list(
    environment: Environment, written: str, read: tuple[str, ...]
) -> None:
    environment.set(KAFKA_BOOTSTRAP_SERVERS=written)
    assert load(CommonSettings).kafka_bootstrap_servers == read


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("kafka", "'kafka' has no port from 1 to 65535"),
        ("h:99999", "'h:99999' has no port from 1 to 65535"),
        ("h:9092,h:0", "'h:0' has no port from 1 to 65535"),
        ("h:۹۰۹۲", "no port from 1 to 65535"),
        ("h:+1", "no port from 1 to 65535"),
        ("h:" + "1" * 5_000, "no port from 1 to 65535"),
        ("[::1]", "no port from 1 to 65535"),
        ("h:9092,", "an address is empty"),
        (",h:9092", "an address is empty"),
        ("h:9092,,k:9092", "an address is empty"),
        (" ", "an address is empty"),
        ("h:9092:9093", "'h:9092:9093' has two ports"),
        ("h:9092;k:9092", "'h:9092;k:9092' has two ports"),
        ("h:9092 k:9092", "two ports: separate addresses by commas"),
        ("::1:9092", "an IPv6 address needs brackets: [::1]:9092"),
        ("fd00::a:9092", "needs brackets"),
        ("[h]:9092", "no IPv6 address between its brackets"),
        ("[10.0.0.1]:9092", "no IPv6 address between its brackets"),
        (":9092", "':9092' is not host:port"),
        ("'h:9092", "not host:port"),
        ("kafka://h:9092", "without a scheme"),
        ("h:9092,PLAINTEXT://k:9092", "without a scheme"),
        ("k1:9092,k2:9092,k1:9092", "'k1:9092' is listed twice"),
        ("k1:9092,K1:09092", "'K1:09092' is listed twice"),
        ("[::1]:9092,[0::1]:9092", "'[0::1]:9092' is listed twice"),
    ],
)
def test_an_invalid_list_is_refused_in_one_line(
    environment: Environment, capsys: pytest.CaptureFixture[str], value: str, message: str
) -> None:
    environment.set(KAFKA_BOOTSTRAP_SERVERS=value)
    line = complaint(capsys, CommonSettings)
    assert line.startswith("PEYGIR_KAFKA_BOOTSTRAP_SERVERS: ")
    assert message in line
    assert len(line) < 300


@pytest.mark.parametrize("value", ["kafka://u:hidden@h:9092", "u:hidden@h:9092"])
def test_a_password_among_kafkas_addresses_is_not_repeated(
    environment: Environment, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    environment.set(KAFKA_BOOTSTRAP_SERVERS=value)
    assert "hidden" not in complaint(capsys, CommonSettings)


_HOSTS = st.one_of(
    st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=20),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
_ADDRESSES = st.tuples(_HOSTS, st.integers(1, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}")
_BLANKS = st.text(" \t", max_size=2)
_LISTS = st.lists(st.tuples(_BLANKS, _ADDRESSES, _BLANKS).map("".join), min_size=1, max_size=5).map(
    ",".join
)
_ANYTHING = st.lists(
    st.sampled_from([*"[]:,.-@/ aZ019۹", "::", "[::1]", "a:1", ":9092", ",b:2", "://"]), max_size=9
).map("".join)


@given(st.one_of(_LISTS, _ANYTHING, st.text(max_size=12)))
@example("[::1]:9092, a:1")
@example("1:2:3:4:5:6:7:8")
@example("[fe80::1%eth0]:9092")
def test_kafkas_client_reads_every_valid_list_in_the_same_way(written: str) -> None:
    try:
        taken = servers(written)
    except PydanticCustomError:
        return
    places = collect_hosts(list(taken), randomize=False)
    assert places == collect_hosts(",".join(taken), randomize=False)
    for one, (host, port, family) in zip(taken, places, strict=True):
        assert 1 <= port <= 65535
        if one.startswith("["):
            ipaddress.IPv6Address(host)
            assert family == socket.AF_INET6
            assert one == f"[{host}]:{one.rpartition(':')[2]}"
        else:
            assert re.fullmatch(r"[\w.-]+", host)
            assert one == f"{host}:{one.rpartition(':')[2]}"
        assert int(one.rpartition(":")[2]) == port


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://",
        "mongodb:///",
        "mongodb://u:hidden@",
        "mongodb://u:hidden@db:99999",
        "mongodb://u:hidden@db:0",
        "mongodb://u:hidden@db:x",
        "mongodb://u:hid/den@db",
        "mongodb://u:hid?w=den@db",
        "mongodb://u:@hidden@db",
        "mongodb://u:hid%zzden@db",
        "mongodb://u:hidden",
        "mongodb://u:hidden@db,,db",
        "mongodb://u:hidden@db/?maxPoolSize=many",
        "mongodb://u:hidden@db/?tls=maybe",
        "mongodb://u:hidden@db/?tlsCAFile=/nowhere/hidden",
        "mongodb://u:hidden@db/?hidden=1",
        "mongodb+srv://",
        "mongodb+srv://u:hidden@",
        "mongodb+srv://u:hidden@db.example:27017",
        "mongodb+srv://u:hidden@a.example,b.example",
        "mongodb+srv://u:hidden@db.example/?hidden=1",
        "mongodb+srv://u:hidden@db.example/?hidden",
    ],
)
def test_the_refusal_of_a_connection_string_hides_its_password(
    environment: Environment, capsys: pytest.CaptureFixture[str], uri: str
) -> None:
    environment.set(MONGODB_URI=uri)
    line = complaint(capsys, CommonSettings)
    assert line.startswith("PEYGIR_MONGODB_URI: ")
    assert "connection string" in line
    assert not re.search("hid|den", line)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://db",
        "mongodb://u:p%40ss@a:1,b:65535/?replicaSet=x&tls=true&authSource=admin",
        "mongodb://[::1]:27017",
        "mongodb+srv://u:p@db.nowhere.example/?replicaSet=x",
        "mongodb+srv://u:p@db.nowhere.example",
        "mongodb+srv://db.nowhere.example/?w=majority",
        "mongodb://db/?w=majority&journal=true&readPreference=primary&readConcernLevel=majority"
        "&retryWrites=true&directConnection=false",
    ],
)
def test_connection_strings_are_checked_without_a_connection(
    environment: Environment, uri: str
) -> None:
    environment.set(MONGODB_URI=uri)
    assert load(CommonSettings).mongodb_uri.get_secret_value() == uri


@pytest.mark.parametrize(
    ("option", "message"),
    [
        *((f"w={w}", "w must be majority") for w in ("0", "1", "2", "Majority", "dc")),
        ("W=0", "w must be majority"),
        ("w=%30", "w must be majority"),
        ("w=majority&w=1", "w must be majority"),
        ("journal=false", "journal must be true"),
        ("JOURNAL=false", "journal must be true"),
        ("readPreference=secondary", "readPreference must be primary"),
        ("readpreference=primaryPreferred", "readPreference must be primary"),
        ("READPREFERENCE=nearest", "readPreference must be primary"),
        *(
            (f"readConcernLevel={level}", "readConcernLevel must be majority")
            for level in ("local", "available", "linearizable", "snapshot", "Majority")
        ),
        ("retryWrites=false", "retryWrites must be true"),
        ("retrywrites=false;tls=true", "retryWrites must be true"),
        ("directConnection=true", "directConnection must be false"),
    ],
)
@pytest.mark.parametrize("start", ["mongodb://u:hidden@a:1,b:2", "mongodb+srv://u:hidden@db.x.y"])
@pytest.mark.filterwarnings("ignore:Duplicate URI option")
def test_options_that_break_the_promise_are_refused_with_the_reason(
    environment: Environment,
    capsys: pytest.CaptureFixture[str],
    start: str,
    option: str,
    message: str,
) -> None:
    if "directConnection" in option:
        start = start.replace(",b:2", "")  # the driver itself refuses it with two
    environment.set(MONGODB_URI=f"{start}/?{option}")
    line = complaint(capsys, CommonSettings)
    assert line.startswith(f"PEYGIR_MONGODB_URI: {message}: ")
    assert "hidden" not in line
