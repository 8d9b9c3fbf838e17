"""A real SMTP server in this process whose answers a test sets."""

from __future__ import annotations

import asyncio
import ssl
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

OK = "250 OK"


class _AnyBytes(SMTP):
    """Answers in bytes that need not be UTF-8: a lone surrogate represents one such byte."""

    async def push(self, status: str | bytes) -> None:
        if isinstance(status, str):
            status = status.encode(errors="surrogateescape")
        await super().push(status)


class Server:
    """Answers MAIL, RCPT and DATA as a test sets it, and counts; a context manager that listens."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, starttls: bool = False) -> None:
        """`tls`: its certificate, used from the first byte or after STARTTLS."""
        self._implicit = None if starttls else tls
        self._starttls = tls if starttls else None
        self.port = 0
        self._listening: asyncio.Server | None = None
        self.connections = 0
        self.sender_answer = self.recipient_answer = self.data_answer = OK
        self.answers_to: dict[str, str] = {}  # by recipient, before `recipient_answer`
        self.taken: list[tuple[str | None, list[str], bytes]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(
            lambda: _AnyBytes(self, loop=loop, tls_context=self._starttls),
            "127.0.0.1",
            0,
            ssl=self._implicit,
        )
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()

    async def handle_EHLO(  # noqa: N802  # the library's name
        self, _server: SMTP, session: Session, _envelope: Envelope, host: str, answers: list[str]
    ) -> list[str]:
        session.host_name = host
        self.connections += 1
        return answers

    async def handle_MAIL(  # noqa: N802
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        envelope.mail_from = address
        return self.sender_answer

    async def handle_RCPT(  # noqa: N802
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        answer = self.answers_to.get(address, self.recipient_answer)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.data_answer == OK:
            assert isinstance(envelope.content, bytes)
            self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return self.data_answer
