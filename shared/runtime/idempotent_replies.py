"""The replies to requests that take effect once, however often they are sent.

A reply is stored in the transaction of the changes that its request makes. So a repeated request
gets the same reply after any crash, from any process, and nothing happens twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request with an idempotency key."""

    id: str  # made of the sender, the address and the key
    fingerprint: str  # of the rest of the request


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a request, byte by byte."""

    keyed: Keyed
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    about: str | None = None  # what it belongs to, and moves with to another database


Replying: TypeAlias = Callable[[R], Reply | None]
"""Makes the reply for a result; returns None if the request has no key."""


def no_reply(_: object) -> None:
    """Make no reply, for a request without a key."""


class AlreadyReplied(Exception):
    """A request with that key has a reply already; this one changes nothing."""


class BeingReplied(Exception):
    """A request with that key is being processed, or has just been."""


class Replies(Protocol):
    """The replies in one database, each kept for one day by the machine clock."""

    async def find(self, id_: str) -> Reply | None:
        """The reply to the request with that id; None if there is none."""
        ...

    async def about(self, what: str) -> Sequence[Reply]:
        """All replies that belong to something, in no order."""
        ...

    async def add(self, reply: Reply) -> None:
        """Store the reply to a request that changes nothing.

        Raises AlreadyReplied and BeingReplied.
        """
        ...
