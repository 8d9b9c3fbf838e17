"""A person at a browser: follows addresses, fills in forms, sets up a second factor."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import struct
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin

import httpx

from deploy.local.keycloak_admin import Person
from shared.runtime.clocks import MachineClock, SystemMachineClock

_TOTP_SECONDS: Final = 30
_MOST_PAGES: Final = 8


class Lost(Exception):
    """The page is not one that this person knows what to do with."""


@dataclass(slots=True)
class Form:
    """The first form of a page that sends something."""

    address: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    """Finds the forms of a page, with what their fields and buttons hold."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._within = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("method", "").lower() == "post":
            self.forms.append(Form(values.get("action", "")))
            self._within = True
        elif tag in {"input", "button"} and self._within and "name" in values:
            self.forms[-1].fields[values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._within = False


class Browser:
    """A context manager; one session of one person."""

    def __init__(
        self, person: Person, trust: ssl.SSLContext, clock: MachineClock | None = None
    ) -> None:
        self._person = person
        self._clock = clock or SystemMachineClock()
        self._http = httpx.Client(verify=trust, follow_redirects=True, timeout=60)
        self.pages: list[str] = []  # what was asked on the way

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def confirm(self, address: str, *, agree: bool = True) -> httpx.Response:
        """Open the address of a device's code, log in and decide; returns the last page.

        Raises Lost.
        """
        page = self._http.get(address)
        for _ in range(_MOST_PAGES):
            form = _form(page)
            if form is None:
                return page
            answer = self._answer(form, agree=agree)
            page = self._http.post(urljoin(str(page.url), form.address), data=answer)
        raise Lost(f"no end after {_MOST_PAGES} pages: {self.pages}")

    def _answer(self, form: Form, *, agree: bool) -> dict[str, str]:
        fields = form.fields
        if "password" in fields:
            if "password" in self.pages:
                raise Lost("the password is asked for again: it was not accepted")
            self.pages.append("password")
            return {"username": self._person.name, "password": self._person.password}
        if "totpSecret" in fields:
            self.pages.append("second factor")
            secret = fields["totpSecret"]
            return {
                **fields,
                "totp": one_time_password(secret.encode(), self._clock.now().timestamp()),
                "userLabel": "telephone",
            }
        if "accept" in fields:
            self.pages.append("consent")
            decision = "accept" if agree else "cancel"
            hidden = {n: v for n, v in fields.items() if n not in {"accept", "cancel"}}
            return {**hidden, decision: fields[decision]}
        raise Lost(f"a form with the fields {sorted(fields)}")


def one_time_password(secret: bytes, at: float) -> str:
    """Six digits for the seconds since 1970: RFC 6238 with SHA-1, as authenticators have it."""
    digest = hmac.new(secret, struct.pack(">Q", int(at) // _TOTP_SECONDS), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06d}"


def challenge(verifier: str) -> str:
    """What a client of PKCE shows first of its secret: RFC 7636, S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _form(page: httpx.Response) -> Form | None:
    parser = _Forms()
    parser.feed(page.text)
    sending = [form for form in parser.forms if form.fields]
    return sending[0] if sending else None
