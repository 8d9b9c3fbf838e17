"""SMTP: one connection for as long as there is something to send."""

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

_CLOSING: Final = 421  # RFC 5321, 3.8: the server hangs up
_OUT_OF_STEP: Final = 503  # RFC 5321, 4.2.4: it takes one command for another
_LOG_IN: Final = 530  # RFC 4954, 6: of the session, whichever command hears it
_TOO_LARGE: Final = 552  # RFC 1870, 6.1: the one answer to MAIL that is about the mail
_LONGEST_ANSWER: Final = 1_000  # characters kept of what the server says


class _Stage(IntEnum):
    """How far a mail has come."""

    MAIL = 1  # nothing was said yet of the recipient
    RCPT = 2
    DATA = 3  # the server may have all of it


@dataclass(eq=False)
class _Broken(Exception):
    """A dialogue that cannot go on."""

    stage: _Stage
    told: str
    was_refused: bool  # the server said that it would not, so it has not taken it
    was_silent: bool = False


class SmtpTransport:
    """Hands mails to a mail server; implements `handlers.MailTransport`.

    What the server says of the recipient or of the mail itself decides a notice's fate: 5xx is for
    ever, 4xx is for now (RFC 5321, 4.2.1). Where it hangs up, falls silent or talks nonsense after
    it has heard of the recipient, that mail alone is interrupted. Whatever goes wrong before, a
    refused log-in or sender included, is no notice's fault: all of them wait.

    A connection may have served its time: servers limit the mails that they take over one. So what
    goes wrong on one that was used, before the mail was there, is tried once more on a new one.

    The server may have taken a mail whose answer never came: the connection broke, or this process
    died. Such a mail goes out again, under the same Message-ID.
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
        """Nothing is connected before the first mail. `timeout_seconds` is for each answer;
        `ca_file` signs the server's certificate where the system's do not."""
        self._scribe = renderer
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
        """Where a notice goes."""
        return self._scribe.address_of(notice)

    async def open(self) -> None:
        """Connect, where it is not. Raises Unreachable."""
        if self._client.is_connected:
            return
        self._is_used = False
        try:
            await self._client.connect()
            if self._client.is_ehlo_or_helo_needed:
                await self._greet()
        except (SMTPException, OSError, UnicodeError) as error:  # a host's name may be none in DNS
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
        """Hand one over; `now` is its date. Raises Declined, NotYet, Interrupted, Unreachable."""
        mail = self._scribe.write(notice, now)
        try:
            await self.open()
            try:
                await self._hand_over(mail)
            except _Broken as broken:
                if not self._is_used or not _deserves_another(broken):
                    raise
                await self.open()
                await self._hand_over(mail)
        except _Broken as broken:
            if broken.stage is _Stage.MAIL:
                raise Unreachable(broken.told) from broken
            taken = broken.stage is _Stage.DATA and not broken.was_refused
            raise Interrupted(broken.told, may_be_taken=taken) from broken
        except asyncio.CancelledError:  # in the midst of a dialogue that nobody can take up again
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
            told = _readable(f"{type(error).__name__}: {error}")
            silent = isinstance(error, SMTPTimeoutError)
            raise _Broken(stage, told, was_refused=False, was_silent=silent) from error

    def _size_of(self, mail: Mail) -> list[str]:
        """What the server may judge a mail's length by (RFC 1870)."""
        return [f"SIZE={len(mail.content)}"] if self._client.supports_extension("size") else []

    async def _reset(self) -> None:
        """Begin anew after a refusal; a server that cannot do so gets another connection."""
        try:
            await self._client.rset()
        except (SMTPException, OSError):
            self._client.close()

    async def close(self) -> None:
        """Say goodbye, where anybody listens."""
        if self._client.is_connected:
            try:
                await self._client.quit()
            except (SMTPException, OSError) as error:
                _log.debug("the mail server did not say goodbye", error=str(error))
                self._client.close()


def _deserves_another(broken: _Broken) -> bool:
    """Whether a new connection may do better, without a mail that is taken twice."""
    if broken.stage is _Stage.MAIL:
        return True
    return not broken.was_silent and (broken.stage is _Stage.RCPT or broken.was_refused)


def _verdict(stage: _Stage, refused: SMTPResponseException) -> Declined | NotYet | _Broken:
    """What an answer means that is no consent."""
    code, told = refused.code, _readable(f"{refused.code} {refused.message}")
    if code in {_CLOSING, _OUT_OF_STEP}:
        return _Broken(stage, told, was_refused=True)
    if code == _LOG_IN or (stage is _Stage.MAIL and code != _TOO_LARGE):
        return _Broken(_Stage.MAIL, told, was_refused=True)
    if 500 <= code < 600:
        return Declined(told)
    if 400 <= code < 500:
        return NotYet(told, of_recipient=stage is _Stage.RCPT)
    return _Broken(stage, f"no answer that SMTP knows: {told}", was_refused=False)


def _readable(text: str) -> str:
    """What a server said, in one line of characters that can be written anywhere.

    It may answer in any bytes; what is no UTF-8 comes as lone surrogates, which nothing takes.
    """
    return " ".join(text.split())[:_LONGEST_ANSWER].encode(errors="replace").decode()
