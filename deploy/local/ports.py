"""Free ports for an installation of tests or of the demo."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

from deploy.local.layout import HOST, Ports

_BLOCK = 32
_RANGE = (10_000, 27_000)  # off the standard ports, also with a small offset
_TRIES = 200


class NoFreePorts(Exception):
    """Every block of ports that was tried is taken."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Ports that no other reservation of this machine gets until it is closed.

    The reservation ends with the process that holds it, too.
    """

    ports: Ports
    _guard: socket.socket

    def close(self) -> None:
        self._guard.close()


def reserve_ports() -> Reservation:
    """A block of free ports below those that Linux gives to outgoing connections (32768 on).

    A client that dials a dead port of that range can be given the very port and so talk to
    itself, and a part that is started again would find its port taken.
    Raises NoFreePorts.
    """
    for base in random.sample(range(*_RANGE, _BLOCK), _TRIES):
        guard = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            guard.bind(f"\0peygir-ports-{base}")  # Linux's abstract names go with their process
        except OSError:
            guard.close()
            continue
        ports = Ports.from_base(base)
        if all(map(is_free, ports.every())):
            return Reservation(ports, guard)
        guard.close()
    raise NoFreePorts("no free ports on this machine")


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
