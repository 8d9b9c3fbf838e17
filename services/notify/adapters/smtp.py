"""SMTP: one connection as long as there is something to send."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Final, Literal

import structlog
from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPHeloError,
    SMTPResponseException,
    SMTPTimeoutError,
)

from services.notify.adapters.mails import Mail, MailRenderer
from services.notify.domain.notices import Notice
from services.notify.handlers import Declined, Interrupted, NotYet, Unreachable

_log = structlog.get_logger(__name__)

_CLOSING: Final = 421  # RFC 5321, 3.8: the server closes the connection
_OUT_OF_STEP: Final = 503  # RFC 5321, 4.2.4: bad sequence of commands
_LOG_IN: Final = 530  # RFC 4954, 6: authentication required, in answer to any command
_TOO_LARGE: Final = 552  # RFC 1870, 6.1: the only answer to MAIL that concerns this mail
_LONGEST_ANSWER: Final = 1_000  # characters kept of the server's answer


class _Stage(IntEnum):
    """The last command sent for a mail."""

    MAIL = 1  # the server does not know the recipient yet
    RCPT = 2
    DATA = 3  # the server may have the whole mail


@dataclass(eq=False)
class _Broken(Exception):
    """A dialogue that cannot go on."""

    stage: _Stage
    cause: str
    was_refused: bool  # the server refused, so it has not accepted the mail
    was_silent: bool = False


class SmtpTransport:
    """Hands mails to a mail server; implements `handlers.MailTransport`.

    The server's answer about the recipient or the mail itself decides about the notice: 5xx is
    permanent, 4xx is temporary (RFC 5321, 4.2.1). If the server closes the connection, times out
    or breaks the protocol after it knows the recipient, only that mail is interrupted. Anything
    that goes wrong earlier, such as a refused login or sender, concerns no single notice: all wait.

    Servers limit the number of mails per connection. So a failure on a connection that was used
    before, at a time when the server did not have the mail, is tried once more on a new connection.

    If the connection breaks or this process dies before the answer arrives, the server may have
    accepted the mail. Such a mail goes out again with the same Message-ID.
    """

    def __init__(
        self,
        renderer: MailRenderer,
        *,
        host: str,
        port: int,
        tls: Literal["none", "starttls", "implicit"],
        user: str,
        password: str,
        timeout_seconds: float,
        ca_file: Path | None = None,
    ) -> None:
        """Connect at the first mail, not now. `timeout_seconds` is for each answer; `ca_file` holds
        the CA certificates for the server's certificate, None means those of the system."""
        self._renderer = renderer
        self._client = SMTP(
            hostname=host,
            port=port,
            username=user or None,
            password=password if user else None,
            use_tls=tls == "implicit",
            start_tls=tls == "starttls",
            timeout=timeout_seconds,
            cert_bundle=None if ca_file is None else str(ca_file),
        )
        self._is_used = False

    def address_of(self, notice: Notice) -> str:
        """The mail address of a notice's recipient."""
        return self._renderer.address_of(notice)

    async def open(self) -> None:
        """Connect if there is no connection. Raises Unreachable."""
        if self._client.is_connected:
            return
        self._is_used = False
        try:
            await self._client.connect()
            if self._client.is_ehlo_or_helo_needed:
                await self._greet()
        # UnicodeError: a host name that DNS cannot encode
        except (SMTPException, OSError, UnicodeError) as error:
            self._client.close()
            raise Unreachable(_readable(f"{type(error).__name__}: {error}")) from error
        except asyncio.CancelledError:
            self._client.close()
            raise

    async def _greet(self) -> None:
        try:
            await self._client.ehlo()
        except SMTPHeloError:
            if not self._client.is_connected:
                raise
            await self._client.helo()

    async def send(self, notice: Notice, now: datetime) -> None:
        """Send a notice as a mail dated `now`.

        Raises Declined, NotYet, Interrupted, Unreachable.
        """
        mail = self._renderer.write(notice, now)
        try:
            await self.open()
            try:
                await self._hand_over(mail)
            except _Broken as broken:
                if not self._is_used or not _is_worth_a_retry(broken):
                    raise
                await self.open()
                await self._hand_over(mail)
        except _Broken as broken:
            if broken.stage is _Stage.MAIL:
                raise Unreachable(broken.cause) from broken
            taken = broken.stage is _Stage.DATA and not broken.was_refused
            raise Interrupted(broken.cause, may_be_taken=taken) from broken
        except asyncio.CancelledError:  # the dialogue cannot be resumed
            self._client.close()
            raise
        finally:
            self._is_used = True

    async def _hand_over(self, mail: Mail) -> None:
        stage = _Stage.MAIL
        try:
            await self._client.mail(mail.sender, options=self._size_of(mail))
            stage = _Stage.RCPT
            await self._client.rcpt(mail.recipient)
            stage = _Stage.DATA
            await self._client.data(mail.content)
        except SMTPResponseException as refused:
            verdict = _verdict(stage, refused)
            if isinstance(verdict, _Broken):
                self._client.close()
            else:
                await self._reset()
            raise verdict from refused
        except (SMTPException, OSError) as error:
            self._client.close()
            cause = _readable(f"{type(error).__name__}: {error}")
            silent = isinstance(error, SMTPTimeoutError)
            raise _Broken(stage, cause, was_refused=False, was_silent=silent) from error

    def _size_of(self, mail: Mail) -> list[str]:
        """The parameter that announces the size of a mail (RFC 1870)."""
        return [f"SIZE={len(mail.content)}"] if self._client.supports_extension("size") else []

    async def _reset(self) -> None:
        """Reset the dialogue after a refusal; if the server cannot, close the connection."""
        try:
            await self._client.rset()
        except (SMTPException, OSError):
            self._client.close()

    async def close(self) -> None:
        """Close the connection with QUIT if there is one. Raises nothing."""
        if self._client.is_connected:
            try:
                await self._client.quit()
            except (SMTPException, OSError) as error:
                _log.debug("the mail server did not say goodbye", error=str(error))
                self._client.close()


def _is_worth_a_retry(broken: _Broken) -> bool:
    """Whether to try again on a new connection; never if the mail might be accepted twice."""
    if broken.stage is _Stage.MAIL:
        return True
    return not broken.was_silent and (broken.stage is _Stage.RCPT or broken.was_refused)


def _verdict(stage: _Stage, refused: SMTPResponseException) -> Declined | NotYet | _Broken:
    """The meaning of an answer that is not a success."""
    code, answer = refused.code, _readable(f"{refused.code} {refused.message}")
    if code in {_CLOSING, _OUT_OF_STEP}:
        return _Broken(stage, answer, was_refused=True)
    if code == _LOG_IN or (stage is _Stage.MAIL and code != _TOO_LARGE):
        return _Broken(_Stage.MAIL, answer, was_refused=True)
    if 500 <= code < 600:
        return Declined(answer)
    if 400 <= code < 500:
        return NotYet(answer, of_recipient=stage is _Stage.RCPT)
    return _Broken(stage, f"no answer that SMTP knows: {answer}", was_refused=False)


def _readable(text: str) -> str:
    """A server's answer on one line, in characters that can be stored anywhere.

    It may answer in any bytes; what is not UTF-8 arrives as lone surrogates, which are replaced.
    """
    return " ".join(text.split())[:_LONGEST_ANSWER].encode(errors="replace").decode()
