"""Free ports for an installation of tests or of the demo."""

from __future__ import annotations

import random
import socket
from dataclasses import astuple, dataclass
from pathlib import Path

from deploy.local.layout import HOST, Ports

_BLOCK = 16
_LOWEST = 10_000
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
    """A block of free ports below those that the system gives to outgoing connections.

    A client that dials a dead port of that range can be given the very port and so talk to
    itself, and a part that is started again would find its port taken.
    Raises NoFreePorts.
    """
    bases = range(_LOWEST, _first_outgoing_port() - _BLOCK, _BLOCK)
    for base in random.sample(bases, min(_TRIES, len(bases))):
        guard = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            guard.bind(f"\0peygir-ports-{base}")  # Linux's abstract names go with their process
        except OSError:
            guard.close()
            continue
        ports = Ports.from_base(base)
        if all(is_free(port) for port in astuple(ports)):
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


def _first_outgoing_port() -> int:
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    return max(int(text.split()[0]), _LOWEST + 2 * _BLOCK)
