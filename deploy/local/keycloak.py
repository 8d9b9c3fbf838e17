"""Keycloak, the identity provider: its distribution from Maven Central, one node, its own database.

`make setup` does not fetch it; the first start does, and puts the program together once for all
installations that share the cache. The realm is the one that operators import.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.local.layout import HOST, PROJECT, Layout
from deploy.local.processes import Command

REALM: Final = "peygir"
AUDIENCE: Final = "peygir"
REALM_FILE: Final = PROJECT / "deploy" / "identity" / "peygir-realm.json"
ADMIN: Final = "peygir-local-admin"
"""The client of the master realm that administers everything; its secret is made at run time."""

_POM: Final = Path(__file__).with_name("keycloak.pom.xml")
_ANSWER_SECONDS: Final = 2.0
_MAIN: Final = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"
_SHARED: Final = ("conf", "lib", "providers", "themes")
_JAVA: Final = (
    "-Xms64m",
    "-Xmx400m",
    "-XX:MaxMetaspaceSize=256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dfile.encoding=UTF-8",
    "-Duser.language=en",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory="
    "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
    "-Dpicocli.disable.closures=true",
    "-Dquarkus-log-max-startup-records=10000",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
)


class NoKeycloak(Exception):
    """Keycloak is not there and cannot be fetched; the message says why."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files in PEM: a server's certificate with its chain, its key, and who vouches for it."""

    chain: Path
    key: Path
    authority: Path


