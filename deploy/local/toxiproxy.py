"""toxiproxy: a program between clients and servers that makes a network fail on request.

It is built once, from its pinned Go module (`toxiproxy_module`), and kept in the cache.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from deploy.local.layout import HOST, Layout
from deploy.local.links import links
from deploy.local.processes import Command

_MODULE: Final = Path(__file__).with_name("toxiproxy_module")
_PROGRAM: Final = "github.com/Shopify/toxiproxy/v2/cmd/server"
_ANSWER_SECONDS: Final = 1.0


class NoToxiproxy(Exception):
    """There is no toxiproxy and none can be built here; the message says why in one line."""


class Toxiproxy:
    """The part `toxiproxy`: one proxy for each way over the network of the installation."""

    name = "toxiproxy"
    grace_seconds = 5.0
    patience_seconds = 20.0

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._config = layout.run_dir / "toxiproxy.json"

    def prepare(self) -> None:
        """Build it if it isn't there; write down the proxies. Raises NoToxiproxy."""
        build(self._layout.cache)
        proxies = [
            {"name": link.name, "listen": link.listen, "upstream": link.upstream, "enabled": True}
            for link in links(self._layout)
        ]
        self._config.write_text(json.dumps(proxies, indent=2), encoding="utf-8")

    def command(self) -> Command:
        arguments = (
            str(_binary(self._layout.cache)),
            "-host", HOST,
            "-port", str(self._layout.ports.toxiproxy),
            "-config", str(self._config),
        )  # fmt: skip
        environment = {**os.environ, "LOG_LEVEL": "error"}
        return Command(arguments, folder=self._layout.root, environment=environment)

    def trouble(self) -> str | None:
        """Ready is when it has every proxy."""
        url = f"http://{HOST}:{self._layout.ports.toxiproxy}/proxies"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:
                there = json.load(answer)
        except OSError:
            return "no answer yet"
        missing = [link.name for link in links(self._layout) if link.name not in there]
        return f"no proxy yet for {', '.join(missing)}" if missing else None


def build(cache: Path) -> Path:
    """The program, built from its sources if it isn't in the cache yet. Raises NoToxiproxy."""
    binary = _binary(cache)
    if binary.exists():
        return binary
    go = shutil.which("go")
    if go is None:
        raise NoToxiproxy("toxiproxy is built with Go, which is not installed here")
    binary.parent.mkdir(parents=True, exist_ok=True)
    with binary.with_suffix(".lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            draft = binary.with_suffix(".new")
            _go(go, cache, "build", "-o", str(draft), _PROGRAM)
            draft.replace(binary)
    return binary


def _binary(cache: Path) -> Path:
    version = re.search(r"toxiproxy/v2 v(\S+)", (_MODULE / "go.mod").read_text(encoding="utf-8"))
    assert version is not None
    return cache / f"toxiproxy-{version[1]}" / "toxiproxy"


def _go(go: str, cache: Path, *arguments: str) -> None:
    """Run it so that nothing of what it fetches is left behind. Raises NoToxiproxy."""
    with tempfile.TemporaryDirectory(prefix="go-", dir=cache) as folder:
        environment = {
            **os.environ,
            "GOPATH": folder,
            "GOMODCACHE": f"{folder}/modules",
            "GOCACHE": f"{folder}/build",
            "GOFLAGS": "-mod=readonly -modcacherw -trimpath",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }
        done = subprocess.run(
            (go, *arguments),
            cwd=_MODULE,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise NoToxiproxy(f"building toxiproxy failed: {said[-1]}")
