"""The ways over the network of a proxied installation: who reaches whom, and where.

Every broker and member listens on a loopback address of its own. Clients get addresses of
127.0.0.1, on which proxies listen. Between nodes there is a proxy for each pair and each direction:
brokers know each other by name, members know each other as `localhost` by port, and each node has
an /etc/hosts of its own. If a machine doesn't allow that for members, they reach each other through
the proxies of clients.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Literal, TypeAlias

from deploy.local.layout import HOST, Layout, node_names, node_number, store_of

Purpose: TypeAlias = Literal["clients", "peers", "controllers"]
CLIENTS = "clients"


@dataclass(frozen=True, slots=True)
class Link:
    """One way to a part: from clients or from another part. `listen` is its proxy's address."""

    source: str
    target: str
    purpose: Purpose
    listen: str
    upstream: str

    @property
    def name(self) -> str:
        return f"{self.source}.{self.target}.{self.purpose}"


def links(layout: Layout) -> tuple[Link, ...]:
    """Every way over the network of the installation."""
    members = _between_members(layout) if layout.own_hosts else ()
    return (*_from_clients(layout), *_between_brokers(layout), *members)


def _from_clients(layout: Layout) -> Iterator[Link]:
    for store in ("kafka", "mongod"):
        for name in node_names(store, layout.nodes):
            upstream = f"{layout.server_host(name)}:{layout.ports.of(name)}"
            yield Link(CLIENTS, name, "clients", layout.advertised(name), upstream)


def _between_brokers(layout: Layout) -> Iterator[Link]:
    for source, target in permutations(node_names("kafka", layout.nodes), 2):
        node = node_number(target) - 1
        listen, upstream = _broker_host(layout, source, target), layout.server_host(target)
        purposes: tuple[tuple[Purpose, int], ...] = (
            ("peers", layout.ports.peers[node]),
            ("controllers", layout.ports.controllers[node]),
        )
        for purpose, port in purposes:
            yield Link(source, target, purpose, f"{listen}:{port}", f"{upstream}:{port}")


def _between_members(layout: Layout) -> Iterator[Link]:
    for source, target in permutations(node_names("mongod", layout.nodes), 2):
        listen, upstream = member_localhost(source), layout.server_host(target)
        port = layout.ports.of(target)
        yield Link(source, target, "peers", f"{listen}:{port}", f"{upstream}:{port}")


def _broker_host(layout: Layout, source: str, target: str) -> str:
    """The address at which one broker finds another, or itself."""
    if source == target:
        return layout.server_host(target)
    return f"127.1.{node_number(source)}.{node_number(target)}"


def member_localhost(name: str) -> str:
    """What a member of the replica set takes for the address of `localhost`."""
    return f"127.1.{node_number(name)}.0"


def hosts_of(layout: Layout, name: str) -> str:
    """The file of hosts of a broker or a member."""
    if store_of(name) == "mongod":
        hosts = {"localhost": member_localhost(name)}
    else:
        brokers = node_names("kafka", layout.nodes)
        hosts = {"localhost": HOST} | {
            broker: _broker_host(layout, name, broker) for broker in brokers
        }
    hosts[socket.gethostname()] = HOST
    return "".join(f"{address} {host}\n" for host, address in hosts.items())
