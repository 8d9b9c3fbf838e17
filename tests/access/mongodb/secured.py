"""What the tests share: the command, the logins that it makes, and clients that use them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from pymongo import MongoClient

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from deploy.local.mongod_security import administrator, administrator_uri
from tools.access import passwords
from tools.access.passwords import Login

Client: TypeAlias = MongoClient[dict[str, Any]]

_SECONDS = 120
_WAIT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Installation:
    """One namespace of a secured MongoDB, and the folder of its passwords."""

    cluster: Cluster
    namespace: str
    secrets: Path

    def command(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m tools.access mongodb` as the administrator."""
        admin = administrator(self.cluster.layout)
        mine = {name: v for name, v in os.environ.items() if not name.startswith("PEYGIR_")}
        environment = {
            **mine,
            "COLUMNS": "200",
            "PEYGIR_ENV": "development",
            "PEYGIR_NAMESPACE": self.namespace,
            "PEYGIR_MONGODB_URI": self.cluster.mongodb_uri,
            "PEYGIR_MONGODB_USERNAME": admin.user,
            "PEYGIR_MONGODB_PASSWORD": admin.password,
            **settings,
        }
        command = (sys.executable, "-m", "tools.access", "mongodb", "--secrets", str(self.secrets))
        return subprocess.run(
            (*command, *arguments),
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def login(self, workload: str) -> Login:
        """The login that the command made for a workload."""
        found = passwords.read(self.secrets / workload)
        assert found is not None, f"no login of {workload}"
        return found

    def environment(self, workload: str) -> Mapping[str, str]:
        """The settings with which a workload reaches MongoDB."""
        login = self.login(workload)
        return {
            "PEYGIR_MONGODB_URI": self.cluster.mongodb_uri,
            "PEYGIR_MONGODB_USERNAME": login.user,
            "PEYGIR_MONGODB_PASSWORD": login.password,
        }

    def uri(self, login: Login) -> str:
        """The connection string of a login."""
        scheme, _, rest = self.cluster.mongodb_uri.partition("://")
        return f"{scheme}://{quote(login.user)}:{quote(login.password)}@{rest}"

    @contextmanager
    def as_workload(self, workload: str) -> Iterator[Client]:
        """A client that logs in as a workload."""
        with client(self.uri(self.login(workload))) as found:
            yield found

    @contextmanager
    def as_administrator(self) -> Iterator[Client]:
        """A client that may do everything."""
        with client(administrator_uri(self.cluster.layout)) as found:
            yield found


@contextmanager
def client(uri: str) -> Iterator[Client]:
    """A client without code of ours."""
    found: Client = MongoClient(uri, serverSelectionTimeoutMS=_WAIT_MS, tz_aware=True)
    with found:
        yield found
