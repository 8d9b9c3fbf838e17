"""What a source signs of its event: bytes of the record as it is sent, the same in any language.

The lines below, each ended by a line feed, encoded in UTF-8:

    peygir-event-1
    key <SHA-256 of the record's key, in hexadecimal; of nothing if it has none>
    value <SHA-256 of the record's value, in hexadecimal>
    <name in lower case> <value>        of each header `ce_…` and `content-type`, sorted by name

So neither key nor attributes nor data can be changed, nor can an attribute be added. Other headers
are not signed: they mean nothing here. In structured mode the attributes are in the value.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import Final

from shared.contracts.envelope.headers import CONTENT_TYPE, PREFIX, Headers

SIGNATURE: Final = "x-signature"
"""The header with the signature: `ed25519=` and base64 of its 64 bytes."""

_FIRST_LINE: Final = b"peygir-event-1\n"


class NotSignable(Exception):
    """A record whose headers could be read in two ways; the message says which."""


def signed_bytes(key: bytes | None, headers: Headers, value: bytes | None) -> bytes:
    """What a signature of this record covers. Raises NotSignable."""
    lines: list[tuple[str, bytes]] = []
    for header, raw in headers:
        name = header.lower()
        if not name.startswith(PREFIX) and name != CONTENT_TYPE:
            continue
        try:
            broken = b"\n" in raw or "\n" in name
        except TypeError:  # Kafka's headers may also be null
            broken = True
        if broken:
            raise NotSignable(f"the header {name!r} is null, or has a line break")
        lines.append((name, raw))
    lines.sort()
    for (name, _), (following, _) in pairwise(lines):
        if name == following:
            raise NotSignable(f"the header {name} is there twice")
    attributes = b"".join(
        b"%b %b\n" % (name.encode("utf-8", "backslashreplace"), raw) for name, raw in lines
    )
    return b"%bkey %b\nvalue %b\n%b" % (
        _FIRST_LINE,
        sha256(key or b"").hexdigest().encode(),
        sha256(value or b"").hexdigest().encode(),
        attributes,
    )
