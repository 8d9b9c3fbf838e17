"""An installation for the examples of the documents, which use other names and addresses."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.local.cluster import Cluster
from deploy.local.layout import HOST, PROJECT, Ports, local_dir
from shared.contracts.services import HTTP_PORTS, ServiceName
from shared.contracts.topics import Topics
from tests.component.harness import Producer, Service, binary, eventually

SERVED: Final[tuple[ServiceName, ...]] = ("scheduler", "followups", "notify")
_KAFKA: Final = f"{HOST}:{Ports.standard().kafka}"
_TOPIC: Final = re.compile(r"\bpeygir\.(?=[a-z])")  # types of events go on with a capital
_SERVICE: Final = re.compile(r"--service (\w+)")
LETTERS: Final = "/letters"
"""The source of the events that the tests send."""

_ROWS, _COLUMNS = 50, 200
_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Stage:
    """The installation; turns the names in the documents into its own, and back."""

    cluster: Cluster
    namespace: str
    topics: Topics
    producer: Producer
    services: Mapping[ServiceName, Service]

    def here(self, text: str) -> str:
        """An example with the names and addresses of this installation."""
        text = _TOPIC.sub(f"{self.namespace}peygir.", text).replace(_KAFKA, self.cluster.bootstrap)
        for name, service in self.services.items():
            text = text.replace(f"{HOST}:{HTTP_PORTS[name]}", f"{HOST}:{service.port}")
        return text

    def documented(self, text: str) -> str:
        """An output of this installation with the names of the documents."""
        return text.replace(f"{self.namespace}peygir.", "peygir.")

    async def console(self, command: str) -> tuple[int, str]:
        """Run a command on a terminal, in the checkout; its exit code and what it printed."""
        said = _SERVICE.search(command)
        name = said[1] if said else "followups"
        (api,) = [str(service.http.base_url) for n, service in self.services.items() if n == name]
        kept = {n: value for n, value in os.environ.items() if not n.startswith("PEYGIR_")}
        environment = {
            **kept,
            "PEYGIR_ENV": "development",
            "PEYGIR_LOCAL_DIR": str(local_dir(os.environ)),
            "PEYGIR_KAFKA_BOOTSTRAP_SERVERS": self.cluster.bootstrap,
            "PEYGIR_MONGODB_URI": self.cluster.mongodb_uri,
            "PEYGIR_NAMESPACE": self.namespace,
            "PEYGIR_API": api,
            "TERM": "dumb",  # no colours
            "LINES": str(_ROWS),
            "COLUMNS": str(_COLUMNS),
        }
        code, output = await asyncio.to_thread(_on_a_terminal, self.here(command), environment)
        return code, self.documented(output)

    async def request(self, text: str, body: Any) -> httpx.Response:
        """Send a request that is written as HTTP, to the service that has such an address."""
        first, *headers = text.splitlines()
        method, _, address = first.partition(" ")
        for service in self.services.values():
            document = (await service.http.get("/openapi.json")).json()
            if has_route(document, method, address):
                return await service.http.request(
                    method,
                    address,
                    headers=dict(line.split(": ", 1) for line in headers if line),
                    json=body,
                )
        raise AssertionError(f"no service has {method} {address}")

    async def approve(self, resolution_id: str, deputy: str = "civil", **more: Any) -> None:
        """Publish an approval, and wait until it is followed."""
        data = {
            "resolution_id": resolution_id,
            "deputy": deputy,
            "title": "تکمیل پل روستای سرآسیاب",
            "approved_at": "2026-11-01T10:00:00+03:30",
            "due_on": "2030-01-01",
            **more,
        }
        topic, type_ = self.topics.resolutions(deputy), "ResolutionApproved"
        await self.producer.event(
            topic, type_, data, key=resolution_id, id_=resolution_id, source=LETTERS
        )
        await self.followed(resolution_id)

    async def followed(self, resolution_id: str) -> None:
        """Wait until a resolution is followed."""

        async def is_followed() -> bool:
            found = await self.services["followups"].items(
                "/v1/followups", resolution_id=resolution_id
            )
            return bool(found)

        await eventually(is_followed, 30, f"the follow-up of {resolution_id}")

    async def send(self, key: str, id_: str, type_: str, value: bytes) -> None:
        """Publish a record for `civil`, right or wrong."""
        headers = binary(type_, id_, LETTERS)
        await self.producer.send(self.topics.resolutions("civil"), value, key=key, headers=headers)


@asynccontextmanager
async def staged(
    cluster: Cluster, namespace: str, topics: Topics, folder: Path
) -> AsyncIterator[Stage]:
    """The services that the examples use."""
    await asyncio.to_thread(cluster.start, "mail")
    own = {
        "PEYGIR_DEPUTIES": "civil,social",
        "PEYGIR_DEFERRED_SECONDS": "0",  # as in the lists of docs/dead-letters.md
        "PEYGIR_SMTP_PORT": str(cluster.layout.ports.mail),
    }
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(Producer(cluster))
        services = {name: Service(name, cluster, namespace, folder, **own) for name in SERVED}
        for service in services.values():
            stack.push_async_callback(service.close)
            service.launch()
        for service in services.values():
            await service.ready(_SECONDS)
        for name in ("followups", "notify"):
            await services[name].reads(_SECONDS)
        yield Stage(cluster, namespace, topics, producer, services)


def has_route(document: Mapping[str, Any], method: str, address: str) -> bool:
    """Whether an OpenAPI document has an operation at that address."""
    path = address.partition("?")[0]
    return any(
        method.lower() in operations
        and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path) is not None
        for known, operations in document["paths"].items()
    )


def _on_a_terminal(command: str, environment: Mapping[str, str]) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        ("bash", "-c", command),
        cwd=PROJECT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    read = bytearray()
    try:
        while piece := os.read(ours, 65_536):
            read += piece
    except OSError:
        """Linux reports so that the other end is closed."""
    finally:
        os.close(ours)
    code = process.wait(_SECONDS)
    return code, read.decode(errors="replace").replace("\r\n", "\n")
