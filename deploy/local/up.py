"""`make up`: one installation in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from rich.console import Console

from deploy.local.kafka import Kafka
from deploy.local.kafka_access import AccessFailed
from deploy.local.keycloak import Keycloak
from deploy.local.keycloak_admin import AdminFailed
from deploy.local.layout import (
    EVERY_PART,
    Layout,
    is_secured,
    node_number,
    nodes_from,
    store_of,
)
from deploy.local.mongod import Mongod
from deploy.local.parts import Part
from deploy.local.ports import is_free
from deploy.local.processes import is_alive, read_pid
from deploy.local.running import forget, write_down
from deploy.local.screen import Row, Screen
from deploy.local.secured import PEOPLE, Secured, how_to_log_in
from deploy.local.services import Mail, Service, TopicsFailed, create_topics, has_topics_tool
from deploy.local.supervisor import Supervisor
from shared.contracts.services import SERVICES

_PORT_SECONDS = 3.0
_SECURED = (
    "PRODUCTION ON ONE MACHINE: certificates, passwords and people were made for this "
    "installation alone. For trying it out; the keys lie beside what they protect."
)
_OPEN = (
    "DEVELOPMENT, OPEN: no passwords, no TLS, and whoever reaches this machine's loopback "
    "address may do everything. Not for real data."
)


class AlreadyRunning(Exception):
    """Another runner holds this installation."""


class CannotStart(Exception):
    """The runner can't start as asked; the message says why in one line."""


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse what this runner can't give. Raises CannotStart."""
    if environment.get("PEYGIR_ENV") not in (None, "", "development"):
        raise CannotStart(
            "PEYGIR_ENV: leave it out; PEYGIR_SECURE=1 runs production on this machine"
        )
    if is_secured(environment) and nodes_from(environment) != 1:
        raise CannotStart("PEYGIR_SECURE=1 runs one node of each; leave PEYGIR_LOCAL_NODES out")


@contextlib.contextmanager
def hold(layout: Layout) -> Iterator[None]:
    """Be the one runner of the installation; ends with the process. Raises AlreadyRunning."""
    layout.make_folders()
    with layout.lock.open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        _forget_pids(layout)
        write_down(layout)
        try:
            yield
        finally:
            forget(layout)
            _forget_pids(layout)


def describe_running(layout: Layout) -> str:
    """What runs already, a line a part."""
    lines = [f"already running in {layout.root} (runner's pid {read_pid(layout.lock)}):"]
    for part in EVERY_PART:
        pid = read_pid(layout.pid(part))
        if pid is not None and is_alive(pid):
            lines.append(f"  {part:<9} pid {pid:<8} {layout.address(part)}")
    return "\n".join(lines)


def run(layout: Layout, wanted: tuple[str, ...], console: Console) -> None:
    """Run the parts until SIGINT, SIGTERM or SIGHUP.

    Raises AlreadyRunning, CannotStart.
    """
    with hold(layout):
        there = tuple(part for part in wanted if _exists(part, layout))
        _wait_for_ports(layout, there)
        screen = Screen(console, [Row(part, layout.address(part)) for part in there])
        with screen:
            screen.say(_SECURED if layout.secured else _OPEN, style="bold yellow")
            screen.say(f"data {layout.data_dir}, logs {layout.log_dir}")
            for part in wanted:
                if part not in there:
                    screen.say(f"{part} is left out: services/{part} is not there yet")
            try:
                asyncio.run(_supervise(layout, there, screen))
            except* (TopicsFailed, AccessFailed, AdminFailed) as failures:
                raise CannotStart(str(failures.exceptions[0])) from None


async def _supervise(layout: Layout, names: tuple[str, ...], screen: Screen) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(sign, stop.set)
    secured = Secured(layout) if layout.secured else None
    parts = [_part(name, layout, secured) for name in names]
    stores = [part for part in parts if _is_first(part)]
    others = [part for part in parts if not _is_first(part)]
    with_topics = any(store_of(name) == "kafka" for name in names) and has_topics_tool()
    before_services = partial(_prepare, layout, secured, screen) if with_topics else _nothing
    await Supervisor(layout, stores, others, before_services, screen).run(stop)


def _is_first(part: Part) -> bool:
    """Whether services need it: the stores and the identity provider."""
    return store_of(part.name) is not None or part.name == Keycloak.name


def _prepare(layout: Layout, secured: Secured | None, screen: Screen) -> None:
    """Make what the services find: topics, and if it is secured users, rights and people."""
    if secured is None:
        create_topics(layout)
        return
    screen.say("making users, rights and people")
    secured.grant(PEOPLE)
    create_topics(layout, secured.topics())
    for line in how_to_log_in(secured, layout):
        screen.say(line)


def _part(name: str, layout: Layout, secured: Secured | None) -> Part:
    match store_of(name) or name:
        case "kafka":
            return Kafka(layout, name, security=None if secured is None else secured.kafka)
        case "keycloak" if secured is not None:
            return secured.keycloak
        case "mongod":
            return Mongod(layout, name)
        case "mail":
            return Mail(layout)
        case _:
            if secured is None:
                return Service(name, layout)
            return Service(name, layout, secured.service(name), secured.trust())


def _nothing() -> None:
    """No topics to create."""


def _exists(part: str, layout: Layout) -> bool:
    return part not in SERVICES or Service(part, layout).exists


def _wait_for_ports(layout: Layout, parts: tuple[str, ...]) -> None:
    """Parts of a runner that was killed may take a moment to go. Raises CannotStart."""
    ports = [layout.ports.of(part) for part in parts]
    ports += [
        layout.ports.controllers[node_number(part) - 1]
        for part in parts
        if store_of(part) == "kafka"
    ]
    deadline = time.monotonic() + _PORT_SECONDS
    while taken := [port for port in ports if not is_free(port)]:
        if time.monotonic() > deadline:
            listed = ", ".join(map(str, taken))
            raise CannotStart(
                f"another program has port {listed} of 127.0.0.1; PEYGIR_PORT_OFFSET moves ours"
            )
        time.sleep(0.1)


def _forget_pids(layout: Layout) -> None:
    for part in EVERY_PART:
        Path(layout.pid(part)).unlink(missing_ok=True)
