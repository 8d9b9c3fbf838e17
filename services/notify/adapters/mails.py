"""A notice as a mail: plain text and HTML, from right to left, in bytes as SMTP takes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import Compat32
from email.utils import format_datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from services.notify.adapters.addresses import Addresses
from services.notify.adapters.letters import isolated, letter
from services.notify.domain.notices import Notice

_SENDER: Final = "سامانه پیگیر"
_CRLF: Final = "\r\n"


class _Wire(Compat32):
    """Writes headers as they are: ours are ASCII, and folded where they are long.

    Folding all of them again, as the library's own policies do, takes most of a mail's time.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        return f"{name}: {value}{_CRLF}".encode("ascii")


_WIRE: Final = _Wire(linesep=_CRLF)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail ready to be handed over."""

    sender: str
    recipient: str
    content: bytes  # RFC 5322, ASCII, lines ended by CRLF


class MailRenderer:
    """Writes mails. The same notice always gets the same Message-ID, so a double is known."""

    def __init__(self, addresses: Addresses, sender: str) -> None:
        self._addresses = addresses
        self._sender = sender
        self._text, self._html = _templates()

    def address_of(self, notice: Notice) -> str:
        """Where a notice goes."""
        return self._addresses.of(notice.recipient_role)

    def write(self, notice: Notice, now: datetime) -> Mail:
        """Write a notice's mail, dated `now` (aware)."""
        recipient = self.address_of(notice)
        told = letter(notice)
        mail = MIMEMultipart("alternative", boundary=f"=_{notice.notice_id}")
        mail["From"] = f"{Header(_SENDER, 'utf-8').encode()} <{self._sender}>"
        mail["To"] = recipient
        mail["Subject"] = Header(told.subject, "utf-8", header_name="Subject").encode(linesep=_CRLF)
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{notice.notice_id}@{self._addresses.domain}>"
        mail["Content-Language"] = "fa"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no robot shall answer
        text = self._text.render(letter=told, notice_id=notice.notice_id)
        html = self._html.render(letter=told, notice_id=notice.notice_id)
        mail.attach(MIMEText(text, "plain", "utf-8"))
        mail.attach(MIMEText(html, "html", "utf-8"))
        return Mail(self._sender, recipient, mail.as_bytes(policy=_WIRE))


def _templates() -> tuple[Template, Template]:
    environment = Environment(
        loader=PackageLoader("services.notify.adapters"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["isolated"] = isolated
    return environment.get_template("mail.txt"), environment.get_template("mail.html")
