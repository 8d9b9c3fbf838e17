"""MongoDB with users and TLS on this machine: its key, certificates and first user."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pymongo import MongoClient

from deploy.local.certificates import Authority, write_private
from deploy.local.layout import HOST, Layout

_KEY: Final = "members.key"
_PASSWORD: Final = "administrator.password"  # noqa: S105 - the name of a file
_HAS_ADMINISTRATOR: Final = "administrator"  # a file that is there once the user is
_USER: Final = "administrator"
_KEY_BYTES: Final = 96
_PASSWORD_BYTES: Final = 32
_SERVER: Final = "server"  # one certificate, for every member
_HOSTS: Final = ("localhost", HOST, "127.0.1.1", "127.0.1.2", "127.0.1.3")


@dataclass(frozen=True, slots=True)
class Administrator:
    """The user that may do everything."""

    user: str
    password: str = field(repr=False)


def prepare_secrets(layout: Layout) -> None:
    """Make the certificates, the members' key and the administrator's password, once."""
    folder = layout.mongod_secrets
    with _locked(folder):
        Authority(folder).issue(_SERVER, _HOSTS)
        for name, size in ((_KEY, _KEY_BYTES), (_PASSWORD, _PASSWORD_BYTES)):
            if not (folder / name).exists():
                text = secrets.token_hex(size)  # hexadecimal is base64 too, as a key has to be
                write_private(folder / name, text.encode())


def security_options(layout: Layout) -> tuple[str, ...]:
    """The options by which a mongod takes TLS alone and asks for users."""
    folder = layout.mongod_secrets
    return (
        "--auth",
        "--keyFile", str(folder / _KEY),
        "--tlsMode", "requireTLS",
        "--tlsCertificateKeyFile", str(folder / f"{_SERVER}.both.pem"),
        "--tlsCAFile", str(layout.mongod_authority),
        "--tlsAllowConnectionsWithoutCertificates",
        "--setParameter", "suppressNoTLSPeerCertificateWarning=true",
    )  # fmt: skip


def client_options(layout: Layout) -> Mapping[str, Any]:
    """The driver's options for this installation; with the administrator, once there is one."""
    options: dict[str, Any] = {"tls": True, "tlsCAFile": str(layout.mongod_authority)}
    if (layout.mongod_secrets / _HAS_ADMINISTRATOR).exists():
        found = administrator(layout)
        options |= {"username": found.user, "password": found.password}
    return options


def administrator(layout: Layout) -> Administrator:
    """The first user of this installation's MongoDB."""
    password = (layout.mongod_secrets / _PASSWORD).read_text(encoding="utf-8")
    return Administrator(_USER, password)


def administrator_uri(layout: Layout) -> str:
    """The connection string with which the administrator logs in."""
    found = administrator(layout)
    scheme, _, rest = layout.mongodb_uri.partition("://")
    return f"{scheme}://{found.user}:{quote(found.password, safe='')}@{rest}"


def ensure_administrator(client: MongoClient[dict[str, Any]], layout: Layout) -> bool:
    """Whether the administrator exists; if there is no user yet, the primary is asked to make it.

    MongoDB lets the first user be made from this machine without a login. `client` is of any
    member. Raises the driver's errors.
    """
    mark = layout.mongod_secrets / _HAS_ADMINISTRATOR
    if mark.exists():
        return True
    address = client.admin.command("hello").get("primary")
    if address is None:
        return False
    found = administrator(layout)
    roles = [{"role": "root", "db": "admin"}]
    options = client_options(layout)
    with MongoClient[dict[str, Any]](address, directConnection=True, **options) as primary:
        primary.admin.command("createUser", found.user, pwd=found.password, roles=roles)
    mark.touch()
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make a private folder and hold it: several processes that prepare it get the same."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
