"""Makes the network of a proxied installation fail, and heals it.

A cut is silent: connections stay open, new ones are accepted, and nothing comes through, as if a
cable had been pulled. Data that was sent meanwhile is lost with its connection when the network
heals.
"""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from deploy.local.layout import HOST, Layout, store_of
from deploy.local.links import CLIENTS, Link, links

_ANSWER_SECONDS = 30.0
_ATTEMPTS = 3  # a busy toxiproxy gives up on a request after some seconds (503)

Direction: TypeAlias = Literal["both", "requests", "answers"]
_STREAMS: Mapping[Direction, tuple[str, ...]] = {
    "both": ("upstream", "downstream"),
    "requests": ("upstream",),
    "answers": ("downstream",),
}


class NoSuchWay(Exception):
    """There is no proxy on the way that is meant; the message says which."""


class Reach(TypedDict, total=False):
    """Which of a part's ways are meant; by default all of them.

    `clients`: the one from clients. `peers`: those between it and the other nodes of its store,
    all or the named ones. `ways`: of these, the ones towards the part (`in`), from it (`out`), or
    both.
    """

    clients: bool
    peers: bool | Collection[str]
    ways: Literal["both", "in", "out"]


class Network:
    """Faults on the ways of one installation. They add up until `heal`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._numbers = itertools.count(1)

    def cut(self, part: str, *, direction: Direction = "both", **reach: Unpack[Reach]) -> None:
        """Let nothing through: no requests, no answers, or neither. Raises NoSuchWay."""
        self._add(part, reach, direction, "timeout", {"timeout": 0})

    def slow(
        self,
        part: str,
        milliseconds: int,
        jitter: int = 0,
        *,
        direction: Direction = "both",
        **reach: Unpack[Reach],
    ) -> None:
        """Delay each direction by `milliseconds`, plus or minus the jitter. Raises NoSuchWay."""
        self._add(part, reach, direction, "latency", {"latency": milliseconds, "jitter": jitter})

    def narrow(
        self,
        part: str,
        kilobytes_per_second: int,
        *,
        direction: Direction = "both",
        **reach: Unpack[Reach],
    ) -> None:
        """Limit each direction to `kilobytes_per_second`. Raises NoSuchWay."""
        self._add(part, reach, direction, "bandwidth", {"rate": kilobytes_per_second})

    def reset(self, part: str, after_bytes: int = 0, **reach: Unpack[Reach]) -> None:
        """Reset each connection after `after_bytes` of answers, also each new one.

        Those that stand are closed at once. Raises NoSuchWay.
        """
        chosen = self._links(part, reach)
        for link in chosen:
            self._ask("POST", f"/proxies/{link.name}", {"enabled": False})
        # One that never acts makes toxiproxy end connections with a reset (RST).
        self._add(part, reach, "answers", "reset_peer", {"timeout": 0}, toxicity=0.0)
        self._add(part, reach, "answers", "limit_data", {"bytes": after_bytes})
        for link in chosen:
            self._ask("POST", f"/proxies/{link.name}", {"enabled": True})

    def refuse(self, part: str, **reach: Unpack[Reach]) -> None:
        """Close what is connected and take no new connection. Raises NoSuchWay."""
        for link in self._links(part, reach):
            self._ask("POST", f"/proxies/{link.name}", {"enabled": False})

    def heal(self) -> None:
        """Let everything through again."""
        self._ask("POST", "/reset")

    def _links(self, part: str, reach: Reach) -> list[Link]:
        clients, peers = reach.get("clients", True), reach.get("peers", True)
        shared = store_of(part) == "mongod" and self._layout.nodes > 1
        if shared and not self._layout.own_hosts and not (clients and peers is True):
            raise NoSuchWay(f"on this machine members reach {part} by the way of clients")
        chosen = [
            link
            for link in links(self._layout)
            if (link.source == CLIENTS and link.target == part and clients)
            or _is_meant(link, part, peers, reach.get("ways", "both"))
        ]
        if not chosen:
            raise NoSuchWay(f"no proxy of {part} for {dict(reach)}")
        return chosen

    def _add(
        self,
        part: str,
        reach: Reach,
        direction: Direction,
        kind: str,
        attributes: Mapping[str, int],
        toxicity: float = 1.0,
    ) -> None:
        number = next(self._numbers)
        for link in self._links(part, reach):
            for stream in _STREAMS[direction]:
                toxic = {
                    "name": f"{kind}-{stream}-{number}",
                    "type": kind,
                    "stream": stream,
                    "toxicity": toxicity,
                    "attributes": attributes,
                }
                self._ask("POST", f"/proxies/{link.name}/toxics", toxic)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        request = urllib.request.Request(
            f"http://{HOST}:{self._layout.ports.toxiproxy}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        for attempt in range(_ATTEMPTS):
            try:
                with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS):
                    return  # what it did it says again; errors are raised
            except urllib.error.HTTPError as error:
                if error.code == HTTPStatus.CONFLICT and attempt:
                    return  # an attempt that seemed to fail had worked
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or attempt + 1 == _ATTEMPTS:
                    raise


def _is_meant(
    link: Link, part: str, peers: bool | Collection[str], ways: Literal["both", "in", "out"]
) -> bool:
    if link.source == CLIENTS or peers is False:
        return False
    inwards, outwards = link.target == part, link.source == part
    other = link.source if inwards else link.target
    known = peers is True or other in peers
    return known and ((inwards and ways != "out") or (outwards and ways != "in"))
