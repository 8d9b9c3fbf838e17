"""A notice as a mail: plain text and HTML, right to left, encoded for SMTP."""

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
    """Write headers unchanged: ours are ASCII, and folded already if they are long.

    Folding all of them again, as the library's own policies do, takes most of the time of a mail.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        return f"{name}: {value}{_CRLF}".encode("ascii")


_WIRE: Final = _Wire(linesep=_CRLF)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail ready to send."""

    sender: str
    recipient: str
    content: bytes  # RFC 5322, ASCII, lines end with CRLF


class MailRenderer:
    """Writes mails. A notice always has the same Message-ID, so a duplicate can be recognised."""

    def __init__(self, addresses: Addresses, sender: str) -> None:
        self._addresses = addresses
        self._sender = sender
        self._text, self._html = _templates()

    def address_of(self, notice: Notice) -> str:
        """The mail address of a notice's recipient."""
        return self._addresses.of(notice.recipient_role)

    def write(self, notice: Notice, now: datetime) -> Mail:
        """Write a notice's mail, dated `now` (aware)."""
        recipient = self.address_of(notice)
        content = letter(notice)
        mail = MIMEMultipart("alternative", boundary=f"=_{notice.notice_id}")
        mail["From"] = f"{Header(_SENDER, 'utf-8').encode()} <{self._sender}>"
        mail["To"] = recipient
        mail["Subject"] = Header(content.subject, "utf-8", header_name="Subject").encode(
            linesep=_CRLF
        )
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{notice.notice_id}@{self._addresses.domain}>"
        mail["Content-Language"] = "fa"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: asks for no automatic reply
        text = self._text.render(letter=content, notice_id=notice.notice_id)
        html = self._html.render(letter=content, notice_id=notice.notice_id)
        mail.attach(MIMEText(text, "plain", "utf-8"))
        mail.attach(MIMEText(html, "html", "utf-8"))
        return Mail(self._sender, recipient, mail.as_bytes(policy=_WIRE))


def _templates() -> tuple[Template, Template]:
    environment = Environment(
        loader=PackageLoader("services.notify.adapters"),
        autoescape=lambda name: bool(name and name.endswith(".html")),  # noqa: S701  # else text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["isolated"] = isolated
    return environment.get_template("mail.txt"), environment.get_template("mail.html")
