"""Pages are valid HTML, whatever texts they contain, and show these texts."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import html5lib
from hypothesis import example, given

from shared.runtime.http import events_page
from shared.runtime.http.docs import _render
from shared.runtime.safe_text import writable
from tests.unit.followups.examples import unhurried
from tests.unit.written.any_text import ANY_TEXT


def parsed(page: str) -> ET.Element:
    """The page as a browser reads it; invalid HTML is an error here."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    found: ET.Element = parser.parse(page.encode())
    return found


def shown(text: str) -> str:
    """A text as a page shows it: cleaned, with line feeds as ends of lines."""
    return writable(text).replace("\r\n", "\n").replace("\r", "\n")


def spec(text: str) -> dict[str, Any]:
    """An AsyncAPI document with this text in every place for a text."""
    fields = {"type": "object", "properties": {text: {"type": text, "description": text}}}
    return {
        "asyncapi": text,
        "info": {"title": text, "version": text, "description": text},
        "channels": {
            "c": {
                "address": text,
                "description": text,
                "messages": {"m": {}},
                "bindings": {"kafka": {"partitions": 1}},
            }
        },
        "operations": {"o": {"action": "send", "channel": {"$ref": "#/channels/c"}}},
        "components": {
            "messages": {"m": {"name": text, "summary": text, "payload": fields}},
            "schemas": {"CloudEventHeaders": fields},
        },
    }


@unhurried
@given(ANY_TEXT)
@example("\x00\x0b\x85\ufdd0\ud800</title><script>alert(1)</script>")
def test_any_text_is_text_in_a_page(text: str) -> None:
    document = spec(text)
    page = parsed(
        _render(
            "asyncapi.html",
            root=text,
            spec=document,
            channels=events_page.channels(document),
            messages=events_page.messages(document),
            headers=events_page.headers(document),
        )
    )
    assert page.findtext(".//title") == shown(text)
    assert page.find(".//script") is None
    link = page.find(".//p/a")
    assert link is not None
    assert link.get("href") == f"{shown(text)}/asyncapi.json"
    assert [code.text or "" for code in page.iterfind(".//td/code")] == [shown(text)] * 3
    assert shown(text) in "".join(page.itertext())


@unhurried
@given(ANY_TEXT)
def test_any_title_is_the_title_of_the_docs(text: str) -> None:
    page = parsed(_render("docs.html", title=text, root=text))
    assert page.findtext(".//title") == shown(text)
    assert [script.get("src") for script in page.iterfind(".//script")] == [
        f"{shown(text)}/docs/swagger-ui-bundle.js",
        f"{shown(text)}/docs/start.js",
    ]