class Keycloak:
    """The part `keycloak`. The process is Java's own: `bin/kc.sh` would be a wrapper around it."""

    name = "keycloak"
    grace_seconds = 20.0
    patience_seconds = 300.0  # the first start makes the database

    def __init__(self, layout: Layout, certificate: Certificate | None = None) -> None:
        """With a certificate it serves HTTPS alone, else plain HTTP; on loopback in any case."""
        self._layout = layout
        self._certificate = certificate
        self._home = layout.data(self.name)
        self._secret = self._home / "admin-secret"

    @property
    def url(self) -> str:
        scheme = "http" if self._certificate is None else "https"
        return f"{scheme}://{HOST}:{self._layout.ports.keycloak}"

    @property
    def issuer(self) -> str:
        """What its tokens have as `iss`."""
        return f"{self.url}/realms/{REALM}"

    @property
    def authority(self) -> Path | None:
        """Who vouches for its certificate."""
        return None if self._certificate is None else self._certificate.authority

    def admin_secret(self) -> str:
        """The secret of the client ADMIN; there since `prepare`."""
        return self._secret.read_text(encoding="ascii")

    def prepare(self) -> None:
        """Fetch it if it isn't there, and write the realm down. Raises NoKeycloak."""
        there = fetch(self._layout.cache)
        imported = self._home / "data" / "import"
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        imported.mkdir(parents=True, exist_ok=True)
        for name in _SHARED:
            link = self._home / name
            link.unlink(missing_ok=True)
            link.symlink_to(there / name)
        (imported / REALM_FILE.name).write_text(self._realm(), encoding="utf-8")
        if not self._secret.exists():
            descriptor = os.open(self._secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as opened:
                opened.write(secrets.token_urlsafe(32))

    def command(self) -> Command:
        arguments = (
            *_java(self._home),
            "start",
            "--optimized",
            "--import-realm",
            f"--hostname={self.url}",
            f"--http-host={HOST}",
            *self._listening(),
            "--log-level=warn",
        )
        return Command(arguments, folder=self._home, environment=self._environment())

    def trouble(self) -> str | None:
        """Ready is when it says who it is."""
        try:
            with urllib.request.urlopen(
                f"{self.issuer}/.well-known/openid-configuration",
                timeout=_ANSWER_SECONDS,
                context=self._trust(),
            ) as answer:
                issuer = json.load(answer)["issuer"]
        except (OSError, ValueError, KeyError):
            return "no answer yet"
        return None if issuer == self.issuer else f"its issuer is {issuer}, not {self.issuer}"

    def _listening(self) -> tuple[str, ...]:
        port = self._layout.ports.keycloak
        if self._certificate is None:
            return "--http-enabled=true", f"--http-port={port}"
        return (
            f"--https-port={port}",
            f"--https-certificate-file={self._certificate.chain}",
            f"--https-certificate-key-file={self._certificate.key}",
        )

    def _realm(self) -> str:
        """The realm as it is; without TLS one that does not insist on it."""
        realm: dict[str, Any] = json.loads(REALM_FILE.read_text(encoding="utf-8"))
        if self._certificate is None:
            realm["sslRequired"] = "none"
        return json.dumps(realm, ensure_ascii=False)

    def _environment(self) -> Mapping[str, str]:
        """What it is told beside its arguments; nothing that is meant for another Keycloak."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KC_")}
        return {
            **kept,
            "KC_DB_URL": f"jdbc:h2:file:{self._home / 'data' / 'keycloak'};NON_KEYWORDS=VALUE",
            "KC_BOOTSTRAP_ADMIN_CLIENT_ID": ADMIN,
            "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET": self.admin_secret(),
        }

    def _trust(self) -> ssl.SSLContext | None:
        if self._certificate is None:
            return None
        return ssl.create_default_context(cafile=str(self._certificate.authority))


def fetch(cache: Path) -> Path:
    """The folder of the distribution, put together for this use. Raises NoKeycloak."""
    there = _folder(cache)
    stamp = there / ".pom.xml"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{there.name}.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_bytes() == _POM.read_bytes():
            return there
        with tempfile.TemporaryDirectory(prefix="keycloak-", dir=cache) as folder:
            _unpack(cache, Path(folder))
            draft = Path(folder) / there.name
            if not draft.is_dir():
                raise NoKeycloak(f"the distribution has no folder {there.name}; compare {_POM}")
            _put_together(draft)
            shutil.copyfile(_POM, draft / stamp.name)
            shutil.rmtree(there, ignore_errors=True)
            draft.rename(there)
    return there


def _folder(cache: Path) -> Path:
    version = re.search(r"<keycloak.version>(.+?)</", _POM.read_text(encoding="utf-8"))
    assert version is not None
    return cache / f"keycloak-{version[1]}"


def _unpack(cache: Path, target: Path) -> None:
    """Fetch the archive with Maven, unpack it and keep no copy of it. Raises NoKeycloak."""
    repository = cache / "maven"
    _run(
        "fetching Keycloak failed",
        "mvn", "--quiet", "--batch-mode", "--file", str(_POM), "-Dstyle.color=never",
        f"-Dmaven.repo.local={repository}",
        "dependency:unpack-dependencies", f"-DoutputDirectory={target}",
        f"-DmarkersDirectory={target / 'markers'}",  # else it remembers that it did so before
    )  # fmt: skip
    shutil.rmtree(repository / "org" / "keycloak", ignore_errors=True)


def _put_together(home: Path) -> None:
    """Do once what every start would do otherwise. Raises NoKeycloak."""
    _run(
        "putting Keycloak together failed",
        *_java(home), "build", "--db=dev-file", "--cache=local",
    )  # fmt: skip


def _java(home: Path) -> tuple[str, ...]:
    return (
        "java",
        *_JAVA,
        f"-Dkc.home.dir={home}",
        f"-Djboss.server.config.dir={home / 'conf'}",
        "-cp",
        str(home / "lib" / "quarkus-run.jar"),
        _MAIN,
    )


def _run(failure: str, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KC_")}
    try:
        done = subprocess.run(
            arguments, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise NoKeycloak(f"{failure}: {arguments[0]} is not installed") from error
    if done.returncode != 0:
        raise NoKeycloak(f"{failure}:\n{done.stdout}{done.stderr}")
