"""Mails of notifications, and what a reader sees of them."""

from __future__ import annotations

import re
import unicodedata
from email import message_from_bytes, policy
from email.message import EmailMessage

import html5lib

from services.notify.adapters.addresses import Addresses
from services.notify.adapters.mails import MailRenderer
from services.notify.domain.notices import new_notices
from services.notify.domain.notifications import Notification
from shared.text import normalise
from tests.unit.notify.examples import NOW

RENDERER = MailRenderer(
    Addresses("peygir.example", {"minister-office": "vazir@moi.example"}), "peygir@a.b"
)
_DIRECTION_MARKS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_MARKS = "\u061c\u200e\u200f\ufeff\ufff9\ufffa\ufffb"


def raw(notification: Notification) -> bytes:
    (notice, *_) = new_notices(notification, NOW, None)
    return RENDERER.write(notice, NOW).content


def mail(notification: Notification) -> EmailMessage:
    return message_from_bytes(raw(notification), policy=policy.default)


def text(read: EmailMessage) -> str:
    part = read.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html(read: EmailMessage) -> str:
    part = read.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def shown(read: EmailMessage) -> str:
    """The plain text without direction marks."""
    return re.sub("[\u2068\u2069]", "", text(read))


def cleaned(text: str) -> str:
    """A line of somebody else as it should appear: without direction marks and noncharacters."""
    kept = []
    for character in normalise(text):
        point = ord(character)
        if unicodedata.bidirectional(character) in _DIRECTION_MARKS or character in _MARKS:
            continue
        if 0xE0001 <= point <= 0xE007F:
            continue
        if 0xD800 <= point <= 0xDFFF or 0xFDD0 <= point <= 0xFDEF or point % 0x10000 >= 0xFFFE:
            kept.append("\ufffd")
        else:
            kept.append(" " if point < 0x20 or 0x7F <= point <= 0x9F else character)
    return " ".join("".join(kept).split())


def cleaned_lines(text: str) -> str:
    return "\n".join(cleaned(line) for line in normalise(text).split("\n"))


def rows(page: str) -> dict[str, str]:
    """The table of a page, as a strict HTML parser reads it."""
    root = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    read = {}
    for row in root.iter("tr"):
        head, cell = row
        lines = [""]
        for part in cell:
            if part.tag == "br":
                lines.append("")
            else:
                assert (part.tag, list(part)) == ("bdi", [])
                lines[-1] += part.text or ""
        read[head.text] = "\n".join(lines)
    return read


def bare(value: str) -> str:
    """A value without the isolate that each of its lines must be."""
    lines = value.split("\n")
    for line in lines:
        assert line == "" or (line[0], line[-1]) == ("\u2068", "\u2069")
        assert not set(line[1:-1]) & {"\u2066", "\u2067", "\u2068", "\u2069"}
    return "\n".join(line[1:-1] for line in lines)
