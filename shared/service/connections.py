"""A connection of HTTP that a client cannot hold without sending, or without reading.

Uvicorn limits the pause between two requests, but not how long the headers of one may take, nor
how long a client may leave an answer unread. Neither occupies a request's code, but a connection
and what it has in memory.
"""

from __future__ import annotations

import asyncio
import json
import sys
from http import HTTPStatus
from typing import Any, Final

import h11
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

_FAREWELL_SECONDS: Final = 1.0
_TOO_LARGE: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
_NOT_HTTP: Final = {
    "type": "urn:peygir:problem:bad-request",
    "title": "Bad Request",
    "status": 400,
    "detail": "This is not HTTP/1.1",
}
_HEADERS_TOO_LARGE: Final = {
    "type": "urn:peygir:problem:headers-too-large",
    "title": "The headers are too large",
    "status": 431,
}

_log = structlog.get_logger(__name__)


class LimitedConnection(H11Protocol):
    """Uvicorn's connection with deadlines, and with problem documents for what is not HTTP."""

    header_seconds: float = 20.0
    answer_seconds: float = 60.0
    most: int = 2_000

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._request_due: asyncio.TimerHandle | None = None
        self._reading_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._give_up("too many connections")
            return
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_asked:
            self._request_came()
        elif self._request_due is None and self._is_between_requests:
            self._expect_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_reading()
        elif self.conn.their_state is h11.SEND_BODY or self._has_begun_another:
            self._expect_request()  # or the rest of a body that nobody reads

    def shutdown(self) -> None:
        super().shutdown()
        if (
            self.transport.is_closing()
        ):  # over TLS, that waits for a client that has nothing to read
            self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._expect_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():  # else what is left has to be read too
            _end(self._reading_due)

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_came()
        _end(self._reading_due)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP, and headers longer than any limit."""
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 0
        status = _TOO_LARGE if hint == _TOO_LARGE else HTTPStatus.BAD_REQUEST
        body = json.dumps(_NOT_HTTP if status != _TOO_LARGE else _HEADERS_TOO_LARGE).encode()
        headers = [
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(body))),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ]
        answer = h11.Response(
            status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode()
        )
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()

    @property
    def _is_asked(self) -> bool:
        """Whether a request is whole up to its body, and not yet answered."""
        begun = self.cycle is not None  # before the first request it is None, whatever its type
        return begun and not self.cycle.response_complete

    @property
    def _is_between_requests(self) -> bool:
        return self.conn.their_state is h11.IDLE

    @property
    def _has_begun_another(self) -> bool:
        """Whether a part of the next request came together with the former one."""
        return self._is_between_requests and bool(self.conn.trailing_data[0])

    def _request_came(self) -> None:
        _end(self._request_due)
        self._request_due = None

    def _expect_request(self) -> None:
        _end(self._request_due)
        self._request_due = self.loop.call_later(
            self.header_seconds, self._give_up, "the request does not come"
        )

    def _expect_reading(self) -> None:
        _end(self._reading_due)
        self._reading_due = self.loop.call_later(
            self.answer_seconds, self._give_up, "the client does not read its answer"
        )

    def _give_up(self, why: str) -> None:
        # Also if it is closing: that waits until the client has read all.
        _log.info("connection ended", why=why)
        self.transport.abort()


def with_limits(
    kind: type[LimitedConnection], *, header_seconds: float, answer_seconds: float, most: int
) -> type[LimitedConnection]:
    """The class of connections with these limits: seconds, and how many at a time."""
    limits = {"header_seconds": header_seconds, "answer_seconds": answer_seconds, "most": most}
    return type(kind.__name__, (kind,), limits)


def _end(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
