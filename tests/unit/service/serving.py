"""A served app on real sockets, and certificates made for one test."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trustme
from fastapi import APIRouter, FastAPI
from starlette.responses import StreamingResponse

from shared.runtime.access import Action
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.health import Health
from shared.runtime.http.access import may
from shared.runtime.identity import OpenIdentity
from shared.runtime.metrics import Metrics
from shared.runtime.settings import CommonSettings
from shared.service import web
from shared.service.serving import serve

BLOCK = b"x" * 65_536
ANY_ROLE = [may(Action.READ_SEASONS)]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@dataclass(slots=True)
class Served:
    """A process' HTTP, as far as these tests need it."""

    settings: CommonSettings
    ended_work: list[str] = field(default_factory=list)
    streamed: int = 0
    """Blocks of the endless answer that were written."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether the endless answer has ended."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Lets GET /v1/slow answer."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    last_batch: asyncio.Event | None = None
    """If it is there, the work ends only when it is set."""

    def url(self, path: str, *, operations: bool = False) -> str:
        scheme = "https" if self.settings.http_tls == "here" else "http"
        port = self.settings.operations_port if operations else self.settings.http_port
        return f"{scheme}://127.0.0.1:{port}{path}"

    def apps(self) -> web.Apps:
        api, operations = APIRouter(), APIRouter()

        @api.get("/slow", dependencies=ANY_ROLE)
        async def slow() -> str:
            self.asked.set()
            await self.go_on.wait()
            return "answered"

        @api.post("/echo", dependencies=ANY_ROLE)
        async def echo(body: dict[str, Any]) -> dict[str, Any]:
            return body

        @api.get("/endless", dependencies=ANY_ROLE, response_class=StreamingResponse)
        async def endless() -> StreamingResponse:
            async def blocks() -> AsyncIterator[bytes]:
                try:
                    while True:
                        self.streamed += 1
                        yield BLOCK
                        await asyncio.sleep(0)
                finally:
                    self.ended.set()

            return StreamingResponse(blocks())

        @operations.get("/subscriptions", dependencies=ANY_ROLE)
        async def subscriptions() -> str:
            return "paused"

        async def nothing() -> None:
            """Needs nothing."""

        routes = web.Routes(
            api=[api], operations=operations, pages=(), long_bodies=(), needs=nothing
        )
        return web.build(
            self.settings,
            routes,
            title="Things",
            health=Health(),
            metrics=Metrics(),
            authenticator=OpenIdentity(),
            asyncapi=dict,
        )

    async def work(self) -> None:
        """The process' other work: it waits, and notes when it is cancelled."""
        try:
            await asyncio.Event().wait()
        finally:
            self.ended_work.append("cancelled")
            if self.last_batch is not None:
                await self.last_batch.wait()

    def stop(self) -> None:
        """What an operator does."""
        os.kill(os.getpid(), signal.SIGTERM)


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a port that begins to listen soon."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def served(settings: CommonSettings) -> AsyncIterator[Served]:
    """Serve until the block ends, then stop as SIGTERM does."""
    found = Served(settings)
    apps = found.apps()
    clock = SystemMachineClock()
    running = asyncio.create_task(serve(apps.main, apps.operations, settings, found.work, clock))
    for port in {settings.http_port, settings.operations_port}:
        _, writer = await connected(port)
        writer.close()
    try:
        yield found
    finally:
        if not running.done():
            found.stop()
        async with asyncio.timeout(20):
            await running


def development(**settings: Any) -> CommonSettings:
    """Settings on a free port."""
    return CommonSettings(**{"env": "development", "http_port": free_port(), **settings})


@dataclass(frozen=True, slots=True)
class Certificates:
    """A certificate authority, with files of a server's certificate."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def certificate(self) -> Path:
        return self.folder / "tls.crt"

    @property
    def key(self) -> Path:
        return self.folder / "tls.key"

    def issue(self) -> None:
        """Write a new certificate of the server, as a renewal does: each file at once."""
        issued = self.authority.issue_cert("127.0.0.1")
        written = self.folder / "written"
        written.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        written.replace(self.certificate)
        written.write_bytes(issued.private_key_pem.bytes())
        written.replace(self.key)

    def client(self, own: trustme.LeafCert | None = None) -> httpx.AsyncClient:
        """A client that believes this authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if own is not None:
            own.configure_cert(context)
        return httpx.AsyncClient(verify=context)


def app_paths(app: FastAPI) -> set[str]:
    """The paths that an app documents."""
    return set(app.openapi()["paths"])
