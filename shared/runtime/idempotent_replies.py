"""Requests that take effect once, however often they are sent: what each was answered.

A reply is kept in the transaction of what its request brings about. So whoever asks again after
any crash is answered the same, by whichever process, and nothing happens twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request to which its sender gave a key."""

    id: str  # by whom, to which address, under which key
    fingerprint: str  # of all else that it says


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request was answered, byte by byte."""

    keyed: Keyed
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    about: str | None = None  # whatever it goes with, where that moves to another database


Replying: TypeAlias = Callable[[R], Reply | None]
"""What is answered where something has that result; None where the request has no key."""


def no_reply(_: object) -> None:
    """Of a request without a key nothing is kept."""


class AlreadyReplied(Exception):
    """A request of that key was answered; whatever would be brought about is not."""


class BeingReplied(Exception):
    """A request of that key is being answered at this moment, or has just been."""


class Replies(Protocol):
    """The replies of one database, each kept for a day by the machine's clock."""

    async def find(self, id_: str) -> Reply | None:
        """Return what the request of that id was answered."""
        ...

    async def about(self, what: str) -> Sequence[Reply]:
        """Return all that go with something, in no order."""
        ...

    async def add(self, reply: Reply) -> None:
        """Keep what a request is answered that brings nothing about.

        Raises AlreadyReplied and BeingReplied.
        """
        ...
