"""Serve HTTP: the API, and on a port of their own, if they have one, the routes of operators."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from shared.runtime.clocks import MachineClock
from shared.runtime.server_certificates import CertificateFiles, ServerTls
from shared.runtime.settings import CommonSettings
from shared.service.connections import LimitedConnection, with_limits
from shared.service.lifecycle import DRAIN_SECONDS, BackgroundTask

_KEEP_ALIVE_SECONDS: Final = 75  # longer than proxies and clients keep a connection: they close it
_LAST_LOOK_SECONDS: Final = 2  # that operators' open requests get once all else has ended
_LONGEST_FRAMING: Final = 65_536  # of headers that are too long, so that the answer can say so


async def serve(
    app: FastAPI,
    operations: FastAPI | None,
    settings: CommonSettings,
    work: BackgroundTask,
    clock: MachineClock,
) -> None:
    """Serve HTTP and do the work in parallel, until SIGTERM or SIGINT.

    Open requests are answered first; then the work is cancelled, and `operations`, the app of the
    port of their own, is served until then. A failure of the work ends all.
    """
    certificate = settings.certificate_files
    tls = None if certificate is None else ServerTls(certificate)
    main = _server(app, settings.http_port, settings, tls, DRAIN_SECONDS)
    own = None
    tls_of_own = _without_clients(certificate)
    if operations is not None:
        port = settings.operations_port
        own = _server(operations, port, settings, tls_of_own, _LAST_LOOK_SECONDS)
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, main.stop)
    async with asyncio.TaskGroup() as group:
        background = [group.create_task(work())]
        followed = [each.follow(clock.sleep) for each in (tls, tls_of_own) if each is not None]
        background += [group.create_task(each) for each in followed]
        beside = None if own is None else group.create_task(own.serve())
        await main.serve()
        for task in background:
            task.cancel()
        if own is not None and beside is not None:
            await asyncio.wait(background)
            own.stop()


def _without_clients(files: CertificateFiles | None) -> ServerTls | None:
    """The TLS of the operators' port: kubelets and Prometheus have no certificate."""
    return None if files is None else ServerTls(files, asks_clients=False)


def _server(
    app: FastAPI, port: int, settings: CommonSettings, tls: ServerTls | None, drain_seconds: int
) -> _Server:
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=port,
        http=with_limits(
            LimitedConnection,
            header_seconds=settings.header_seconds,
            answer_seconds=settings.answer_seconds,
            most=settings.connections_most,
        ),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=drain_seconds,
        h11_max_incomplete_event_size=(
            settings.target_limit_bytes + settings.header_limit_bytes + _LONGEST_FRAMING
        ),
    )
    config.load()
    config.ssl = None if tls is None else tls.context
    return _Server(config)


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers, which end the process before the parts have ended."""

    def stop(self) -> None:
        """Answer the open requests and accept no new ones."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
