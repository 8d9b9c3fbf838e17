"""SMTP: one connection for as long as there is something to send."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final, Literal

import structlog
from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
)

from services.notify.adapters.mails import Scribe
from services.notify.domain import Notice
from services.notify.handlers import Declined, NotYet, Unreachable

_log = structlog.get_logger(__name__)

_CLOSING = 421  # RFC 5321, 3.8: the server hangs up
_LONGEST_ANSWER: Final = 1_000  # characters kept of what the server says


class SmtpPost:
    """Hands mails to a mail server; implements `handlers.Post`.

    Only what the server says of the recipient or of the mail itself decides a notice's fate:
    5xx is for ever, 4xx is for now (RFC 5321, 4.2.1). Whatever else goes wrong, a refused log-in
    or sender included, is no notice's fault: all of them wait.

    The server may have taken a mail whose answer never came: the connection broke, or this process
    died. Such a mail goes out again, under the same Message-ID.
    """

    def __init__(
        self,
        scribe: Scribe,
        *,
        host: str,
        port: int,
        tls: Literal["none", "starttls", "implicit"],
        user: str,
        password: str,
        timeout_seconds: float,
    ) -> None:
        """Nothing is connected before the first mail. `timeout_seconds` is for each answer."""
        self._scribe = scribe
        self._client = SMTP(
            hostname=host,
            port=port,
            username=user or None,
            password=password if user else None,
            use_tls=tls == "implicit",
            start_tls=tls == "starttls",
            timeout=timeout_seconds,
        )

    async def send(self, notice: Notice, now: datetime) -> None:
        """Hand one over; `now` is its date. Raises Declined, NotYet, Unreachable."""
        mail = self._scribe.write(notice, now)
        try:
            if not self._client.is_connected:
                await self._client.connect()
            await self._client.sendmail(mail.sender, [mail.recipient], mail.content)
        except SMTPRecipientsRefused as refused:
            raise self._verdict(refused.recipients[0]) from refused
        except SMTPDataError as refused:
            raise self._verdict(refused) from refused
        except (SMTPException, OSError) as error:
            self._client.close()
            raise Unreachable(_readable(f"{type(error).__name__}: {error}")) from error
        except asyncio.CancelledError:  # in the midst of a dialogue that nobody can take up again
            self._client.close()
            raise

    def _verdict(self, refused: SMTPRecipientRefused | SMTPDataError) -> Exception:
        told = _readable(f"{refused.code} {refused.message}")
        if refused.code == _CLOSING:
            self._client.close()
            return Unreachable(told)
        return Declined(told) if refused.code >= 500 else NotYet(told)

    async def close(self) -> None:
        """Say goodbye, where anybody listens."""
        if self._client.is_connected:
            try:
                await self._client.quit()
            except (SMTPException, OSError) as error:
                _log.debug("the mail server did not say goodbye", error=str(error))
                self._client.close()


def _readable(text: str) -> str:
    """What a server said, in one line of characters that can be written anywhere.

    It may answer in any bytes; what is no UTF-8 comes as lone surrogates, which nothing takes.
    """
    return " ".join(text.split())[:_LONGEST_ANSWER].encode(errors="replace").decode()
